/** Where peers are told to reach a node, and when that cannot be right. */
import { describe, expect, test } from "vitest";

import { type PeerAddress, peerUrlOf } from "../../node/clustered/peer-address.ts";
import { SettingError } from "../../node/setting-error.ts";

const OWN = ["127.0.0.1", "::1", "172.17.0.1", "10.0.0.7", "fd00::7", "fe80::7"];
const HERE = { local: "127.0.0.1", remote: "127.0.0.1" };
const THERE = { local: "10.0.0.7", remote: "10.0.0.9" };

function told(about: Partial<PeerAddress>): string {
  const host = about.address ?? "127.0.0.1";
  return peerUrlOf({
    address: host,
    port: 7000,
    host,
    url: undefined,
    scheme: "http",
    ends: [HERE],
    own: OWN,
    ...about,
  });
}

describe("peerUrlOf() is", () => {
  test.each<[what: string, expected: string, about: Partial<PeerAddress>]>([
    ["what the setting says", "http://node-1:9", { url: "http://node-1:9", ends: [THERE] }],
    ["loopback beside a Redis here", "http://127.0.0.1:7000", {}],
    [
      "loopback beside a Redis at this machine's own address",
      "http://127.0.0.1:7000",
      { ends: [{ local: "10.0.0.7", remote: "10.0.0.7" }] },
    ],
    [
      "loopback beside a Redis at it over IPv6",
      "http://127.0.0.1:7000",
      { ends: [{ local: "::ffff:10.0.0.7", remote: "::ffff:10.0.0.7" }] },
    ],
    ["the one address that is listened on", "http://172.17.0.1:7000", { address: "172.17.0.1", ends: [THERE] }],
    ["of all addresses the one that reaches Redis", "http://10.0.0.7:7000", { address: "0.0.0.0", ends: [THERE] }],
    [
      "that also where the listener takes both kinds",
      "http://10.0.0.7:7000",
      { address: "::", ends: [{ local: "::ffff:10.0.0.7", remote: "::ffff:10.0.0.9" }] },
    ],
    [
      "that also over IPv6",
      "http://[fd00::7]:7000",
      { address: "::", ends: [{ local: "fd00::7", remote: "fd00::9" }] },
    ],
    [
      "not IPv6 where the listener takes IPv4 only",
      "http://172.17.0.1:7000",
      { address: "0.0.0.0", ends: [{ local: "fd00::7", remote: "fd00::9" }] },
    ],
    ["the machine's first where Redis is reached by loopback", "http://172.17.0.1:7000", { address: "0.0.0.0" }],
    [
      "the listener's where the machine has no other",
      "http://0.0.0.0:7000",
      { address: "0.0.0.0", own: ["127.0.0.1", "fe80::1"] },
    ],
  ])("%s", (_what, expected, about) => {
    expect(told(about)).toBe(expected);
  });
});

describe("peerUrlOf() refuses loopback beside a Redis on another machine", () => {
  test.each(["127.0.0.1", "::1", "127.0.0.9"])("%s by default or by setting", (address) => {
    expect(() => told({ address, ends: [THERE] })).toThrow(
      new SettingError(
        "HEADCOUNT_PEER_HOST must be an address by which the other nodes reach this machine, or 0.0.0.0, " +
          `since Redis is on another machine (10.0.0.9), got "${address}"`,
      ),
    );
  });

  test.each(["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"])("HEADCOUNT_PEER_URL=%s", (url) => {
    expect(() => told({ address: "0.0.0.0", url, ends: [THERE] })).toThrow(
      `HEADCOUNT_PEER_URL must be a URL by which the other nodes reach this one, since Redis is on another machine (10.0.0.9), got "${url}"`,
    );
  });

  test("where some of a Redis Cluster is", () => {
    expect(() => told({ ends: [HERE, THERE] })).toThrow(SettingError);
  });
});
