import { expect, test } from "vitest";
import { Clients, PROXIED } from "../../node/limits/clients.ts";
import { parseTrusted } from "../../node/trusted-proxies.ts";

const keyOf = (client: ReturnType<Clients["ofSocket"]>) => (client === PROXIED ? PROXIED : client?.key);
const clients = (trusted?: string) => new Clients(trusted === undefined ? undefined : parseTrusted(trusted));

test.each([
  ["203.0.113.7", "203.0.113.7"],
  ["::ffff:203.0.113.7", "203.0.113.7"],
  ["::FFFF:203.0.113.7", "203.0.113.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::", "2001:db8:1:2::/64"],
  ["2001:DB8::7", "2001:db8:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["127.0.0.1", undefined],
  ["127.8.9.10", undefined],
  ["::1", undefined],
  ["::ffff:127.0.0.1", undefined],
  ["", undefined],
  ["nobody", undefined],
  [undefined, undefined],
])("a socket from %s counts as %s", (address, key) => {
  expect(keyOf(clients().ofSocket(address))).toBe(key);
});
test.each([
  ["203.0.113.7", { address: "203.0.113.7", key: "203.0.113.7", prefix: "203.0.113.0/24" }],
  ["::ffff:203.0.113.7", { address: "203.0.113.7", key: "203.0.113.7", prefix: "203.0.113.0/24" }],
  ["127.0.0.1", { address: "127.0.0.1", key: undefined, prefix: "127.0.0.0/24" }],
  ["2001:db8:1:2::9", { address: "2001:db8:1:2::9", key: "2001:db8:1:2::/64", prefix: "2001:db8:1::/48" }],
])("a client from %s has neighbours", (address, client) => {
  expect(clients().ofSocket(address)).toEqual(client);
});
test("behind a trusted proxy the socket says nothing; others' word is not taken", () => {
  const trusting = clients("10.0.0.0/8, 2001:db8:ffff::/48,192.0.2.1");
  for (const proxy of ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8:ffff::7", "192.0.2.1"])
    expect(trusting.ofSocket(proxy)).toBe(PROXIED);
  expect(keyOf(trusting.ofSocket("192.0.2.2"))).toBe("192.0.2.2");
});
test.each([
  ["203.0.113.7", "203.0.113.7"],
  ["198.51.100.1, 203.0.113.7", "203.0.113.7"],
  ["198.51.100.1,203.0.113.7 ,10.0.0.9", "203.0.113.7"],
  ["203.0.113.7, 10.0.0.8,10.0.0.9", "203.0.113.7"],
  ["203.0.113.7:51234", "203.0.113.7"],
  ["[2001:db8:1:2::9]:443", "2001:db8:1:2::/64"],
  ["[2001:db8:1:2::9]", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
  ["::ffff:203.0.113.7", "203.0.113.7"],
  ["garbage, 203.0.113.7", "203.0.113.7"],
  ["::ffff:cb00:7107", "203.0.113.7"],
  ["0:0:0:0:0:ffff:203.0.113.7", "203.0.113.7"],
])("X-Forwarded-For: %s is %s, the rightmost who is not trusted", (forwarded, key) => {
  const trusting = clients("10.0.0.0/8");
  for (let time = 0; time < 2; time++)
    expect([trusting.ofForwarded(forwarded)?.key, trusting.unknown]).toEqual([key, 0]);
});
test.each([
  "",
  " ",
  ",",
  "10.0.0.1",
  "203.0.113.7,",
  "203.0.113.7, unknown",
  "_hidden",
  "203.0.113.7.8",
  "1",
  "203.0.113.7 x",
  "127.0.0.1",
  "::1",
  "::ffff:7f00:1",
  "[::1",
])("X-Forwarded-For: %j names nobody: there is no limit, and that is counted", (forwarded) => {
  const trusting = clients("10.0.0.0/8");
  expect([trusting.ofForwarded(forwarded), trusting.unknown]).toEqual([undefined, 1]);
});
test.each([
  "",
  "10.0.0.0/33",
  "0.0.0.0/0",
  "::/0",
  "10.0.0/8",
  "10.0.0.0/8/8",
  "10.0.0.0/",
  "10.0.0.0/x",
  "::/129",
  "proxy.example",
  "10.0.0.1,",
  "10.0.0.0/-1",
])("%j is no list of addresses and subnets", (text) => {
  expect(parseTrusted(text)).toBeUndefined();
});
