/** A node that speaks https, as clients and operators see it; its certificate is replaced under load. */
import { copyFileSync, renameSync } from "node:fs";
import { once } from "node:events";
import { connect as connectPlain } from "node:net";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";

import { type Authority, hasOpenssl, makeAuthority, type Pair } from "../support/certificates.ts";
import { HttpClient, rawRequest } from "../support/http.ts";
import { type NodeProcess, runToExit, startNode, temporaryFolder } from "../support/node-process.ts";
import { errorsLogged, freshPlayer, freshRegion } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const WHY = hasOpenssl ? "" : " (skipped: there is no openssl here)";
const NAMES = "DNS:localhost,IP:127.0.0.1";
const CLIENTS = 16;
/** How TLS begins: a record of 512 bytes, of which no more follow. */
const BEGINNING = Buffer.from([0x16, 3, 1, 2, 0, 1]);

describe.skipIf(!hasOpenssl)(`A node that speaks TLS${WHY}`, () => {
  let authority: Authority;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let node: NodeProcess;
  let client: HttpClient;
  let [cert, key] = ["", ""];

  beforeAll(async () => {
    [authority, folder] = await Promise.all([makeAuthority(), temporaryFolder()]);
    [cert, key] = [join(folder.path, "tls.crt"), join(folder.path, "tls.key")];
    put(authority.issue(NAMES));
    node = await startNode({ env: { HEADCOUNT_TLS_CERT: cert, HEADCOUNT_TLS_KEY: key, HEADCOUNT_RATE_PROFILE: "0" } });
    client = clientOf();
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    expect(await node.stop(), node.stderr).toBe(0);
    expect(errorsLogged(node)).toEqual([]);
    expect(node.stdout + node.stderr).not.toContain("PRIVATE KEY");
    for (const each of [node, folder, authority]) await each[Symbol.asyncDispose]();
  });

  /** As tools that renew certificates do: each file at once, but one after the other. */
  function put(pair: Pair): void {
    for (const [source, target] of [
      [pair.cert, cert],
      [pair.key, key],
    ] as const) {
      copyFileSync(source, `${target}.new`);
      renameSync(`${target}.new`, target);
    }
  }
  function clientOf(): HttpClient {
    return new HttpClient(node.url, CLIENTS, undefined, authority.text);
  }
  async function connected(): Promise<TLSSocket> {
    const socket = connect({ port: node.port, host: "127.0.0.1", ca: authority.text });
    onTestFinished(() => void socket.destroy());
    await once(socket, "secureConnect");
    return socket;
  }
  async function metric(name: string): Promise<number> {
    const { text } = await client.get("/metrics");
    const line = text.split("\n").find((each) => each.startsWith(`headcount_${name} `));
    return Number(line?.split(" ").at(-1));
  }

  test("tells its address with https, and for whom its certificate is", async () => {
    expect(node.url).toMatch(/^https:/);
    expect(node.stdout).toContain(`try   curl -X POST ${node.url}/v1/`);
    expect(node.stdout).toMatch(/tls {3}https only, with a certificate for localhost until 2\d{3}-/);
    expect((await client.get("/v1/cluster")).json.members[0].url).toBe(node.url);
    expect((await client.get("/readyz")).status).toBe(200);
  });

  test("answers every call, by the fast lane and by fastify", async () => {
    const [id, region] = [freshPlayer(), freshRegion()];
    const ways = () => Promise.all(["lane", "detour"].map((way) => metric(`requests_by_way_total{way="${way}"}`)));
    const [laneBefore = 0, detourBefore = 0] = await ways();
    expect((await client.report(id, { region, gamemode: "GM01" })).status).toBe(200);
    expect((await client.heartbeat(id)).status).toBe(204);
    expect((await client.get(`/v1/regions/${region}/gamemode`)).json.gamemodes).toMatchObject([
      { mode: "GM01", players: 1 },
    ]);
    expect((await client.profile(id)).json).toMatchObject({ region, gamemode: "GM01" });
    const rows = Array.from({ length: 5000 }, () => ({ profileId: freshPlayer(), region, gamemode: "GM02" }));
    expect((await client.reports(rows)).status).toBe(200);
    expect((await client.top(region)).json).toMatchObject({ players: 5001 });
    await until("they are counted by their way", async () => {
      const [lane = 0, detour = 0] = await ways();
      return lane >= laneBefore + 3 && detour >= detourBefore + 3;
    });
  });

  test("tells who speaks in the clear, and counts it", async () => {
    const plain = node.url.replace("https:", "http:");
    const answer = await rawRequest(plain, "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n");
    expect([answer?.status, answer?.body]).toEqual([
      400,
      '{"code":"400","message":"the request must come over TLS (https://)","reason":"malformed"}',
    ]);
    await until("it is counted", async () => (await metric('tls_handshakes_failed_total{why="plain"}')) >= 1);
  });

  test("replaces its certificate under load: no request fails, and who comes after sees the new one", async () => {
    const staying = await connected();
    const clients = Array.from({ length: CLIENTS }, () => clientOf());
    const [region, ids] = [freshRegion(), clients.map(() => freshPlayer())];
    const load = { isOver: false, answered: 0 };
    const failures: unknown[] = [];
    const working = clients.map(async (each, index) => {
      for (let turn = 0; !load.isOver; turn++) {
        // Every other one over a connection of its own.
        const fresh = turn % 2 === 0 ? clientOf() : undefined;
        try {
          const { status } = await (fresh ?? each).report(ids[index] as string, { region, gamemode: "GM01" });
          if (status === 200) load.answered++;
          else failures.push(status);
        } catch (error) {
          failures.push(error);
        }
        await fresh?.[Symbol.asyncDispose]();
      }
    });
    const seen = new Set([staying.getPeerCertificate().serialNumber]);
    for (let round = 1; round <= 3; round++) {
      const [next, before] = [authority.issue(NAMES), load.answered];
      put(next);
      const serial = await until("it is seen", async () => {
        const { serialNumber } = (await connected()).getPeerCertificate();
        return !seen.has(serialNumber) && serialNumber;
      });
      seen.add(serial);
      await until("it was used", () => load.answered > before + 100);
    }
    load.isOver = true;
    await Promise.all(working);
    expect(failures).toEqual([]);
    staying.write("GET /livez HTTP/1.1\r\nhost: a\r\n\r\n");
    expect(String((await once(staying, "data"))[0])).toContain("HTTP/1.1 200");
    expect((await client.top(region)).json).toMatchObject({ players: CLIENTS });
    for (const each of clients) await each[Symbol.asyncDispose]();
    expect(await metric('tls_certificate_reads_total{outcome="taken"}')).toBeGreaterThanOrEqual(3);
  });

  test("keeps the certificate it has where the files are damaged, and says so once", async () => {
    const expires = await metric("tls_certificate_expires_timestamp_seconds");
    expect(expires * 1000).toBeGreaterThan(Date.now() + 86_400_000);
    const { serialNumber } = (await connected()).getPeerCertificate();
    const { key: other } = authority.issue(NAMES);
    copyFileSync(other, key);
    await until("it is counted", async () => (await metric('tls_certificate_reads_total{outcome="failed"}')) > 2);
    expect((await connected()).getPeerCertificate().serialNumber).toBe(serialNumber);
    expect(await metric("tls_certificate_expires_timestamp_seconds")).toBe(expires);
    expect(node.stderr.match(/HEADCOUNT_TLS_KEY must be the key of the \(first\) certificate/g)).toHaveLength(1);
    put(authority.issue(NAMES));
  });

  test("does not wait at its end for those who never finish their handshake", async () => {
    await using another = await startNode({ env: { HEADCOUNT_TLS_CERT: cert, HEADCOUNT_TLS_KEY: key } });
    const [silent, half] = [connectPlain(another.port, "127.0.0.1"), connectPlain(another.port, "127.0.0.1")];
    half.write(BEGINNING);
    const closed = [silent, half].map((socket) => once(socket.resume(), "close"));
    await using asking = new HttpClient(another.url, 1, undefined, authority.text);
    await until("both are there", async () =>
      (await asking.get("/metrics")).text.includes("headcount_tls_handshakes 2\n"),
    );
    const beganMs = performance.now();
    expect(await another.stop()).toBe(0);
    expect(performance.now() - beganMs).toBeLessThan(8000); // a handshake has ten seconds
    await Promise.all(closed);
  });
});

describe.skipIf(!hasOpenssl)(`A start with TLS${WHY}`, () => {
  test("stops in one line where the files do not fit", async () => {
    await using authority = await makeAuthority();
    const [pair, other] = [authority.issue(NAMES), authority.issue(NAMES)];
    const env = { HEADCOUNT_TLS_CERT: pair.cert, HEADCOUNT_TLS_KEY: other.key };
    const { code, stderr } = await runToExit({ env });
    expect([code, stderr]).toEqual([
      1,
      `headcount: HEADCOUNT_TLS_KEY must be the key of the (first) certificate in HEADCOUNT_TLS_CERT, got "${other.key}" (the key of another)\n`,
    ]);
    const alone = await runToExit({ env: { HEADCOUNT_TLS_KEY: pair.key } });
    expect(alone.stderr).toMatch(
      /^headcount: HEADCOUNT_TLS_CERT must be a PEM file where HEADCOUNT_TLS_KEY is set .*\n$/,
    );
  });
});
