/** What is at the root: which calls there are, for whoever opens the printed address. */
import type { FastifyInstance } from "fastify";
import { Answers, type Context, routeLabel } from "../http/http.ts";
import { offeredModes, ANYWHERE } from "../http/offered-modes.ts";
import { PageAnswer } from "./answers.ts";
import { asHtml } from "./as-html.ts";

const HEAD = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Headcount: admin</title>
<h1>Headcount: the admin listener</h1>
<p>With <code>ADMIN</code> the address of this page (its beginning, up to the port), show the token that the node printed at its start (behind <code>#token=</code>), HEADCOUNT_ADMIN_TOKEN, or where players show tokens one with the scope admin:</p>
<pre>curl -H "authorization: Bearer $TOKEN" $ADMIN/admin/switches
curl -H "authorization: Bearer $TOKEN" -H "content-type: application/json" -X PUT \\
  -d '{"enabled":false,"reason":"a match server loops"}' $ADMIN/admin/switches/reports</pre>
<p>Other calls: <code>/admin/quarantine</code>, <code>/admin/blocks</code>, <code>/admin/usage</code>, <code>/admin/catalogue</code>, <code>/metrics</code>, <code>/v1/cluster</code>,
and every GET that clients have. <code>/openapi.json</code> describes them all.</p>
`;
const FOOT = `</html>
`;

export function registerPage(app: FastifyInstance, context: Context): void {
  const answers = new Answers(context, routeLabel("GET", "/"));
  const schema = {
    tags: ["control"],
    operationId: "showPage",
    summary: "Which calls there are",
    produces: ["text/html"],
    response: { 200: PageAnswer },
  };
  app.get("/", { schema }, (_request, reply) => {
    answers.text(reply, "text/html; charset=utf-8", HEAD + modesOf(context) + FOOT);
  });
}

/** Nobody shows a token for the page, so it tells of modes what anybody may ask of the public listener, if anybody may. */
function modesOf({ rules, service: { settings } }: Context): string {
  const { catalogue } = rules;
  if (catalogue.version === 0) return "<p>No catalogue of modes is in force.</p>\n";
  const count = catalogue.data.modes.length;
  const about = `<p>Version ${catalogue.version} of the catalogue is in force, with ${count === 1 ? "one mode" : `${count} modes`}`;
  if (settings.areReadsGuarded) return `${about}: <code>/admin/catalogue</code> tells which.</p>\n`;
  const items = offeredModes(catalogue, ANYWHERE, rules.nowMs()).map(
    ({ mode, name }) => `<li><code>${asHtml(mode)}</code>${name === undefined ? "" : ` ${asHtml(name)}`}\n`,
  );
  return `${about}. Those that are not retired:</p>\n<ul>\n${items.join("")}</ul>\n`;
}
