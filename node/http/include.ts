/** `include`: what a question about popular modes asks for beside them. Whoever asks for what there is not is told so, and not answered with less. */
import { refusal } from "../values.ts";
import { type Hook, refusing } from "./hooks.ts";
import type { Context } from "./http.ts";

/** To be given as `preHandler`. */
export function includingNothing(context: Context, label: string): Hook {
  return refusing(context, label, ({ query }) => {
    const { include } = query as { readonly include?: unknown };
    if (include === undefined || include === "") return undefined;
    const message = refusal("include", "left out, since there is nothing more to include", include);
    return { status: 400, reason: "malformed", message };
  });
}
