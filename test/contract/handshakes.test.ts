/** A listener that speaks TLS only: who comes in, who is told what, and what those cost who never get through. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect as connectPlain, type Socket } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Certificate } from "../../node/tls/certificate.ts";
import { Handshakes } from "../../node/tls/handshakes.ts";
import { type Authority, hasOpenssl, makeAuthority, type Pair } from "../support/certificates.ts";
import { until } from "../support/until.ts";

const HOST = "127.0.0.1";
const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const NONE = { plain: 0, late: 0, crowded: 0, untrusted: 0, broken: 0 };
/** How TLS begins: a record of 512 bytes, of which no more follow. */
const BEGINNING = Buffer.from([0x16, 3, 1, 2, 0, 1]);
const WHY = hasOpenssl ? "" : " (skipped: there is no openssl here)";

describe.skipIf(!hasOpenssl)(`Handshakes${WHY}`, () => {
  let authority: Authority;
  let stranger: Authority;
  let pair: Pair;
  beforeAll(async () => {
    [authority, stranger] = await Promise.all([makeAuthority(), makeAuthority()]);
    pair = authority.issue(`IP:${HOST}`);
  });
  afterAll(async () => {
    for (const each of [authority, stranger]) await each[Symbol.asyncDispose]();
  });

  class Bench {
    readonly handshakes: Handshakes;
    readonly untrusted: string[] = [];
    readonly broken: (string | undefined)[] = [];
    /** Those that came, secure or not. */
    readonly open = new Set<Socket>();
    /** Answers late, so that a client has ended its side by then. */
    private readonly server = createServer((request, response) => {
      setImmediate(() => setImmediate(() => response.end(`${request.socket.remoteAddress}`)));
    });

    constructor({ countMax = 64, withinMs = 60_000, isMutual = false } = {}) {
      const file = (name: string, path: string) => ({ name, path });
      const files = {
        cert: file("CERT", pair.cert),
        key: file("KEY", pair.key),
        ca: isMutual ? file("CA", authority.path) : undefined,
      };
      const certificate = new Certificate(files, { log: pino({ level: "silent" }), nowMs: Date.now });
      this.handshakes = new Handshakes(this.server, {
        certificate,
        countMax,
        withinMs,
        onPlain: (socket) => socket.end("told in the clear"),
        onUntrusted: (socket, reason) => {
          this.untrusted.push(reason);
          socket.end("told over TLS");
        },
        onBroken: (error) => this.broken.push(error?.code),
      });
      Object.assign(this.server, { httpAllowHalfOpen: true }); // as our listener has it
      this.server.on("connection", (socket: Socket) => {
        this.open.add(socket);
        socket.once("close", () => this.open.delete(socket));
      });
      onTestFinished(() => {
        certificate.close();
        this.handshakes.close();
        this.server.closeAllConnections();
        this.server.close();
      });
    }

    async listen(): Promise<this> {
      this.server.listen(0, HOST);
      await once(this.server, "listening");
      return this;
    }

    get port(): number {
      return (this.server.address() as AddressInfo).port;
    }

    plain(): Socket & { heard: string } {
      return heard(connectPlain({ port: this.port, host: HOST, allowHalfOpen: true }));
    }

    secure(options: ConnectionOptions = {}): TLSSocket & { heard: string } {
      const place = { port: this.port, host: HOST, allowHalfOpen: true, ca: authority.text };
      return heard(connect({ ...place, ...options } as ConnectionOptions));
    }
  }

  function heard<T extends Socket>(socket: T): T & { heard: string } {
    const told = Object.assign(socket, { heard: "" });
    socket.on("data", (bytes: Buffer) => (told.heard += bytes.toString()));
    socket.on("error", () => undefined);
    socket.once("end", () => socket.end());
    onTestFinished(() => void socket.destroy());
    return told;
  }

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "a request over %s is answered, and its address is known",
    async (version) => {
      const bench = await new Bench().listen();
      const client = bench.secure({ minVersion: version, maxVersion: version });
      client.write(GET);
      await until("it is answered", () => client.heard.endsWith(HOST));
      expect(client.getProtocol()).toBe(version);
      expect([bench.handshakes.count, bench.handshakes.failed]).toEqual([0, NONE]);
    },
  );

  test("who has ended its side after a request is answered all the same", async () => {
    const bench = await new Bench().listen();
    const client = bench.secure();
    client.end(GET);
    await until("it is answered", () => client.heard.endsWith(HOST));
    await until("it is gone", () => bench.open.size === 0);
  });

  test("HTTP/1.1 is spoken, and nothing else", async () => {
    const bench = await new Bench().listen();
    const client = bench.secure({ ALPNProtocols: ["h2", "http/1.1"] });
    await once(client, "secureConnect");
    expect(client.alpnProtocol).toBe("http/1.1");
    const other = bench.secure({ ALPNProtocols: ["h2"] });
    const [error] = (await once(other, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toContain("NO_APPLICATION_PROTOCOL");
    await until("it is counted", () => bench.handshakes.failed.broken === 1);
  });

  test("an old version is refused, and counted", async () => {
    const bench = await new Bench().listen();
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    const [error] = (await once(bench.secure(old), "error")) as [NodeJS.ErrnoException];
    expect(error.code).toContain("PROTOCOL_VERSION");
    await until("it is counted", () => bench.handshakes.failed.broken === 1);
    expect(bench.broken).toEqual(["ERR_SSL_UNSUPPORTED_PROTOCOL"]);
  });

  test.each([
    ["a request", GET],
    [
      "a request with a body that is still on its way",
      `POST / HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n${"x".repeat(500_000)}`,
    ],
    ["anything", "\0"],
  ])("who sends %s in the clear is told, counted and let go", async (_, text) => {
    const bench = await new Bench().listen();
    const client = bench.plain();
    client.write(text);
    await until("it is told", () => client.heard === "told in the clear");
    await until("it is gone", () => bench.open.size === 0);
    expect([bench.handshakes.count, bench.handshakes.failed]).toEqual([0, { ...NONE, plain: 1 }]);
  });

  test("who is slow is let go, however it drips", async () => {
    const bench = await new Bench({ withinMs: 400 }).listen();
    const [silent, stuck, dripping] = [bench.plain(), bench.plain(), bench.plain()];
    stuck.write(BEGINNING);
    let dripped = 0;
    const drip = setInterval(() => dripping.write(BEGINNING.subarray(dripped, ++dripped)), 50);
    onTestFinished(() => clearInterval(drip));
    await until("all are there", () => bench.open.size === 3);
    await until("all are gone", () => bench.open.size === 0);
    await until("all are closed", () => [silent, stuck, dripping].every(({ closed }) => closed));
    expect([bench.handshakes.count, bench.handshakes.failed]).toEqual([0, { ...NONE, late: 3 }]);
  });

  test("who is one too many drives the oldest out, and nobody who is secure", async () => {
    const bench = await new Bench({ countMax: 8 }).listen();
    const client = bench.secure();
    await once(client, "secureConnect");
    const halves: Socket[] = [];
    for (let count = 1; count <= 20; count++) {
      halves.push(bench.plain());
      halves.at(-1)?.write(BEGINNING);
      await until("it is there", () => bench.handshakes.failed.crowded === Math.max(0, count - 8));
      await until("it is counted", () => bench.handshakes.count === Math.min(count, 8));
    }
    await until("the oldest are gone", () => halves.slice(0, 12).every(({ closed }) => closed));
    expect(halves.slice(12).some(({ closed }) => closed)).toBe(false);
    client.write(GET);
    const another = bench.secure();
    another.write(GET);
    await until("both are answered", () => [client, another].every(({ heard: text }) => text.endsWith(HOST)));
    expect(bench.handshakes.failed).toEqual({ ...NONE, crowded: 13 });
  });

  test("who comes and goes without a byte is not counted; who goes within a handshake is, and at once", async () => {
    const bench = await new Bench().listen();
    const probe = bench.plain();
    await until("it is there", () => bench.handshakes.count === 1);
    probe.end();
    await until("it is gone", () => bench.open.size === 0);
    const half = bench.plain();
    half.end(BEGINNING);
    await until("it is gone too", () => half.closed && bench.open.size === 0);
    expect([bench.handshakes.count, bench.handshakes.failed]).toEqual([0, { ...NONE, broken: 1 }]);
  });

  test("close() ends what is under way, and nothing else", async () => {
    const bench = await new Bench().listen();
    const [client, half] = [bench.secure(), bench.plain()];
    half.write(BEGINNING);
    await once(client, "secureConnect");
    await until("the other is there", () => bench.handshakes.count === 1);
    bench.handshakes.close();
    await until("it is closed", () => half.closed);
    client.write(GET);
    await until("it is answered", () => client.heard.endsWith(HOST));
  });

  test("where certificates are asked for, one by the authority is let in, and others are told over TLS", async () => {
    const bench = await new Bench({ isMutual: true }).listen();
    const shown = (by: Authority) => {
      const { cert, key } = by.issue("DNS:a");
      return { cert: readFileSync(cert), key: readFileSync(key) };
    };
    const client = bench.secure(shown(authority));
    client.write(GET);
    await until("it is answered", () => client.heard.endsWith(HOST));
    for (const options of [{}, shown(stranger)]) {
      const other = bench.secure(options);
      other.write(GET);
      await until("it is told", () => other.heard === "told over TLS");
      await until("it is gone", () => other.closed);
    }
    expect(bench.untrusted).toEqual(["none", expect.stringMatching(/UNABLE_TO|SELF_SIGNED/)]);
    expect(bench.handshakes.failed).toEqual({ ...NONE, untrusted: 2 });
    await until("nobody is waited for", () => bench.handshakes.count === 0);
  });
});
