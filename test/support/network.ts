/**
 * A network of hosts in network namespaces of this machine, in which packets from one address to another can be dropped,
 * gone when the scope ends. Needs iproute2 and the right to make namespaces.
 *
 * Every host has a link of its own to a router, so that nothing passes that the router does not let pass. This process
 * is one of the hosts, with an address for clients and one for a Redis. Addresses: RFC 2544, for tests of networks.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

const CLIENT = "198.18.0.1";
export const STORE = "198.18.0.2";
const GATEWAY = "198.18.0.254";
/** Names tell whose they are, so that what a killed process left can be told and taken away. */
const PREFIX = `hc${process.pid}`;
const ROUTER = `${PREFIX}-router`;

export class Network implements Disposable {
  private readonly hosts: readonly string[];
  private cuts = 0;

  /** @param hosts their names, a few letters each */
  constructor(hosts: readonly string[]) {
    this.hosts = hosts;
    process.once("exit", () => this[Symbol.dispose]());
    try {
      removeLeftOvers();
      this.build();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  addressOf(host: string): string {
    return `198.18.${this.hosts.indexOf(host) + 1}.1`;
  }

  /** The beginning of a command that runs on a host. */
  runBy(host: string): string[] {
    return ["ip", "netns", "exec", nameOf(host)];
  }

  /** Drops what goes from one address to another from now on, silently; the other way stays open. */
  cut(from: string, to: string): void {
    ip("-n", ROUTER, "rule", "add", "from", from, "to", to, "priority", `${100 + this.cuts++}`, "blackhole");
  }

  heal(): void {
    while (this.cuts > 0) ip("-n", ROUTER, "rule", "del", "priority", `${100 + --this.cuts}`);
  }

  [Symbol.dispose](): void {
    for (const namespace of [...this.hosts.map(nameOf), ROUTER]) {
      try {
        ip("netns", "del", namespace);
      } catch {
        // was not made
      }
    }
  }

  private build(): void {
    ip("netns", "add", ROUTER);
    ip("-n", ROUTER, "link", "set", "dev", "lo", "up");
    ip("netns", "exec", ROUTER, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
    const link = `${PREFIX}-here`;
    ip("link", "add", link, "type", "veth", "peer", "name", "here", "netns", ROUTER);
    for (const address of [CLIENT, STORE]) ip("addr", "add", `${address}/24`, "dev", link);
    ip("link", "set", "dev", link, "up");
    this.joinRouter("here", GATEWAY);
    ip("route", "add", "198.18.0.0/15", "via", GATEWAY, "src", CLIENT);
    for (const host of this.hosts) this.addHost(host);
  }

  private addHost(host: string): void {
    const [name, gateway] = [nameOf(host), this.addressOf(host).replace(/1$/, "254")];
    ip("netns", "add", name);
    ip("-n", name, "link", "set", "dev", "lo", "up");
    ip("-n", name, "link", "add", "out", "type", "veth", "peer", "name", host, "netns", ROUTER);
    ip("-n", name, "addr", "add", `${this.addressOf(host)}/24`, "dev", "out");
    ip("-n", name, "link", "set", "dev", "out", "up");
    this.joinRouter(host, gateway);
    ip("-n", name, "route", "add", "default", "via", gateway);
  }

  private joinRouter(link: string, gateway: string): void {
    ip("-n", ROUTER, "addr", "add", `${gateway}/24`, "dev", link);
    ip("-n", ROUTER, "link", "set", "dev", link, "up");
  }
}

/** Why there can be no such network here; `undefined` where there can. */
export const whyNoNetwork: string | undefined = reasonAgainst();

function nameOf(host: string): string {
  return `${PREFIX}-${host}`;
}

function removeLeftOvers(): void {
  for (const [name, pid] of ip("netns", "list").matchAll(/^hc(\d+)-\w+/gm))
    if (!existsSync(`/proc/${pid}`)) ip("netns", "del", name);
}

function ip(...args: string[]): string {
  return execFileSync("ip", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function reasonAgainst(): string | undefined {
  try {
    new Network(["x"])[Symbol.dispose]();
    return undefined;
  } catch (error) {
    const { code, stderr } = error as { readonly code?: unknown; readonly stderr?: string };
    return code === "ENOENT" ? "there is no iproute2 here" : `no namespaces here: ${String(stderr ?? error).trim()}`;
  }
}
