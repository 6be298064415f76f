/** Players by mode in all regions together: what is left of the boards where other nodes keep them. */
import { MODE_BITS, MODE_MASK } from "./modes.ts";

export class ModePlayers {
  /** R28: players in the reserved mode, who are not counted here. */
  unnamed = 0;
  private readonly players = new Int32Array(1 << MODE_BITS);

  /** Adds `change` to the players of a cell. */
  add(cell: number, change: number): void {
    (this.players[cell & MODE_MASK] as number) += change;
  }

  of(mode: number): number {
    return this.players[mode] as number;
  }

  /** Whether nobody in any region is in a mode. */
  isModeEmpty(mode: number): boolean {
    return this.players[mode] === 0;
  }
}
