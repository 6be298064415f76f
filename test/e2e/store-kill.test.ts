/**
 * The embedded store under `kill -9`: what was acknowledged is there again, and nothing that was never sent.
 *
 *   HEADCOUNT_TEST_KILL_ROUNDS=300 npx vitest run test/e2e/store-kill.test.ts    the long form, every byte cut
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FolderInUseError } from "../../node/store/damage.ts";
import { SqliteStore } from "../../node/store/sqlite-store.ts";
import { readWal } from "../../node/store/wal.ts";
import { itemAt, take } from "../../simulator/item-at.ts";
import { FileStore } from "../support/file-store.ts";
import { SeededRandom } from "../../simulator/seeded-random.ts";
import { commitUnderHead, messageOf, newestOf, readBack } from "../support/store-history.ts";

const ROUNDS = Number(process.env.HEADCOUNT_TEST_KILL_ROUNDS ?? 12);
const LINES_MAX = 300; // of a writer, before it is killed: some three checkpoints
const CUT_STEP = ROUNDS >= 100 ? 1 : 211; // a prime, so that cuts fall everywhere
const PARTITIONS = Array.from({ length: 16 }, (_, index) => index);
const WRITER = new URL("../support/store-writer.ts", import.meta.url).pathname;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "headcount-store-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function startWriter(term: number, seed: number) {
  const file = join(folder, "lines");
  rmSync(file, { force: true });
  const child = spawn(process.execPath, [WRITER, join(folder, "data"), String(term), String(seed), file], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<void>((resolve, reject) => {
    child.once("close", (_, signal) =>
      signal === "SIGKILL" ? resolve() : reject(new Error(`The writer ended by itself: ${stderr}`)),
    );
  });
  return { child, file, ended, output: createInterface({ input: child.stdout }) };
}

/** Starts a writer and kills it when it has said so many lines; all that it had said. */
async function writeUntilKilled(term: number, seed: number, linesMax: number): Promise<string[]> {
  const { child, file, ended, output } = startWriter(term, seed);
  let count = 0;
  output.on("line", () => {
    count += 1;
    if (count === linesMax) child.kill("SIGKILL");
  });
  await ended;
  return readFileSync(file, "utf8").split("\n").slice(0, -1);
}

/** The newest message of each partition that the lines acknowledge, by append and by snapshot. */
function acknowledged(lines: readonly string[], kind: "a" | "s"): Map<number, number> {
  const newest = new Map<number, number>();
  for (const line of lines) {
    if (!line.startsWith(`${kind} `)) continue;
    for (const pair of line.slice(2).split(" ")) {
      const [partition, number] = take(2, pair.split(":").map(Number));
      newest.set(partition, number);
    }
  }
  return newest;
}

const random = SeededRandom.fromEnvironment();
test(
  `store: killed ${ROUNDS} times under load, it keeps what it acknowledged (seed ${random.seed})`,
  { timeout: 60_000 + ROUNDS * 10_000 },
  async () => {
    let before = new Map<number, number>();
    let acknowledgements = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const lines = await writeUntilKilled(2 * round + 1, random.below(2 ** 32), 1 + random.below(LINES_MAX));
      const [appended, snapshotted] = [acknowledged(lines, "a"), acknowledged(lines, "s")];
      acknowledgements += lines.length;
      const store = await SqliteStore.open({ folder: join(folder, "data"), repair: false });
      const answers = await store.claim(PARTITIONS, { term: 2 * round + 2, incarnation: "reader" });
      const newest = new Map<number, number>();
      for (const [partition, answer] of answers.entries()) {
        if (answer.kind === "refused") throw new Error(`refused: ${JSON.stringify(answer.standing)}`);
        const found = newestOf(partition, answer.record);
        const sent = appended.get(partition) ?? before.get(partition) ?? 0;
        expect(found, `round ${round}, partition ${partition}: acknowledged`).toBeGreaterThanOrEqual(sent);
        expect(found, `round ${round}, partition ${partition}: sent`).toBeLessThanOrEqual(sent + 1);
        expect(readBack(partition, answer.record).snapshot).toBeGreaterThanOrEqual(snapshotted.get(partition) ?? 0);
        newest.set(partition, found);
      }
      before = newest;
      await store.close();
    }
    console.log(`${ROUNDS} kills, ${acknowledgements} lines of acknowledgements, none lost (seed ${random.seed})`);
  },
);

