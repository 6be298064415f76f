/** Where a node is: its listeners' addresses as others reach them, and its name. */
import type { AddressInfo, Server } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import { SettingError, type Settings } from "./settings.ts";

export type Scheme = "http" | "https";

/** Whoever listens there listens on all addresses. */
export const WILDCARDS = ["0.0.0.0", "::"];

/** The port that a listener listens on. */
export function portOf(server: Server): number {
  return addressOf(server).port;
}

/** The address that a listener listens on, as a URL: what is printed. */
export function listenedUrl(server: Server, scheme: Scheme): string {
  const { address, port } = addressOf(server);
  return urlOf(scheme, address, port);
}

/** How others reach a listener: where it listens on all addresses, the machine's first that is not loopback. */
export function reachableUrl(server: Server, scheme: Scheme): string {
  const { address, port } = addressOf(server);
  return urlOf(scheme, WILDCARDS.includes(address) ? (firstAddress() ?? address) : address, port);
}

/** The node's name; without the setting its host and port, which stay the same when it starts again. */
export function nodeName({ id }: Settings, port: number): string {
  return (
    id ??
    `${hostname()
      .replaceAll(/[^\w.-]/g, "-")
      .slice(0, 48)}-${port}`
  );
}

/**
 * In plain words why nothing can listen there.
 * @param prefix of the two settings: `HEADCOUNT`, `HEADCOUNT_PEER`
 */
export function listenFailure(error: unknown, prefix: string, host: string, port: number): SettingError {
  const { code } = error as NodeJS.ErrnoException;
  const portForms: Readonly<Record<string, string>> = {
    EADDRINUSE: `a port that is free on ${host}`,
    EACCES: "a port at which this user may listen",
  };
  const portForm = portForms[code ?? ""];
  const [name, value] = portForm === undefined ? [`${prefix}_HOST`, host] : [`${prefix}_PORT`, port];
  const form = portForm ?? "an address of this machine";
  return new SettingError(`${name} must be ${form}, got "${value}" (${code})`);
}

/** What a listener listens on. */
export function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Cannot read the listener's address");
  return address;
}

export function urlOf(scheme: Scheme, address: string, port: number): string {
  return `${scheme}://${address.includes(":") ? `[${address}]` : address}:${port}`;
}

/** Of a URL, the name or the address; one of IPv6 without its brackets. */
export function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, "");
}

/** All addresses of this machine. */
export function ownAddresses(): string[] {
  return interfaces().map(({ address }) => address);
}

function interfaces() {
  return Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
}

function firstAddress(): string | undefined {
  const outside = interfaces().filter(({ internal }) => !internal);
  return (outside.find(({ family }) => family === "IPv4") ?? outside[0])?.address;
}
