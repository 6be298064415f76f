/**
 * The attacker of the privacy floor. It asks every public GET as often as it likes, and tells what it found out that the
 * published tables do not tell: from linked answers, from answers over time, and from anything else about an answer.
 */
import { gunzipSync } from "node:zlib";
import { SeededRandom } from "../../simulator/seeded-random.ts";
import { COVERED, EVERYTHING, get } from "./floor-requests.ts";
import { FLOOR, type Players, type World } from "./floor-world.ts";

export type OpenWorld = (quarantined?: readonly string[], delayMs?: number) => Promise<World>;

const EXACT_FROM = 100 * FLOOR;
/** After so long every node shows a minute's table, and what followed. */
const SETTLED_MS = 700;
const BEFORE_MINUTE_MS = 400;
const PLACES = ["CA", "US", "FR"] as const;
/** Of which players of these are counted in those. */
const AREAS = { "021": ["CA", "US"], "001": ["CA", "US", "FR"] } as const;
/** In US; of what is counted there, some is here. */
const SUBDIVISION = "US-CA";

interface Popular {
  readonly players: number;
  readonly complete?: false;
  readonly gamemodes: readonly { readonly mode: string; readonly players: number; readonly share: number }[];
  readonly others?: { readonly players: number };
}
interface Regions {
  readonly players: number;
  readonly regions: readonly { readonly region: string; readonly players: number }[];
}

// Linked answers.

/** Numbers of few players, or fine ones, in any answer, any sum or difference of answers, any share or rank. */
export async function attackLinked(open: OpenWorld): Promise<string[]> {
  await using world = await open(["banned"]);
  const found: string[] = [];
  smallTown(world);
  world.put("CA", "banned", 23);
  await nextMinute(world);
  for (let node = 0; node < world.nodes; node++) found.push(...(await linked(world, node)));
  world.put("US", "big", EXACT_FROM - 7);
  await world.pass(SETTLED_MS);
  found.push(...(await linked(world, 0)), ...setsOf(world));
  return found;
}

/** Numbers on both sides of every threshold. */
function smallTown(players: Players): void {
  const counts: Record<string, Record<string, number>> = {
    CA: { a: 8, b: 12, c: 11, d: 13, low1: 4, low2: 3, low3: 1 },
    US: { a: 3, big: EXACT_FROM + 3, middle: EXACT_FROM - 2, low1: 1, low2: 1 },
    FR: { low1: 2 },
    [SUBDIVISION]: { a: 4, low1: 1 },
  };
  for (const [place, modes] of Object.entries(counts))
    for (const [mode, number] of Object.entries(modes)) players.put(place, mode, number);
}

async function linked(world: World, node: number): Promise<string[]> {
  const found: string[] = [];
  const judge = (what: string, players: number): void => {
    if (players !== 0 && (players < FLOOR || players % FLOOR !== 0)) found.push(`${what}: ${players}`);
  };
  const [regions, total] = [
    await json<Regions>(world, node, "/v1/regions"),
    await json<Regions>(world, node, "/v1/players"),
  ];
  let [sum, exact] = [0, 0];
  for (const place of PLACES)
    for (const headers of [[], ["cache-control: no-cache"]]) {
      const answer = await json<Popular>(world, node, `/v1/regions/${place}/gamemode?top=100`, headers);
      const { players, gamemodes, others } = answer;
      const rounded = gamemodes.filter((mode) => !isExact(mode));
      const exactHere = gamemodes.filter(isExact).reduce((all, mode) => all + mode.players, 0);
      for (const mode of rounded) judge(`${place} ${mode.mode}`, mode.players);
      judge(`${place} others`, others?.players ?? 0);
      judge(`${place} all`, players - exactHere);
      const shown = gamemodes.reduce((all, mode) => all + mode.players, others?.players ?? 0);
      judge(`${place} not shown`, Math.abs(players - shown));
      for (const { mode, players: of, share } of gamemodes)
        if (share !== Math.round((of / players) * 10_000) / 10_000)
          found.push(`${place} ${mode}: share ${share} of another sum`);
      const names = (modes: Popular["gamemodes"]): string => modes.map(({ mode }) => mode).join();
      const ranked = gamemodes.toSorted((a, b) => b.players - a.players || (a.mode < b.mode ? -1 : 1));
      if (names(ranked) !== names(gamemodes)) found.push(`${place}: equal numbers in the order ${names(gamemodes)}`);
      if (headers.length > 0) continue;
      const inList = regions.regions.find(({ region }) => region === place)?.players ?? 0;
      judge(`${place} in the list of regions`, Math.abs(inList - players));
      sum += players;
      exact += exactHere;
    }
  found.push(...(await sums(world, node)), ...(await subdivisions(world, node)));
  judge("all regions", regions.players - exact);
  judge("all players", total.players - exact);
  judge("all regions and their sum", Math.abs(regions.players - sum));
  judge("all players and their sum", Math.abs(total.players - sum));
  return found;
}