test(
  "store: cut anywhere in its last writes, it keeps all before them and the cut one whole or not at all",
  { timeout: 3_600_000 },
  async () => {
    const source = join(folder, "source");
    const target = join(folder, "target");
    mkdirSync(source);
    const claim = { term: 1, incarnation: "writer" };
    const store = new FileStore(source);
    await store.found({ partitions: 16, hashKey: new Uint8Array(8).fill(1) });
    await store.claim(PARTITIONS, claim);
    const lengths = PARTITIONS.map(() => 0);
    const commits = 20;
    for (let commit = 1; commit <= commits; commit += 1) {
      const appends = PARTITIONS.map((partition) => ({
        partition,
        claim,
        from: itemAt(lengths, partition),
        message: messageOf(partition, commit),
      }));
      expect(new Set(await store.append(commitUnderHead(appends)))).toEqual(new Set(["landed"]));
      for (const { partition, message } of appends) (lengths[partition] as number) += message.length;
    }
    // Read while it is open: what a kill leaves behind.
    const database = readFileSync(join(source, "headcount.db"));
    const wal = readFileSync(join(source, "headcount.db-wal"));
    await store.close();
    const { frames, damage } = readWal(wal);
    expect(damage).toBeUndefined();
    const ends = frames.flatMap((frame, index) => (frame.isCommit ? [32 + (index + 1) * 4120] : []));
    const [start, middle, end] = take(3, ends.slice(-3));

    const cutsTried = new Set<number>();
    const tryCut = async (cut: number, isZeroed: boolean): Promise<void> => {
      rmSync(target, { recursive: true, force: true });
      mkdirSync(target);
      writeFileSync(join(target, "headcount.db"), database);
      const rest = isZeroed ? Buffer.alloc(wal.length - cut) : Buffer.alloc(0);
      writeFileSync(join(target, "headcount.db-wal"), Buffer.concat([wal.subarray(0, cut), rest]));
      const cutStore = new FileStore(target);
      const whole = commits - (cut < middle ? 2 : cut < end ? 1 : 0);
      for (const [partition, answer] of (
        await cutStore.claim(PARTITIONS, { term: 2, incarnation: "reader" })
      ).entries()) {
        if (answer.kind === "refused") throw new Error("refused");
        expect(newestOf(partition, answer.record), `cut at ${cut - start} of ${end - start}`).toBe(whole);
      }
      await cutStore.close();
      cutsTried.add(cut);
    };
    for (let cut = start; cut <= end; cut += CUT_STEP) await tryCut(cut, cut % 2 === 0);
    const edges = [start, middle, end].flatMap((edge) => [edge - 1, edge, edge + 1, edge + 23, edge + 24]);
    for (const cut of edges) if (cut >= start && cut <= end) await tryCut(cut, false);
    console.log(`cut at ${cutsTried.size} of ${end - start + 1} places`);
  },
);

test("store: a second process on the same folder is refused, and let in when the first is gone", async () => {
  const data = join(folder, "data");
  const { child, ended, output } = startWriter(1, 1);
  await new Promise<void>((resolve) => output.on("line", (line) => line === "claimed" && resolve()));
  const refused = SqliteStore.open({ folder: data, repair: false });
  await expect(refused).rejects.toThrow(FolderInUseError);
  await expect(refused).rejects.toThrow(data);
  await expect(SqliteStore.open({ folder: data, repair: true })).rejects.toThrow(FolderInUseError);
  child.kill("SIGKILL");
  await ended;
  const store = await SqliteStore.open({ folder: data, repair: false });
  await expect(SqliteStore.open({ folder: data, repair: false })).rejects.toThrow(FolderInUseError);
  await store.close();
});
