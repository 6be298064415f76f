/** Peers that show each other certificates: who is talked to, who is not, and what each side says about it. */
import { copyFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { PeerError } from "../../cluster/ports/transport.ts";
import type { PeerCredentials } from "../../node/peers/peer-door.ts";
import { sayHello } from "../../node/peers/peer-hello.ts";
import { PEER_PORT_LIMITS, PeerPort } from "../../node/peers/peer-port.ts";
import { refuseUnnamed } from "../../node/peers/peer-tls.ts";
import { PeerTransport } from "../../node/peers/peer-transport.ts";
import { portOf } from "../../node/place.ts";
import { Certificate } from "../../node/tls/certificate.ts";
import { type Authority, hasOpenssl, makeAuthority, type Pair } from "../support/certificates.ts";
import { temporaryFolder } from "../support/node-process.ts";
import { until } from "../support/until.ts";

const WHY = hasOpenssl ? "" : " (skipped: there is no openssl here)";
const SECRET = "a secret that nobody knows";
const MESSAGE = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const SAME_NAME = "DNS:headcount-peers";
const WELCOME = { kind: "welcome" };
const refused = (reason: RegExp) => ({ kind: "refused", reason: expect.stringMatching(reason) as string });

describe.skipIf(!hasOpenssl)(`peers with certificates${WHY}`, () => {
  let authority: Authority;
  let other: Authority;
  beforeAll(async () => {
    [authority, other] = await Promise.all([makeAuthority(), makeAuthority()]);
  });
  afterAll(async () => {
    for (const each of [authority, other]) await each[Symbol.asyncDispose]();
  });

  function certificateOf({ cert, key }: Pair, ca = authority.path): Certificate {
    const file = (name: string, path: string) => ({ name, path });
    const files = { cert: file("CERT", cert), key: file("KEY", key), ca: file("CA", ca) };
    const certificate = new Certificate(files, { log: pino({ level: "silent" }), nowMs: Date.now });
    onTestFinished(() => certificate.close());
    return certificate;
  }
  function us(names: string): PeerCredentials {
    return { cluster: "default", secret: SECRET, certificate: certificateOf(authority.issue(names)) };
  }
  function plain(): PeerCredentials {
    return { cluster: "default", secret: SECRET };
  }
  /** Of another authority, which takes certificates of both. */
  function foreign(): PeerCredentials {
    const both = other.path.replace(/ca\.crt$/, "both.crt");
    writeFileSync(both, authority.text + other.text);
    return { cluster: "default", secret: SECRET, certificate: certificateOf(other.issue(SAME_NAME), both) };
  }

  async function openPort(credentials: PeerCredentials) {
    const strangers: string[] = [];
    const port = new PeerPort({
      ...credentials,
      incarnation: () => "6f0e4b1c-94a0-4c2e-8d55-0b9f3a7c1e21",
      receive: (_, message) => Promise.resolve(message),
      onError: (error) => expect.unreachable(String(error)),
      onStranger: (reason) => strangers.push(reason),
      limits: PEER_PORT_LIMITS,
    });
    await port.listen("127.0.0.1", 0);
    onTestFinished(() => port.close());
    return { port, strangers, url: `${port.scheme}://127.0.0.1:${portOf(port.server)}` };
  }
  function call(url: string, credentials: PeerCredentials): Promise<Uint8Array> {
    const transport = new PeerTransport(credentials);
    onTestFinished(() => transport.close());
    return transport.call(url, "rows", MESSAGE, 5000);
  }
  async function reasonOf(calling: Promise<unknown>): Promise<string> {
    const error: unknown = await calling.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PeerError);
    return (error as PeerError).message;
  }

  test.each([
    ["that are for the address", "IP:127.0.0.1", "IP:127.0.0.1"],
    ["of one name, at addresses for which they are not", SAME_NAME, SAME_NAME],
    ["of which one is for the address, and both have a name", `${SAME_NAME},IP:127.0.0.1`, `DNS:a,${SAME_NAME}`],
  ])("talk to each other with certificates %s", async (_, server, client) => {
    const { url, strangers } = await openPort(us(server));
    expect(url).toMatch(/^https:/);
    const credentials = us(client);
    expect(await sayHello(url, credentials)).toEqual(WELCOME);
    expect([...(await call(url, credentials))]).toEqual([...MESSAGE]);
    expect(strangers).toEqual([]);
  });

  test("do not give the secret to whoever has a certificate for another host and no name of theirs", async () => {
    const { url, strangers } = await openPort(us("DNS:another-service"));
    const credentials = us(SAME_NAME);
    const fault = /^its certificate must be for the host of its HEADCOUNT_PEER_URL, and is for another/;
    expect(await sayHello(url, credentials)).toEqual(refused(fault));
    expect(await reasonOf(call(url, credentials))).toContain("its certificate must be for the host");
    await until("the other side says so too", () => strangers.length > 0);
  });

  test("at a name take a certificate for that name alone", async () => {
    const { url } = await openPort(us(SAME_NAME));
    const named = url.replace("127.0.0.1", "localhost");
    expect(await sayHello(named, us(SAME_NAME))).toEqual(refused(/for the host of its HEADCOUNT_PEER_URL/));
    const { url: right } = await openPort(us("DNS:localhost"));
    expect(await sayHello(right.replace("127.0.0.1", "localhost"), us("DNS:a"))).toEqual(WELCOME);
  });

  test("without a certificate are refused, and both sides say why", async () => {
    const { url, strangers } = await openPort(us(SAME_NAME));
    expect(await sayHello(url, plain())).toEqual(refused(/^HEADCOUNT_PEER_TLS_CERT must be set .* this one has none/));
    await until("it is told", () => strangers.length === 1);
    expect(strangers[0]).toContain("broke off");
    expect(await sayHello(url.replace("https:", "http:"), plain())).toEqual(
      refused(/^HEADCOUNT_PEER_TLS_CERT must be set .* one speaks no TLS$/),
    );
    expect(strangers[1]).toContain("one speaks no TLS");
    expect(await reasonOf(call(url, plain()))).toContain("this one has none");
  });

  test("with certificates say nothing at all to one without, above all not the secret", async () => {
    const { url } = await openPort(plain());
    let connections = 0;
    const listener = createServer(() => connections++).listen(0, "127.0.0.1");
    onTestFinished(() => void listener.close());
    await once(listener, "listening");
    const credentials = us(SAME_NAME);
    for (const each of [url, `http://127.0.0.1:${portOf(listener)}`]) {
      expect(await sayHello(each, credentials)).toEqual(
        refused(/^HEADCOUNT_PEER_TLS_CERT must be set .* that one has none/),
      );
      expect(await reasonOf(call(each, credentials))).toContain("that one has none");
    }
    expect(connections).toBe(0);
    expect(await sayHello(url.replace("http:", "https:"), credentials)).toEqual(
      refused(/TLS must be spoken by both sides/),
    );
  });

  test("of another authority are refused by both sides, and both say why", async () => {
    const { url, strangers } = await openPort(us(SAME_NAME));
    const stranger = foreign();
    expect(await sayHello(url, stranger)).toEqual(
      refused(/^HEADCOUNT_PEER_TLS_CERT must be by the authority .* of the others/),
    );
    expect(strangers).toEqual([expect.stringContaining("must be by the authority")]);
    expect(await reasonOf(call(url, stranger))).toContain("must be by the authority");
    const { url: theirs, strangers: told } = await openPort(stranger);
    const fault = /^its certificate must be by the authority in HEADCOUNT_PEER_TLS_CA, and is by another/;
    expect(await sayHello(theirs, us(SAME_NAME))).toEqual(refused(fault));
    await until("it is told", () => told.length === 1);
  });

  test("with a certificate still need the secret", async () => {
    const { url } = await openPort(us(SAME_NAME));
    const answer = await sayHello(url, { ...us(SAME_NAME), secret: "another secret, of some length" });
    expect(answer).toEqual(refused(/^HEADCOUNT_PEER_SECRET must be the same/));
  });

  test("get a new certificate and lose no connection; who opens one after sees it", async () => {
    await using folder = await temporaryFolder();
    const [cert, key] = [join(folder.path, "tls.crt"), join(folder.path, "tls.key")];
    const put = (pair: Pair): void => {
      copyFileSync(pair.cert, cert);
      copyFileSync(pair.key, key);
    };
    put(authority.issue(SAME_NAME));
    const certificate = certificateOf({ cert, key });
    const { url } = await openPort({ ...plain(), certificate });
    const [before, after] = [new PeerTransport(us(SAME_NAME)), new PeerTransport(us("DNS:new"))];
    onTestFinished(() => [before, after].forEach((each) => each.close()));
    let ended = 0;
    before.onEnded = () => ended++;
    await before.call(url, "rows", MESSAGE, 5000);
    put(authority.issue("DNS:new"));
    await until("it is taken", () => certificate.reads.taken === 1);
    expect(await after.call(url, "rows", MESSAGE, 5000)).toHaveLength(8);
    expect(await before.call(url, "rows", MESSAGE, 5000)).toHaveLength(8);
    expect(ended).toBe(0);
  });

  test("a certificate that the others would not take for this node's stops the start", () => {
    const told = (names: string, url: string) => () => refuseUnnamed(us(names), url);
    expect(told("DNS:a", "https://b:1")).toThrow(
      "HEADCOUNT_PEER_TLS_CERT must be for b, by which the others reach it, got one for a",
    );
    expect(told("IP:10.0.0.1", "https://10.0.0.2:1")).toThrow("or for a name that all nodes' certificates have");
    for (const [names, url] of [
      ["DNS:a", "https://a:1"],
      ["DNS:*.peers.example", "https://b.peers.example:1"],
      ["IP:10.0.0.1", "https://10.0.0.1:1"],
      ["IP:fd00::1", "https://[fd00::1]:1"],
      ["DNS:a", "https://10.0.0.1:1"],
    ] as const)
      expect(told(names, url)).not.toThrow();
  });
});