/** Areas that are not the sums of their countries' answers. */
async function sums(world: World, node: number): Promise<string[]> {
  const found: string[] = [];
  const numbers = ({ players, gamemodes, others }: Popular): Map<string, number> =>
    new Map([
      ["(all)", players],
      ["(others)", others?.players ?? 0],
      ...gamemodes.map(({ mode, players: of }) => [mode, of] as const),
    ]);
  for (const [area, countries] of Object.entries(AREAS))
    for (const headers of [[], ["cache-control: no-cache"]]) {
      const sum = new Map<string, number>();
      for (const country of countries)
        for (const [name, players] of numbers(await json(world, node, `/v1/regions/${country}/gamemode?top=100`)))
          sum.set(name, (sum.get(name) ?? 0) + players);
      const shown = numbers(await json(world, node, `/v1/regions/${area}/gamemode?top=100`, headers));
      for (const [name, players] of differences(sum, shown)) found.push(`${area} ${name}: ${players} from the sum`);
      const list = await json<Regions>(world, node, `/v1/regions?of=${area}`, headers);
      const listed = list.regions.reduce((all, { players }) => all + players, 0);
      const all = sum.get("(all)");
      for (const told of [listed, list.players])
        if (told !== all) found.push(`the list of ${area}: ${told} in place of ${all}`);
    }
  return found;
}

/** Answers about subdivisions that are more than a refusal. */
async function subdivisions(world: World, node: number): Promise<string[]> {
  const found: string[] = [];
  for (const path of [`/v1/regions/${SUBDIVISION}/gamemode`, "/v1/regions?of=US"])
    for (const headers of [[], ["cache-control: no-cache"]]) {
      const bytes = await world.ask(node, get(path, headers));
      if (!bytes.startsWith("HTTP/1.1 403 ")) found.push(`${path}: ${bytes.slice(0, 12)}`);
    }
  return found;
}

function isExact({ players }: { readonly players: number }): boolean {
  return players >= EXACT_FROM;
}

/** What dashboards read. */
function setsOf(world: World): string[] {
  const numbers = world
    .sets()
    .flatMap((set) => (set as { board: { players: { mode: string; players: number }[] } }).board.players);
  return numbers
    .filter((mode) => !isExact(mode) && mode.players % FLOOR !== 0)
    .map(({ mode, players }) => `sorted set, ${mode}: ${players}`);
}

// Over time.

/** Numbers that change by less than the floor, or between two minutes. */
export async function attackOverTime(open: OpenWorld): Promise<string[]> {
  const found: string[] = [];
  for (const [what, change] of CHANGES) {
    await using world = await open();
    smallTown(world);
    await nextMinute(world);
    const before = await numbersOf(world);
    change(world);
    await world.pass(SETTLED_MS);
    const within = await numbersOf(world);
    for (const [name, players] of differences(before, within))
      found.push(`${what}: ${name} changed by ${players} within a minute`);
    await nextMinute(world);
    if (what === LARGE) continue; // it is exact from now on, as it should be
    for (const [name, players] of differences(within, await numbersOf(world)))
      if (players % FLOOR !== 0) found.push(`${what}: ${name} changed by ${players}`);
  }
  return found;
}

const LARGE = "a mode becomes large";
const CHANGES: readonly (readonly [what: string, change: (players: Players) => void])[] = [
  ["a player moves between modes", (players) => players.move(["CA", "a"], ["CA", "b"])],
  ["a player crosses a border", (players) => players.move(["CA", "c"], ["US", "low1"])],
  ["a player joins a hidden mode", (players) => players.put("FR", "low1", 3)],
  ["a player moves into a subdivision", (players) => players.move(["US", "low1"], [SUBDIVISION, "low1"])],
  ["a player joins a hidden mode in a subdivision", (players) => players.put(SUBDIVISION, "low2", 1)],
  ["a player leaves a mode that is shown", (players) => players.put("CA", "a", 7)],
  ["a player leaves a hidden mode", (players) => players.put("CA", "low2", 2)],
  [LARGE, (players) => players.put("US", "middle", EXACT_FROM + 11)],
];

