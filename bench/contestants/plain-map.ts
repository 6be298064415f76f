/**
 * What one would write first: a Map of objects keyed by the UUID's text, and a Map of counts per region.
 * It is given the very strings that it holds as keys, so it never hashes or compares a text: kinder than life.
 */
import { COUNTRY_CODES } from "../../engine/places.ts";
import { MODES, uuidOf, type ReportStream } from "../support/traffic.ts";
import type { EngineContestant } from "./engine-contestant.ts";

interface Player {
  region: string;
  gamemode: string;
  lastSeen: number;
}

interface NamedReports {
  readonly uuids: readonly string[];
  readonly regions: readonly string[];
  readonly modes: readonly string[];
}

export function openPlainMap(playersMax: number): EngineContestant {
  return new PlainMap(playersMax);
}

class PlainMap implements EngineContestant {
  private readonly players = new Map<string, Player>();
  private readonly regions = new Map<string, Map<string, number>>();
  private readonly uuids: (string | undefined)[];

  constructor(playersMax: number) {
    this.uuids = Array.from({ length: playersMax });
  }

  prepare(stream: ReportStream): NamedReports {
    const { count } = stream;
    return {
      uuids: Array.from(
        { length: count },
        (_, at) => (this.uuids[stream.players[at] as number] ??= uuidOf(stream.players[at] as number)),
      ),
      regions: Array.from({ length: count }, (_, at) => COUNTRY_CODES[stream.regions[at] as number] as string),
      modes: Array.from({ length: count }, (_, at) => MODES[stream.modes[at] as number] as string),
    };
  }

  apply({ uuids, regions, modes }: NamedReports): void {
    const now = performance.now();
    for (let at = 0; at < uuids.length; at++)
      this.report(uuids[at] as string, regions[at] as string, modes[at] as string, now);
  }

  private report(uuid: string, region: string, gamemode: string, now: number): void {
    const player = this.players.get(uuid);
    if (player === undefined) {
      this.players.set(uuid, { region, gamemode, lastSeen: now });
      this.add(region, gamemode, 1);
      return;
    }
    player.lastSeen = now;
    if (player.region === region && player.gamemode === gamemode) return;
    this.add(player.region, player.gamemode, -1);
    this.add(region, gamemode, 1);
    player.region = region;
    player.gamemode = gamemode;
  }

  private add(region: string, gamemode: string, change: number): void {
    let modes = this.regions.get(region);
    if (modes === undefined) this.regions.set(region, (modes = new Map()));
    modes.set(gamemode, (modes.get(gamemode) ?? 0) + change);
  }

  counts(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [region, modes] of this.regions)
      for (const [mode, players] of modes) if (players > 0) counts.set(`${region}/${mode}`, players);
    return counts;
  }
}
