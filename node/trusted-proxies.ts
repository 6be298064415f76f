/** Which proxies are trusted, as the setting names them. */
import { BlockList, isIP } from "node:net";

/** @returns undefined where it is no list of addresses and subnets, comma-separated */
export function parseTrusted(text: string): BlockList | undefined {
  const trusted = new BlockList();
  for (const each of text.split(",").map((part) => part.trim())) {
    const [address = "", bits, ...more] = each.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    const most = family === "ipv6" ? 128 : 32;
    const isFine =
      isIP(address) !== 0 &&
      more.length === 0 &&
      (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= most));
    if (!isFine) return undefined;
    if (bits === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(bits), family);
  }
  return trusted;
}
