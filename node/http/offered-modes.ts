/** The answer about the catalogue's modes: made once for each region, until another catalogue is in force or a mode is retired. */
import type { Catalogue, CatalogueMode } from "../../engine/catalogue.ts";
import { type Coding, packLater } from "./packing.ts";
import { weakTagOf } from "./tags.ts";

export interface OfferedModesAnswer {
  readonly text: string;
  readonly etag: string;
  /** Packed once. */
  packed(coding: Coding): Promise<Buffer>;
}

/** All regions. */
export const ANYWHERE = -1;
/** Answers of so many characters are kept; most regions have the same modes, and the same answer. */
const LENGTH_MAX = 4_194_304;
/** What may turn or hide what stands beside it where text is shown: another spelling of it says the same in JSON. */
const ODD = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The modes that are not retired, and are offered there; in the catalogue's order. */
export function offeredModes({ data }: Catalogue, region: number, nowMs: number): CatalogueMode[] {
  return data.modes.filter(
    ({ regions, retiredMs }) =>
      (region === ANYWHERE || regions === undefined || regions.includes(region)) &&
      (retiredMs === undefined || nowMs < retiredMs),
  );
}

/** JSON that shows itself as it is, whatever is in it. */
export function plainJson(value: unknown): string {
  return JSON.stringify(value).replace(ODD, (each) =>
    Array.from({ length: each.length }, (_, at) => `\\u${each.charCodeAt(at).toString(16).padStart(4, "0")}`).join(""),
  );
}

export class OfferedModes {
  private readonly byRegion = new Map<number, OfferedModesAnswer>();
  private readonly byText = new Map<string, OfferedModesAnswer>();
  private length = 0;
  private catalogue: Catalogue | undefined;
  /** Then the next mode is retired. */
  private untilMs = Infinity;
  private fromMs = -Infinity;

  /** @param region its number, or ANYWHERE */
  answer(catalogue: Catalogue, region: number, nowMs: number): OfferedModesAnswer {
    if (this.catalogue !== catalogue || nowMs >= this.untilMs || nowMs < this.fromMs) this.begin(catalogue, nowMs);
    const known = this.byRegion.get(region);
    if (known !== undefined) return known;
    const text = write(catalogue, region, nowMs);
    const answer = this.byText.get(text) ?? this.keep(text);
    this.byRegion.set(region, answer);
    return answer;
  }

  private begin(catalogue: Catalogue, nowMs: number): void {
    this.catalogue = catalogue;
    const instants = catalogue.data.modes.flatMap(({ retiredMs }) => (retiredMs === undefined ? [] : [retiredMs]));
    this.untilMs = Math.min(...instants.filter((each) => each > nowMs));
    this.fromMs = Math.max(...instants.filter((each) => each <= nowMs)); // clocks are set back too
    this.forget();
  }

  private keep(text: string): OfferedModesAnswer {
    if (this.length + text.length > LENGTH_MAX) this.forget();
    this.length += text.length;
    const packed = new Map<Coding, Promise<Buffer>>();
    const answer = {
      text,
      etag: weakTagOf(text),
      packed: (coding: Coding): Promise<Buffer> => {
        let bytes = packed.get(coding);
        if (bytes === undefined) packed.set(coding, (bytes = packLater(text, coding)));
        return bytes;
      },
    };
    this.byText.set(text, answer);
    return answer;
  }

  private forget(): void {
    this.byRegion.clear();
    this.byText.clear();
    this.length = 0;
  }
}

function write(catalogue: Catalogue, region: number, nowMs: number): string {
  const modes = offeredModes(catalogue, region, nowMs).map(({ mode, name, requires, from, lobby }) => ({
    mode,
    name,
    requires,
    from,
    lobby,
  }));
  return plainJson({ version: catalogue.version, modes });
}
