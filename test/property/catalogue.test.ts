/** What is written is read again, whatever it is; and nodes that follow one store agree, whatever happens. */
import fc from "fast-check";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { valueIn } from "../../node/followed-text.ts";
import { parseCatalogue } from "../../node/rules/catalogue-file.ts";
import { checkCatalogue } from "../../node/rules/catalogue-form.ts";
import { FollowedRules } from "../../node/rules/followed-rules.ts";
import { NOTHING_STANDS, standingOf, STORED_CATALOGUE } from "../../node/rules/stored-catalogue.ts";
import { type Kept, NOTHING_KEPT } from "../../node/text-store.ts";
import { anyCatalogue, FakeFile } from "../support/catalogues.ts";
import { FickleStore } from "../support/fickle-store.ts";

const log = pino({ level: "silent" });
const ORIGIN = { node: "eu-1", at: "2026-11-28T00:00:00.000Z" };

test("whatever is printed is read again: as YAML, as JSON, and from the store", () => {
  fc.assert(
    fc.property(anyCatalogue, (catalogue) => {
      for (const text of [stringify(catalogue), JSON.stringify(catalogue), JSON.stringify(catalogue, undefined, "\t")])
        expect(parseCatalogue(text, "c.yaml")).toEqual({ kind: "sound", catalogue });
      const standing = standingOf(catalogue, ORIGIN);
      expect(STORED_CATALOGUE.parse(STORED_CATALOGUE.print(standing))).toEqual(standing);
    }),
  );
});

test("whatever JSON it is, it is sound or has faults that say where and what", () => {
  const near = anyCatalogue.chain((catalogue) =>
    fc
      .tuple(fc.constantFrom("version", "unknownModes", "modes", "leaderboards", "other"), fc.jsonValue())
      .map(([field, value]) => ({ ...catalogue, [field]: value })),
  );
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), near), (value) => {
      const read = parseCatalogue(JSON.stringify(value), "c.yaml");
      const checked = checkCatalogue(JSON.parse(JSON.stringify(value)), 20);
      expect(read.kind).toBe(checked.kind);
      if (read.kind === "sound") return;
      expect(read.faults.length).toBeGreaterThan(0);
      for (const { message } of read.faults) expect(message).toMatch(/^c\.yaml:[1-9]\d*:[1-9]\d*: [^\p{Cc}\p{Cf}]+$/u);
    }),
  );
});

test("whatever text it is, it is sound or has faults", () => {
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[-?:,[\]{}#&*!|>'"%@` \na1]{0,40}$/));
  fc.assert(
    fc.property(text, (each) => {
      const read = parseCatalogue(each, "c.yaml");
      if (read.kind === "faulty") expect(read.faults.length).toBeGreaterThan(0);
    }),
  );
});

test("whatever lies in the store is a catalogue or is refused", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      expect(() => STORED_CATALOGUE.parse(text)).toThrow();
    }),
  );
});

type Happening =
  | { readonly kind: "file"; readonly node: number; readonly version: number; readonly contents: number }
  | { readonly kind: "bad file"; readonly node: number }
  | { readonly kind: "ask"; readonly node: number }
  | { readonly kind: "store"; readonly state: "away" | "back" | "mute" }
  /** The store goes back by so many versions, as in a failover. */
  | { readonly kind: "loss"; readonly by: number }
  | { readonly kind: "time"; readonly ms: number };

const node = fc.nat({ max: 2 });
const anyHappening: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({
    kind: fc.constant("file" as const),
    node,
    version: fc.integer({ min: 1, max: 6 }),
    contents: fc.nat({ max: 2 }),
  }),
  fc.record({ kind: fc.constant("bad file" as const), node }),
  fc.record({ kind: fc.constant("ask" as const), node }),
  fc.record({ kind: fc.constant("store" as const), state: fc.constantFrom("away", "back", "mute") }),
  fc.record({ kind: fc.constant("loss" as const), by: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant("time" as const), ms: fc.integer({ min: 1, max: 600 }) }),
);

const fileOf = (version: number, contents: number) => ({ version, modes: [{ mode: `GM${contents}` }] });

function versionIn(kept: Kept): number {
  return valueIn(STORED_CATALOGUE, kept).catalogue.version;
}

