/** Reports as they go over HTTP, from the same players and places that the engine's contestants get. */
import { placeOf, randomOf, uuidOf } from "./traffic.ts";
import { httpPost } from "./wrk.ts";

/** The body of a batch: one report of each player in [first, end), somewhere new. */
export function batchBody(first: number, end: number, random: () => number): string {
  const rows: string[] = [];
  for (let player = first; player < end; player++)
    rows.push(`{"profileId":"${uuidOf(player)}",${placeText(random())}}`);
  return `{"reports":[${rows.join()}]}`;
}

/** One report of a player, somewhere new. */
export function singleReport(player: number, random: () => number): string {
  return httpPost(`/v1/profiles/${uuidOf(player)}/gamemode`, `{${placeText(random())}}`);
}

/**
 * One request per player, and then the same players again, each in another mode: replayed in turn, every report moves
 * its player, so no contestant gets away with doing nothing.
 */
export function* singleReports(players: number): Generator<string> {
  for (const pass of [0, 1])
    for (let player = 0; player < players; player++)
      yield httpPost(`/v1/profiles/${uuidOf(player)}/gamemode`, `{${placeText(drawOf(player, pass))}}`);
}

/** Batches of `batch` reports, all players twice, as above; they are the ones from number `from` on. */
export function* batchReports(players: number, batch: number, from = 0): Generator<string> {
  for (const pass of [0, 1])
    for (let first = from; first < from + players; first += batch)
      yield httpPost("/v1/reports", movingBatch(first, batch, pass));
}

function movingBatch(first: number, batch: number, pass: number): string {
  const rows = Array.from({ length: batch }, (_, at) => {
    const player = first + at;
    return `{"profileId":"${uuidOf(player)}",${placeText(drawOf(player, pass))}}`;
  });
  return `{"reports":[${rows.join()}]}`;
}

/** A random number that says where a player is in a pass; another one in the next pass. */
function drawOf(player: number, pass: number): number {
  const next = randomOf(player);
  const first = next();
  if (pass === 0) return first;
  let second = next();
  while (placeText(second) === placeText(first)) second = next();
  return second;
}

function placeText(draw: number): string {
  const { region, mode } = placeOf(draw);
  return `"region":"${region}","gamemode":"${mode}"`;
}
