/** Nodes that show each other certificates: they count as one, others are kept out, and new certificates disturb nobody. */
import { copyFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { type Authority, hasOpenssl, makeAuthority, type Pair } from "../support/certificates.ts";
import { type ClusterProcesses, startCluster } from "../support/cluster-processes.ts";
import { runToExit, temporaryFolder } from "../support/node-process.ts";
import { hasRedis } from "../support/redis-server.ts";
import { errorsLogged, freshPlayer, freshRegion } from "../support/shared-node.ts";
import { until } from "../support/until.ts";

const WHY = hasOpenssl ? "" : " (skipped: there is no openssl here)";
const NAMES = "DNS:headcount-peers";
const IDS = ["a", "b"];
const PLAYERS = 200;

describe.skipIf(!hasRedis || !hasOpenssl)(`A cluster with certificates${WHY}`, () => {
  let authority: Authority;
  let other: Authority;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let cluster: ClusterProcesses;
  let files: Readonly<Record<string, string>>;

  beforeAll(async () => {
    [authority, other, folder] = await Promise.all([makeAuthority(), makeAuthority(), temporaryFolder()]);
    const [cert, key, ca] = ["tls.crt", "tls.key", "ca.crt"].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
    ];
    files = settingsOf({ cert, key }, ca);
    put(authority.issue(NAMES));
    writeFileSync(ca, authority.text);
    cluster = await startCluster({ ids: IDS, env: files });
  });
  afterAll(async () => {
    for (const id of IDS) {
      const node = cluster.node(id);
      expect(await node.stop(), node.stderr).toBe(0);
      expect(errorsLogged(node)).toEqual([]);
      expect(node.stdout + node.stderr).not.toContain("PRIVATE KEY");
    }
    for (const each of [cluster, folder, authority, other]) await each[Symbol.asyncDispose]();
  });

  function settingsOf({ cert, key }: Pair, ca: string): Readonly<Record<string, string>> {
    return { HEADCOUNT_PEER_TLS_CERT: cert, HEADCOUNT_PEER_TLS_KEY: key, HEADCOUNT_PEER_TLS_CA: ca };
  }
  function put(pair: Pair): void {
    for (const [source, target] of [
      [pair.cert, join(folder.path, "tls.crt")],
      [pair.key, join(folder.path, "tls.key")],
    ] as const) {
      copyFileSync(source, `${target}.new`);
      renameSync(`${target}.new`, target);
    }
  }
  async function metric(id: string, name: string): Promise<number> {
    const { text } = await cluster.http(id).get("/metrics");
    return Number(
      text
        .split("\n")
        .find((line) => line.startsWith(`headcount_peer_tls_${name} `))
        ?.split(" ")
        .at(-1),
    );
  }

  test("counts as one", async () => {
    const region = freshRegion();
    for (let player = 0; player < PLAYERS; player++) {
      const id = freshPlayer();
      const [at, next] = player % 2 === 0 ? IDS : IDS.toReversed();
      expect((await cluster.http(at as string).report(id, { region, gamemode: "GM01" })).status).toBe(200);
      expect((await cluster.http(next as string).profile(id)).json).toMatchObject({ region, gamemode: "GM01" });
    }
    for (const id of IDS) expect((await cluster.http(id).top(region)).json).toMatchObject({ players: PLAYERS });
    const { members } = await cluster.view("a");
    expect(members.map(({ state }) => state)).toEqual(["ready", "ready"]);
    expect(await metric("a", "certificate_expires_timestamp_seconds")).toBeGreaterThan(Date.now() / 1000 + 86_400);
  });

  test("keeps out whoever has no certificate, or one of another authority, and both sides say why", async () => {
    const env = { HEADCOUNT_REDIS_URL: cluster.redis.url, HEADCOUNT_LEASE_MS: "1500", HEADCOUNT_PARTITIONS: "128" };
    const like = { ...env, HEADCOUNT_REQUEST_DEADLINE_MS: `${cluster.deadlineMs}` };
    const both = join(folder.path, "both.crt");
    writeFileSync(both, authority.text + other.text);
    const theirs = other.issue(NAMES);
    const exits = await Promise.all([
      runToExit({ env: like }),
      runToExit({ env: { ...like, ...settingsOf(theirs, other.path) } }),
      runToExit({ env: { ...like, ...settingsOf(theirs, both) } }),
    ]);
    const reasons = [
      /^headcount: HEADCOUNT_PEER_TLS_CERT must be set at all nodes .*: this one has none \(.*\) \(the node at https:/m,
      /^headcount: its certificate must be by the authority in HEADCOUNT_PEER_TLS_CA, and is by another .* \(the node at https:/m,
      /^headcount: HEADCOUNT_PEER_TLS_CERT must be by the authority in HEADCOUNT_PEER_TLS_CA of the others, got /m,
    ];
    for (const [index, { code, stderr }] of exits.entries()) {
      expect(stderr).toMatch(reasons[index] as RegExp);
      expect(code).toBe(1);
    }
    for (const id of IDS) {
      const { stderr } = cluster.node(id);
      expect(stderr).toMatch(/"reason":"a caller broke off while TLS began/);
      expect(stderr).toMatch(/"reason":"HEADCOUNT_PEER_TLS_CERT must be by the authority/);
      expect(await metric(id, 'handshakes_failed_total{why="untrusted"}')).toBeGreaterThan(0);
      expect(await metric(id, 'handshakes_failed_total{why="broken"}')).toBeGreaterThan(0);
    }
    expect((await cluster.view("b")).members).toHaveLength(2);
  });

  test("takes new certificates under load: nobody is refused, and a node that comes back is let in", async () => {
    const region = freshRegion();
    const load = { isOver: false, answered: 0 };
    const failures: unknown[] = [];
    const working = Array.from({ length: 8 }, async (_, client) => {
      const id = freshPlayer();
      for (let turn = client; !load.isOver; turn++) {
        const { status, text } = await cluster.http(IDS[turn % 2] as string).report(id, { region, gamemode: "GM01" });
        if (status === 200) load.answered++;
        else failures.push(`${status} ${text}`);
      }
    });
    const expires = await metric("a", "certificate_expires_timestamp_seconds");
    for (let round = 1; round <= 2; round++) {
      put(authority.issue(`${NAMES},DNS:round-${round}`));
      for (const id of IDS)
        await until("it is taken", async () => (await metric(id, 'certificate_reads_total{outcome="taken"}')) >= round);
      const before = load.answered;
      await until("it is used", () => load.answered > before + 50);
    }
    load.isOver = true;
    await Promise.all(working);
    expect(failures).toEqual([]);
    expect(await metric("a", "certificate_expires_timestamp_seconds")).toBeGreaterThanOrEqual(expires);
    const { epoch } = await cluster.view("a");
    expect(await cluster.stop("b")).toBe(0);
    await cluster.start("b");
    await cluster.untilSettled();
    expect((await cluster.view("a")).epoch).toBeGreaterThan(epoch);
    for (const id of IDS) expect((await cluster.http(id).top(region)).json).toMatchObject({ players: 8 });
  });
});
