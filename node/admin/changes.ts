/** What operators change: each a function of the decisions that stand. */
import {
  BLOCKS_MAX,
  type Blocked,
  type Decisions,
  isOver,
  type Off,
  QUARANTINE_MAX,
  type Quarantined,
  type Switch,
} from "../controls/decisions.ts";
import { RefusalError } from "../http/http.ts";
import { refusal } from "../values.ts";

export type Change = (standing: Decisions) => Decisions;

/** @param off `undefined`: on */
export function switching(name: Switch, off: Off | undefined): Change {
  return ({ off: standing, ...rest }) => {
    const others = Object.entries(standing).filter(([other, each]) => other !== name && !isOver(each));
    return { ...rest, off: { ...Object.fromEntries(others), ...(off === undefined ? {} : { [name]: off }) } };
  };
}

/** @throws {RefusalError} (the change) where there are too many */
export function quarantining(one: Quarantined): Change {
  return (standing) => {
    const others = standing.quarantine.filter(({ mode }) => mode !== one.mode);
    if (others.length === QUARANTINE_MAX)
      throw new RefusalError(
        refusal("quarantine", `${QUARANTINE_MAX} modes at the most: lift another first`, one.mode),
      );
    return { ...standing, quarantine: [...others, one] };
  };
}

export function lifting(mode: string): Change {
  return (standing) => ({ ...standing, quarantine: standing.quarantine.filter((each) => each.mode !== mode) });
}

/** @throws {RefusalError} (the change) where there are too many */
export function blocking(one: Blocked): Change {
  return (standing) => {
    const others = standing.blocks.filter(({ block }) => block !== one.block);
    if (others.length === BLOCKS_MAX)
      throw new RefusalError(
        refusal("blocks", `${BLOCKS_MAX} at the most: lift another first, or block a larger prefix`, one.block),
      );
    return { ...standing, blocks: [...others, one] };
  };
}

export function unblocking(block: string): Change {
  return (standing) => ({ ...standing, blocks: standing.blocks.filter((each) => each.block !== block) });
}
