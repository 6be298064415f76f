/** The answer about a region's popular modes: as text, made once per change of the board and not once per reader. */
import { hash } from "node:crypto";
import type { Board } from "../engine/board.ts";

/** The answer's text on either side of `asOf`, and a tag that stands for all of it but that. */
export interface PopularModesAnswer {
  readonly before: string;
  readonly after: string;
  readonly etag: string;
}

interface Cached {
  version: number;
  isComplete: boolean;
  readonly answers: Map<number, PopularModesAnswer>;
}

/** Values of `top` that are kept per region; clients of one game ask for one or two. */
const TOPS_MAX = 4;

export class PopularModes {
  private readonly cached = new Map<string, Cached>();

  /** @param top how many modes, 1 to 100 */
  answer(region: string, board: Board, top: number, isComplete: boolean): PopularModesAnswer {
    let cached = this.cached.get(region);
    if (cached === undefined) this.cached.set(region, (cached = { version: -1, isComplete, answers: new Map() }));
    const isOld = cached.version !== board.version || cached.isComplete !== isComplete;
    if (isOld || cached.answers.size > TOPS_MAX) cached.answers.clear();
    cached.version = board.version;
    cached.isComplete = isComplete;
    let answer = cached.answers.get(top);
    if (answer === undefined) cached.answers.set(top, (answer = write(region, board, top, isComplete)));
    return answer;
  }
}

function write(region: string, board: Board, top: number, isComplete: boolean): PopularModesAnswer {
  const modes = board.top(top).map(({ mode, players }, index) => {
    const share = Math.round((players / board.players) * 10_000) / 10_000;
    return `{"mode":"${mode}","rank":${index + 1},"players":${players},"share":${share}}`;
  });
  const before = `{"region":"${region}","players":${board.players},"asOf":"`;
  const after = `",${isComplete ? "" : `"complete":false,`}"gamemodes":[${modes.join(",")}]}`;
  return { before, after, etag: `W/"${hash("sha1", before + after, "base64url")}"` };
}

/** Now, as RFC 3339; made once a millisecond. */
export class Clock {
  private ms = -1;
  private text = "";

  now(): string {
    const ms = Date.now();
    if (ms !== this.ms) this.text = new Date(ms).toISOString();
    this.ms = ms;
    return this.text;
  }
}

/** Whether an If-None-Match header names the tag, compared weakly. Source: RFC 9110, 13.1.2 and 8.8.3.2. */
export function isTagNamed(header: string, etag: string): boolean {
  if (header === etag || header.trim() === "*") return true;
  const opaque = etag.replace(/^W\//, "");
  for (const [, tag] of header.matchAll(/(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g)) if (tag === opaque) return true;
  return false;
}