/** Every number that nodes show, without sums in which exact numbers change. */
async function numbersOf(world: World): Promise<Map<string, number>> {
  const numbers = new Map<string, number>();
  for (let node = 0; node < world.nodes; node++) {
    for (const place of [...PLACES, ...Object.keys(AREAS)]) {
      const { gamemodes, others, players } = await json<Popular>(world, node, `/v1/regions/${place}/gamemode?top=100`);
      for (const { mode, players: of } of gamemodes) numbers.set(`${node} ${place} ${mode}`, of);
      numbers.set(`${node} ${place} others`, others?.players ?? 0);
      numbers.set(`${node} ${place} all`, players);
    }
    for (const { region, players } of (await json<Regions>(world, node, "/v1/regions")).regions)
      numbers.set(`${node} list ${region}`, players);
    numbers.set(`${node} players`, (await json<Regions>(world, node, "/v1/players")).players);
  }
  return numbers;
}

function differences(before: Map<string, number>, after: Map<string, number>): [name: string, players: number][] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((name): [string, number] => [name, Math.abs((after.get(name) ?? 0) - (before.get(name) ?? 0))])
    .filter(([, players]) => players !== 0);
}

// Anything else: two worlds with the same published tables.

/** Of a region in one minute, what is published of it. */
interface Plan {
  /** By mode: how many floors. */
  readonly rounded: ReadonlyMap<string, number>;
  /** All others together, in floors. */
  readonly others: number;
}

const ROUNDED = ["m1", "m2", "m3", "m4"];
const HIDDEN = Array.from({ length: 12 }, (_, number) => `h${number}`);
const STEP_MS = 130;
/** There and back takes longer than a tick, there alone does not. */
const SLOW_MS = 15;
/** So many modes make an answer that is packed. */
const WIDE = 24;

export interface TwinOptions {
  readonly minutes: number;
  readonly steps: number;
  /** In the midst of the second minute the owner of CA dies. */
  readonly hasCrash: boolean;
  /** Of every message between nodes, each way. */
  readonly delayMs?: number;
}

/** Whether two worlds with the same published tables and other hidden counts are answered alike, byte for byte. */
export async function attackTwins(open: OpenWorld, seed: number, options: TwinOptions): Promise<string[]> {
  const [one, other] = [await transcript(open, seed, 1, options), await transcript(open, seed, 2, options)];
  for (const [at, [what, bytes]] of one.entries()) {
    const [, others] = other[at] as (typeof one)[number];
    if (bytes !== others) return [`seed ${seed}, ${what}:\n${bytes}\nbut in its twin\n${others}`];
  }
  return [];
}

/** @param twin decides of all that is hidden */
async function transcript(
  open: OpenWorld,
  seed: number,
  twin: number,
  { minutes, steps, hasCrash, delayMs }: TwinOptions,
): Promise<[what: string, bytes: string][]> {
  const [shared, own] = [new SeededRandom(seed), new SeededRandom(seed * 31 + twin)];
  const told: [string, string][] = [];
  await using world = await open(shared.fraction() < 0.3 ? ["m1"] : [], delayMs);
  for (let mode = 0; mode < WIDE; mode++) world.put("CA", `wide${mode}`, FLOOR);
  const exact = EXACT_FROM + 20 + shared.below(40);
  world.put("US", "big", exact);
  let down = -1;
  for (let minute = 0; minute < minutes; minute++) {
    for (const place of PLACES) realize(planOf(shared), place, world, own);
    await nextMinute(world);
    for (let step = 0; step < steps; step++) {
      for (let change = own.below(4); change > 0; change--) jitter(world, own);
      const isMoving = shared.fraction() < 0.5;
      if (isMoving) world.put("US", "big", exact - 25 + shared.below(50));
      if (hasCrash && minute === 1 && step === 1) {
        await world.crashOwner("CA");
        down = 0;
      }
      await world.pass(20 * (1 + shared.below(STEP_MS / 20)));
      const nodes = down < 0 ? [shared.below(world.nodes)] : [...Array(world.nodes).keys()];
      for (const node of nodes)
        await sweep(world, node, step === 0, told, `minute ${minute}, step ${step}, node ${node}`);
    }
  }
  told.push(["sorted sets", JSON.stringify(world.sets())]);
  return told;
}

