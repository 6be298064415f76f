/** A store of a text that is away, or loses what was written, as a test likes. */
import { StoreUnavailableError } from "../../cluster/ports/record-store.ts";
import { TextInMemory } from "../../node/alone/text-file.ts";
import type { Kept } from "../../node/text-store.ts";

export class FickleStore extends TextInMemory {
  isAway = false;
  /** What is written next stands, but whoever wrote it does not learn that. */
  isMute = false;

  /** Called with what stood, and what stands now. */
  onWritten: (before: Kept, now: Kept) => void = () => {};

  get standing(): Kept {
    return this.kept;
  }

  lose(to: Kept): void {
    this.kept = to;
  }

  override async read(known: string): Promise<Kept | undefined> {
    if (this.isAway) throw new StoreUnavailableError("away");
    return super.read(known);
  }

  override async write(known: string, kept: Kept): Promise<boolean> {
    if (this.isAway) throw new StoreUnavailableError("away");
    const before = this.kept;
    const isWritten = await super.write(known, kept);
    if (isWritten) this.onWritten(before, kept);
    if (this.isMute) throw new StoreUnavailableError("no answer");
    return isWritten;
  }
}