class Nodes {
  readonly store = new FickleStore();
  private readonly history: Kept[] = [NOTHING_KEPT];
  /** What stands under a version stays: whatever takes its place has a higher one. */
  private areHigher = true;
  readonly files = [new FakeFile(fileOf(1, 0)), new FakeFile(fileOf(1, 1))];
  /** The last has no file. */
  readonly nodes = [...this.files, undefined].map((file) => new FollowedRules(file, log));
  /** What each of them had in force last. */
  private readonly seen = this.nodes.map(() => 0);

  start(): void {
    this.store.onWritten = (before, now) => {
      this.history.push(now);
      this.areHigher &&= versionIn(now) > versionIn(before);
    };
    for (const [at, each] of this.nodes.entries()) each.follow(this.store, () => `node-${at}`);
  }

  async happen(happening: Happening): Promise<void> {
    const { store, files, nodes } = this;
    if (happening.kind === "file") files[happening.node]?.write(fileOf(happening.version, happening.contents));
    else if (happening.kind === "bad file") files[happening.node]?.write({ version: 0, modes: [] });
    else if (happening.kind === "ask") nodes[happening.node]?.refresh();
    else if (happening.kind === "store") {
      store.isAway = happening.state === "away";
      store.isMute = happening.state === "mute";
    } else if (happening.kind === "loss") store.lose(this.history.at(-1 - happening.by) ?? NOTHING_KEPT);
    else await vi.advanceTimersByTimeAsync(happening.ms);
    this.check();
  }

  /** The highest that was in force anywhere. */
  get highest(): number {
    return Math.max(...this.seen);
  }

  /** No node goes back; and nothing is in force that was never stored. */
  check(): void {
    expect(this.areHigher).toBe(true);
    const stored = this.history.map((kept) => valueIn(STORED_CATALOGUE, kept).text);
    for (const [at, { catalogue }] of this.nodes.entries()) {
      expect(catalogue.version).toBeGreaterThanOrEqual(this.seen[at] as number);
      this.seen[at] = catalogue.version;
      expect(stored).toContainEqual(this.nodes[at]?.standing.text);
    }
  }

  async settle(): Promise<void> {
    this.store.isAway = this.store.isMute = false;
    await vi.advanceTimersByTimeAsync(1500);
    this.check();
  }

  stop(): void {
    for (const each of this.nodes) each.stop();
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("whatever happens, all end with the highest version, and whoever has another file knows that it is degraded", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyHappening, { maxLength: 30 }), async (happenings) => {
      const all = new Nodes();
      try {
        all.start();
        for (const each of happenings) await all.happen(each);
        await all.settle();
        const standing = valueIn(STORED_CATALOGUE, all.store.standing);
        const versions = all.files.map(({ read }) => (read?.kind === "sound" ? read.catalogue.version : 0));
        expect(standing.catalogue.version).toBeGreaterThanOrEqual(Math.max(all.highest, ...versions));
        for (const [at, each] of all.nodes.entries()) {
          expect(each.standing.text).toEqual(standing.text);
          const read = all.files[at]?.read;
          const isOther =
            read?.kind === "sound" &&
            read.catalogue.version === standing.catalogue.version &&
            JSON.stringify(read.catalogue) !== JSON.stringify(standing.text);
          expect(each.degradedReason !== undefined).toBe(isOther || read?.kind === "faulty");
          expect(each.isKnown || read?.kind === "faulty").toBe(true);
        }
      } finally {
        all.stop();
      }
    }),
    { numRuns: 200 },
  );
}, 120_000);

test("nothing is in force before it is stored, and while the store is away what stands stays", async () => {
  const [store, file] = [new FickleStore(), new FakeFile(fileOf(3, 0))];
  const rules = new FollowedRules(file, log);
  store.isAway = true;
  rules.follow(store, () => "node");
  await vi.advanceTimersByTimeAsync(3000);
  expect([rules.isKnown, rules.standing]).toEqual([false, NOTHING_STANDS]);
  store.isAway = false;
  await vi.advanceTimersByTimeAsync(600);
  expect([rules.isKnown, rules.catalogue.version]).toEqual([true, 3]);
  store.isAway = true;
  file.write(fileOf(4, 1));
  await vi.advanceTimersByTimeAsync(3000);
  expect(rules.catalogue.version).toBe(3);
  store.isAway = false;
  await vi.advanceTimersByTimeAsync(600);
  expect(rules.catalogue.version).toBe(4);
  rules.stop();
});
