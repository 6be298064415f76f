/** Calls that operators switched off, and reports of whom they blocked (node/controls/): the same for the routes and for the fast lane. */
import { NOT_KNOWN } from "../controls/controls.ts";
import type { Off, Switch } from "../controls/decisions.ts";
import type { Client } from "../limits/clients.ts";
import { type Hook, refusing } from "./hooks.ts";
import type { Context } from "./http.ts";
import { clientOf } from "./rate-limits.ts";
import type { Refusal } from "./reasons.ts";

const MS_IN_S = 1000;
/** Of what is off until somebody switches it on. */
const RETRY_OFF_S = 30;
/** Somebody may switch it on before its time. */
const RETRY_OFF_MAX_S = 300;

/** To be given as `onRequest`: refuses while calls of that kind are off. */
export function whileOn(context: Context, kind: Switch, label: string): Hook[] {
  if (context.isForOperators === true) return []; // they need to see what they switched off
  return [refusing(context, label, () => refusalOfKind(context, kind))];
}

/** Why calls of a kind are refused, whoever asks. */
export function refusalOfKind({ controls, rules }: Context, kind: Switch): Refusal | undefined {
  const off = controls.offOf(kind);
  if (off !== undefined) return refusalOff(kind, off);
  return kind === "reports" && !rules.isKnown ? WITHOUT_RULES : undefined;
}

/** The same: refuses those whose addresses are blocked. */
export function unblocked(context: Context, label: string): Hook {
  return refusing(context, label, (request) =>
    context.controls.hasBlocks ? refusalOfClient(context, clientOf(request, context)) : undefined,
  );
}

/** To be given as `preHandler`, behind the check of the token: refuses those whose issuer is blocked. */
export function issuerUnblocked(context: Context, label: string): Hook[] {
  return context.access === undefined ? [] : [refusing(context, label, () => refusalOfIssuer(context))];
}

export function refusalOfClient({ controls }: Context, client: Client | undefined): Refusal | undefined {
  return client !== undefined && controls.isBlockedAddress(client.address) ? BLOCKED : undefined;
}

/** All tokens are of one issuer. */
export function refusalOfIssuer({ controls, access }: Context): Refusal | undefined {
  return access !== undefined && controls.isBlockedIssuer(access.issuer) ? BLOCKED : undefined;
}

function refusalOff(kind: Switch, off: Off): Refusal {
  if (off === NOT_KNOWN) return { status: 503, reason: "starting", message: `${off.reason}: try again soon` };
  const { reason, until } = off;
  const waitS =
    until === undefined
      ? RETRY_OFF_S
      : Math.min(RETRY_OFF_MAX_S, Math.max(1, Math.ceil((Date.parse(until) - Date.now()) / MS_IN_S)));
  const message = `${kind} are switched off: ${reason}`;
  return { status: 503, reason: "switched-off", message, headers: { "retry-after": waitS } };
}

/** Nobody is judged before it is known by what. */
export const WITHOUT_RULES: Refusal = {
  status: 503,
  reason: "starting",
  message: "the catalogue of modes has not been read yet: try again soon",
};
const BLOCKED: Refusal = {
  status: 403,
  reason: "blocked",
  message: "reports from here are blocked by the operator",
};