/** Whether a change that is hidden holds up one that is shown: it goes right before, over messages that take longer than a tick. */
export async function attackHoldUp(open: OpenWorld): Promise<string[]> {
  const [one, other] = [await heldUp(open, true), await heldUp(open, false)];
  return one.filter((bytes, at) => bytes !== other[at]).slice(0, 1);
}

async function heldUp(open: OpenWorld, isHidden: boolean): Promise<string[]> {
  await using world = await open([], SLOW_MS);
  world.put("US", "big", EXACT_FROM + 50);
  await nextMinute(world);
  const told: string[] = [];
  for (let round = 0; round < 10; round++) {
    await world.pass(20);
    for (const mode of HIDDEN) if (isHidden) world.put("US", mode, 1 + (round % 2));
    await world.pass(20);
    world.put("US", "big", EXACT_FROM + 10 + 4 * round);
    for (let step = 0; step < 12; step++) {
      await world.pass(20);
      for (let node = 0; node < world.nodes; node++) told.push(await world.ask(node, get("/v1/regions/US/gamemode")));
    }
  }
  return told;
}

function planOf(random: SeededRandom): Plan {
  const rounded = new Map(
    ROUNDED.filter(() => random.fraction() < 0.7).map((mode) => [mode, 1 + random.below(4)] as const),
  );
  return { rounded, others: random.below(4) };
}

/** Counts that a whole minute makes this table of. */
function realize({ rounded, others }: Plan, place: string, players: Players, random: SeededRandom): void {
  const about = (floors: number): number => {
    const [least, most] = [Math.ceil((floors - 0.5) * FLOOR), Math.ceil((floors + 0.5) * FLOOR) - 1];
    return Math.max(FLOOR, least + random.below(most - least + 1));
  };
  const put = (mode: string, number: number): void => {
    const within = place === "US" ? random.below(number + 1) : 0;
    players.put(place, mode, number - within);
    if (place === "US") players.put(SUBDIVISION, mode, within);
  };
  for (const mode of [...HIDDEN, ...ROUNDED]) put(mode, 0);
  for (const [mode, floors] of rounded) put(mode, about(floors));
  const counts = HIDDEN.map(() => 0);
  for (let left = others === 0 ? random.below(FLOOR) : about(others); left > 0;) {
    const at = random.below(counts.length);
    if ((counts[at] as number) === FLOOR - 1) continue;
    (counts[at] as number)++;
    left--;
  }
  for (const [at, mode] of HIDDEN.entries()) put(mode, counts[at] as number);
}

/** Between two minutes anything may happen that is not exact. */
function jitter(players: Players, random: SeededRandom): void {
  const pick = <T>(items: readonly T[]): T => items[random.below(items.length)] as T;
  players.put(pick([...PLACES, SUBDIVISION]), pick([...ROUNDED, ...HIDDEN]), random.below(4 * FLOOR));
}

/** Asks everything; what names a tag names the one of the answer before. */
async function sweep(
  world: World,
  node: number,
  isFirst: boolean,
  told: [string, string][],
  when: string,
): Promise<void> {
  let known = 'W/"none"';
  for (const request of isFirst ? EVERYTHING : ALWAYS) {
    const bytes = await world.ask(node, request.replace(/(if-none-match|last-event-id): known/, `$1: ${known}`));
    known = /^(?:etag|id): ([^\r\n]+)/im.exec(bytes)?.[1] ?? known;
    told.push([`${when}, ${request.split("\r\n").slice(0, -2).join(" | ")}`, bytes]);
  }
}

/** What tells of counts; the rest once a minute. */
const ALWAYS = [
  "/v1/regions/{region}/gamemode",
  "/v1/regions/{region}/gamemode/stream",
  "/v1/regions",
  "/v1/players",
].flatMap((path) => COVERED[path] as string[]);

async function nextMinute(world: World): Promise<void> {
  world.skipToMinute(BEFORE_MINUTE_MS);
  await world.pass(BEFORE_MINUTE_MS + SETTLED_MS);
}

async function json<T>(world: World, node: number, path: string, headers: readonly string[] = []): Promise<T> {
  const bytes = await world.ask(node, get(path, headers));
  const body = bytes.slice(bytes.indexOf("\r\n\r\n") + 4);
  const isPacked = /^content-encoding: gzip/im.test(bytes);
  return JSON.parse(isPacked ? gunzipSync(Buffer.from(body, "latin1")).toString("latin1") : body) as T;
}
