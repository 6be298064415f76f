/** What is at the root: which calls there are, for whoever opens the printed address. */
import type { FastifyInstance } from "fastify";
import { Answers, type Context, routeLabel } from "../http/http.ts";
import { PageAnswer } from "./answers.ts";

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Headcount: admin</title>
<h1>Headcount: the admin listener</h1>
<p>With <code>ADMIN</code> the address of this page (its beginning, up to the port), show the token that the node printed at its start (behind <code>#token=</code>), HEADCOUNT_ADMIN_TOKEN, or where players show tokens one with the scope admin:</p>
<pre>curl -H "authorization: Bearer $TOKEN" $ADMIN/admin/switches
curl -H "authorization: Bearer $TOKEN" -H "content-type: application/json" -X PUT \\
  -d '{"enabled":false,"reason":"a match server loops"}' $ADMIN/admin/switches/reports</pre>
<p>Other calls: <code>/admin/quarantine</code>, <code>/admin/blocks</code>, <code>/admin/usage</code>, <code>/metrics</code>, <code>/v1/cluster</code>,
and every GET that clients have. <code>/openapi.json</code> describes them all.</p>
</html>
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
    answers.text(reply, "text/html; charset=utf-8", PAGE);
  });
}
