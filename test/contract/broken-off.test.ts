/** Requests whose rest never comes, where tokens are asked for: whoever may not ask is told so, however soon the end of the bytes came. */
import { expect, test } from "vitest";
import { freshPlayer } from "../support/shared-node.ts";
import { signedToken, TOKEN_SETTINGS_GIVEN } from "../support/signed-tokens.ts";
import { answersTo, openWay } from "../support/two-ways.ts";

const REST_MISSING = "content-type: application/json\r\ncontent-length: 100\r\n\r\n";
const BEGUN = `{"reports":[`;
const good = signedToken({ sub: freshPlayer(), scope: "reports:batch" });
const batch = (token: string): string =>
  `POST /v1/reports HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${token}\r\n${REST_MISSING}${BEGUN}`;
const foreign = `DELETE /v1/profiles/${freshPlayer()}/gamemode HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${signedToken({ sub: freshPlayer() })}\r\n\r\n`;

test.each<[what: string, request: string, statuses: number[]]>([
  ["a token that is none", batch("x.y.z"), [401]],
  ["a token that nobody signed", batch(`${good.slice(0, -4)}AAAA`), [401]],
  ["a good token, which is verified first", batch(good), [400]],
  ["a bad one, behind a request that is verified", foreign + batch("x.y.z"), [403, 401]],
  ["a good one, behind a request that is verified", foreign + batch(good), [403, 400]],
])("with and without the fast lane, in one piece and in two: %s", async (_, request, statuses) => {
  const told: number[][] = [];
  for (const lane of ["on", "off"] as const) {
    await using way = await openWay(lane, TOKEN_SETTINGS_GIVEN);
    const middle = request.length - BEGUN.length;
    for (const pieces of [[request], [request.slice(0, middle), request.slice(middle)]]) {
      const text = await answersTo(
        way.port,
        pieces.map((piece) => Buffer.from(piece)),
      );
      told.push([...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status)));
    }
  }
  expect(told).toEqual([statuses, statuses, statuses, statuses]);
});
