/** Streams and sessions as a page in a real browser has them. */
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { hasBrowser, startBrowser } from "../support/browser.ts";
import { HttpClient } from "../support/http.ts";
import { startNode, temporaryFolder } from "../support/node-process.ts";
import { freshPlayer } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const WHY = hasBrowser ? "" : " (skipped: there is no chromium-headless-shell here)";

interface Seen {
  readonly id: string;
  readonly players: number;
  readonly region: string;
}

test.runIf(hasBrowser)(`EventSource has each change, over a restart of the node without one twice${WHY}`, async () => {
  await using folder = await temporaryFolder();
  await using site = await startSite();
  const env = { HEADCOUNT_CORS_ORIGINS: site.origin };
  await using browser = await startBrowser();
  const page = await browser.newPage();
  await page.goto(site.origin);
  const seen = (): Promise<Seen[]> => page.evaluate("window.seen");
  const report = async (url: string): Promise<void> => {
    await using http = new HttpClient(url);
    expect((await http.report(freshPlayer(), { region: "CA", gamemode: "GM01" })).status).toBe(200);
  };
  let port: number;
  {
    await using node = await startNode({ env, dataDir: folder.path });
    ({ port } = node);
    await page.evaluate(`
      window.seen = [];
      const stream = new EventSource("${node.url}/v1/regions/CA/gamemode/stream?every=250");
      stream.addEventListener("top", ({ data, lastEventId }) => {
        const { players, region } = JSON.parse(data);
        seen.push({ id: lastEventId, players, region });
      });`);
    await until("the first event", async () => (await seen()).length === 1);
    await report(node.url);
    await until("a change", async () => (await seen()).length === 2);
    expect(await node.stop()).toBe(0);
  }
  await using again = await startNode({ env: { ...env, HEADCOUNT_PORT: String(port) }, dataDir: folder.path });
  await report(again.url);
  await until("the change after the restart", async () => (await seen()).at(-1)?.players === 2);
  const all = await seen();
  expect(all.map(({ players }) => players)).toEqual([0, 1, 2]);
  expect(new Set(all.map(({ id }) => id)).size).toBe(3);
  expect(all.every(({ region }) => region === "CA")).toBe(true);
});

test.runIf(hasBrowser)(`a page plays and watches over a WebSocket, and no other page may${WHY}`, async () => {
  await using site = await startSite();
  await using stranger = await startSite();
  await using node = await startNode({ env: { HEADCOUNT_CORS_ORIGINS: site.origin } });
  await using browser = await startBrowser();
  const address = `${node.url.replace("http", "ws")}/v1/session?profileId=${freshPlayer()}`;
  const open = `
    window.frames = [];
    const session = new WebSocket("${address}", ["headcount.v1"]);
    session.onmessage = ({ data }) => frames.push(JSON.parse(data));
    session.onclose = ({ code }) => frames.push({ type: "closed", code });
    session.onopen = () => {
      session.send(JSON.stringify({ type: "watch", place: "CA", every: 250 }));
      session.send(JSON.stringify({ type: "play", region: "CA", gamemode: "GM01", ref: "1" }));
    };`;
  const page = await browser.newPage();
  await page.goto(site.origin);
  await page.evaluate(open);
  const frames = (): Promise<Record<string, unknown>[]> => page.evaluate("window.frames");
  await until("the player is seen", async () => (await frames()).some(({ players }) => players === 1));
  expect(await frames()).toContainEqual(
    expect.objectContaining({ type: "played", ref: "1", region: "CA", gamemode: "GM01", changed: true }),
  );

  const other = await browser.newPage();
  await other.goto(stranger.origin);
  await other.evaluate(open);
  const told = (): Promise<unknown[]> => other.evaluate("window.frames");
  await until("it is refused", async () => (await told()).length > 0);
  expect(await told()).toEqual([{ type: "closed", code: 1006 }]);
});

/** A studio's page, from an origin of its own. */
async function startSite(): Promise<AsyncDisposable & { readonly origin: string }> {
  const server = createServer((_, response) => response.setHeader("content-type", "text/html").end("<p>A game</p>"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
