/** The settings of TLS: which files belong together. What is in them is read in `certificate.test.ts`. */
import { describe, expect, test } from "vitest";
import { helpText, readSettings } from "../../node/settings.ts";

const PUBLIC = { HEADCOUNT_TLS_CERT: "tls.crt", HEADCOUNT_TLS_KEY: "tls.key" };
const PEERS = {
  HEADCOUNT_REDIS_URL: "redis://127.0.0.1",
  HEADCOUNT_PEER_TLS_CERT: "peer.crt",
  HEADCOUNT_PEER_TLS_KEY: "peer.key",
  HEADCOUNT_PEER_TLS_CA: "ca.crt",
};

test("no TLS unless files are named", () => {
  expect(readSettings({})).toMatchObject({ tls: undefined, peerTls: undefined });
});

test("files that belong together are told with their settings", () => {
  const cert = { name: "HEADCOUNT_TLS_CERT", path: "tls.crt" };
  const key = { name: "HEADCOUNT_TLS_KEY", path: "tls.key" };
  expect(readSettings(PUBLIC)).toMatchObject({ tls: { cert, key, ca: undefined }, peerTls: undefined });
  const ca = { name: "HEADCOUNT_PEER_TLS_CA", path: "ca.crt" };
  expect(readSettings(PEERS)).toMatchObject({ tls: undefined, peerTls: { ca, key: { path: "peer.key" } } });
});

describe.each([PUBLIC, PEERS])("of %o", (all) => {
  const names = Object.keys(all).filter((name) => name.includes("TLS"));
  test.each(names)("%s must not be missing alone", (name) => {
    const { [name]: _left, ...rest } = all as Record<string, string>;
    const given = names.find((each) => each !== name);
    expect(() => readSettings(rest)).toThrow(`${name} must be a PEM file where ${given} is set`);
  });
  test.each(names)("%s must not be empty", (name) => {
    expect(() => readSettings({ ...all, [name]: "" })).toThrow(`${name} must be a PEM file, got ""`);
  });
});

test("the address at which peers reach a node with TLS begins with https://", () => {
  const urlOf = (url: string) => readSettings({ ...PEERS, HEADCOUNT_PEER_URL: url }).peerUrl;
  expect(urlOf("https://node-1:9090")).toBe("https://node-1:9090");
  expect(() => urlOf("http://node-1:9090")).toThrow(
    'HEADCOUNT_PEER_URL must begin with https:// where HEADCOUNT_PEER_TLS_CERT is set, got "http://node-1:9090"',
  );
});

test("a node alone has no peers to show a certificate to", () => {
  const { HEADCOUNT_REDIS_URL: _left, ...rest } = PEERS;
  expect(() => readSettings(rest)).toThrow("HEADCOUNT_PEER_TLS_CERT must not be set without HEADCOUNT_REDIS_URL");
});

test("--help lists them", () => {
  for (const name of Object.keys({ ...PUBLIC, ...PEERS })) expect(helpText()).toContain(`  ${name} `);
});
