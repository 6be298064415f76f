/**
 * The names of modes that a cluster agrees on, in memory: the plain model of what `node/redis/lua/` does with them (R28).
 * Every method is one script.
 */
import type {
  AdmittedModes,
  AskedModes,
  ModeNamesAnswer,
  ToldAnswer,
  ToldModes,
} from "../../cluster/ports/mode-name-store.ts";

const GONE_BYTES_MAX = 16_384;
const MARKS_MAX = 64;

interface Mark {
  /** Revision of the mark. */
  readonly at: number;
  /** Revision since which every member knows it; 0: not yet. */
  knownAt: number;
}

export class ModeNamesModel {
  revision = 0;
  /** Who knows less is told all. */
  #whole = 0;
  /** The revision under which each was admitted, oldest first. */
  #names = new Map<string, number>();
  #gone = new Map<string, number>();
  #marks = new Map<string, Mark>();
  #told = new Map<string, ToldModes>();

  save(): unknown {
    return structuredClone({
      revision: this.revision,
      whole: this.#whole,
      names: this.#names,
      gone: this.#gone,
      marks: this.#marks,
      told: this.#told,
    });
  }

  load(saved: unknown): void {
    const fresh = new ModeNamesModel();
    const state = (saved ?? fresh.save()) as {
      revision: number;
      whole: number;
      names: Map<string, number>;
      gone: Map<string, number>;
      marks: Map<string, Mark>;
      told: Map<string, ToldModes>;
    };
    this.revision = state.revision;
    this.#whole = state.whole;
    this.#names = new Map(state.names);
    this.#gone = new Map(state.gone);
    this.#marks = structuredClone(state.marks);
    this.#told = new Map(state.told);
  }

  /** The names that are agreed, for tests to look at. */
  get names(): readonly string[] {
    return [...this.#names.keys()];
  }

  admit({ names, candidates, modesMax, revision }: AskedModes): AdmittedModes {
    const refused: string[] = [];
    const isChanged = this.#change((next) => {
      for (const name of names) {
        if (this.#marks.delete(name)) next.isChanged = true;
        if (this.#names.has(name)) continue;
        if (this.#names.size < modesMax) this.#add(name, next);
        else refused.push(name);
      }
      if (refused.length === 0) return;
      for (const name of candidates) {
        const mayBe = this.#names.has(name) && !this.#marks.has(name) && !names.includes(name);
        if (!mayBe || this.#marks.size >= MARKS_MAX) continue;
        this.#marks.set(name, { at: next.revision, knownAt: 0 });
        next.isChanged = true;
      }
    });
    if (isChanged && this.#marks.size === 0) this.#told.clear();
    return { ...this.#answer(revision), refused };
  }

  /** @param listed incarnations of all members */
  tell(told: ToldModes, listed: readonly string[]): ToldAnswer {
    const returned: string[] = [];
    if (!listed.includes(told.incarnation)) return { ...this.#answer(told.revision), returned };
    this.#change((next) => {
      for (const name of told.held) {
        if (this.#marks.delete(name)) next.isChanged = true;
        if (this.#names.has(name)) continue;
        this.#add(name, next);
        returned.push(name);
      }
      for (const name of this.#told.keys()) if (!listed.includes(name)) this.#told.delete(name);
      this.#told.set(told.incarnation, told);
      const gone = this.#judge(listed, told.partitionCount, next);
      for (const name of gone) {
        this.#names.delete(name);
        this.#marks.delete(name);
        this.#gone.set(name, next.revision);
        next.isChanged = true;
        if (this.#goneBytes > GONE_BYTES_MAX) {
          this.#gone.clear();
          this.#whole = next.revision;
        }
      }
    });
    if (this.#marks.size === 0) this.#told.clear();
    return { ...this.#answer(told.revision), returned };
  }

  /** The names whose turn has come. Notes which marks every member knows. */
  #judge(listed: readonly string[], partitionCount: number, next: Next): string[] {
    const all = listed.map((name) => this.#told.get(name));
    const revision = Math.min(...all.map((told) => told?.revision ?? 0));
    const settled = Math.min(...all.map((told) => told?.settledRevision ?? 0));
    const spoken = new Set(all.flatMap((told) => told?.partitions ?? []));
    const gone: string[] = [];
    for (const [name, mark] of this.#marks) {
      if (mark.knownAt === 0 && settled >= mark.at) {
        mark.knownAt = next.revision;
        next.isChanged = true;
      } else if (mark.knownAt > 0 && revision >= mark.knownAt && spoken.size === partitionCount) gone.push(name);
    }
    return gone;
  }

  /** Makes changes under the next revision, which stands where there were any. */
  #change(make: (next: Next) => void): boolean {
    const next = { revision: this.revision + 1, isChanged: false };
    make(next);
    if (next.isChanged) this.revision = next.revision;
    return next.isChanged;
  }

  #add(name: string, next: Next): void {
    this.#names.set(name, next.revision);
    this.#gone.delete(name);
    next.isChanged = true;
  }

  get #goneBytes(): number {
    return [...this.#gone].reduce((bytes, [name, revision]) => bytes + `${revision} ${name}\n`.length, 0);
  }

  #answer(known: number): ModeNamesAnswer {
    const isFullList = known === 0 || known > this.revision || known < this.#whole;
    const since = (names: ReadonlyMap<string, number>): string[] =>
      [...names].filter(([, revision]) => isFullList || revision > known).map(([name]) => name);
    const marked = [...this.#marks.keys()];
    return {
      revision: this.revision,
      isFullList,
      added: since(this.#names),
      gone: isFullList ? [] : since(this.#gone),
      marked,
    };
  }
}

interface Next {
  readonly revision: number;
  isChanged: boolean;
}
