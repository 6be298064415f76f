/** How operators may write whom they block. */
import type { Block } from "../../node/controls/block.ts";

const prefix = (name: string): Block => ({ kind: "prefix", name });
const issuer = (name: string): Block => ({ kind: "issuer", name });

export const BlockFormCases: readonly (readonly [text: string, block: Block | undefined])[] = [
  ["203.0.113.0/24", prefix("203.0.113.0/24")],
  ["203.0.113.7", prefix("203.0.113.7/32")],
  ["203.0.113.7/32", prefix("203.0.113.7/32")],
  ["10.0.0.0/8", prefix("10.0.0.0/8")],
  ["203.0.113.128/25", prefix("203.0.113.128/25")],
  ["203.0.113.7/24", undefined],
  ["10.0.0.0/7", undefined],
  ["10.0.0.0/33", undefined],
  ["1.2.3/24", undefined],
  ["256.0.0.0/8", undefined],
  ["2001:db8:1::/48", prefix("2001:db8:1::/48")],
  ["2001:DB8:1:0::/48", prefix("2001:db8:1::/48")],
  ["2001:db8::1", prefix("2001:db8::1/128")],
  ["2001:db8::1/48", undefined],
  ["2000::/15", undefined],
  ["::/0", undefined],
  ["::/16", undefined],
  ["::/80", undefined],
  ["::/96", prefix("::/96")],
  ["::ffff:203.0.113.0/120", undefined],
  ["::ffff:0:0/96", undefined],
  ["203.0.113.0/24 ", undefined],
  ["2001:db8::/129", undefined],
  ["https://login.example/realms/game", issuer("https://login.example/realms/game")],
  ["headcount-try", issuer("headcount-try")],
  ["an issuer with words", issuer("an issuer with words")],
  ["urn:game:login", issuer("urn:game:login")],
  ["[2001:db8::1]", undefined],
  ["::gg", undefined],
  ["fe80::1%eth0", undefined],
  ["line\nbreak", undefined],
  ["", undefined],
  ["x".repeat(1025), undefined],
];
