/**
 * The process of one contestant of the engine benchmark: it does what its parent asks and answers, one thing at a time.
 * Run with --expose-gc, so that memory is counted without what is garbage.
 */
import {
  ENGINE_CONTESTANTS,
  type EngineContestant,
  type EngineContestantName,
} from "../contestants/engine-contestant.ts";
import { emptyStream, fillConnects, fillReports, type ReportStream } from "./traffic.ts";

export type EngineQuestion =
  | {
      readonly ask: "open";
      readonly name: EngineContestantName;
      readonly players: number;
      readonly redisSocketPath: string;
    }
  | { readonly ask: "round"; readonly reports: number; readonly seed: number }
  | { readonly ask: "counts" };

export interface EngineAnswers {
  readonly open: { readonly bytesPerPlayer: number };
  readonly round: { readonly nsPerReport: number };
  /** Players by "region/mode", as one text that is the same for the same counts. */
  readonly counts: { readonly text: string };
}

const FILL_SEED = 1;
const FILL_REPORTS = 100_000;

let contestant: EngineContestant;
let playerCount = 0;

async function open({
  name,
  players,
  redisSocketPath,
}: EngineQuestion & { ask: "open" }): Promise<EngineAnswers["open"]> {
  const openContestant = await ENGINE_CONTESTANTS[name]();
  const stream = emptyStream(Math.min(FILL_REPORTS, players));
  contestant = await openContestant(players, redisSocketPath);
  playerCount = players;
  const before = heldBytes();
  for (let first = 0; first < players; first += stream.count) await connect(stream, first);
  const bytes = (await contestant.bytes?.()) ?? heldBytes() - before;
  return { bytesPerPlayer: bytes / players };
}

function connect(stream: ReportStream, first: number): void | Promise<void> {
  const count = Math.min(stream.count, playerCount - first);
  return contestant.apply(contestant.prepare(fillConnects(stream, first, count, FILL_SEED)));
}

async function round({ reports, seed }: EngineQuestion & { ask: "round" }): Promise<EngineAnswers["round"]> {
  const prepared = contestant.prepare(fillReports(emptyStream(reports), playerCount, seed));
  globalThis.gc?.();
  const before = performance.now();
  await contestant.apply(prepared);
  return { nsPerReport: ((performance.now() - before) * 1e6) / reports };
}

async function counts(): Promise<EngineAnswers["counts"]> {
  const sorted = [...(await contestant.counts())].sort(([a], [b]) => (a < b ? -1 : 1));
  return { text: sorted.map(([cell, players]) => `${cell}=${players}`).join(" ") };
}

function heldBytes(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function answer(question: EngineQuestion): Promise<EngineAnswers[keyof EngineAnswers]> {
  if (question.ask === "open") return open(question);
  if (question.ask === "round") return round(question);
  return counts();
}

process.on("message", (question: EngineQuestion) => {
  answer(question).then(
    (value) => process.send?.({ value }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.once("disconnect", () => process.exit(0));
