/** Entity tags: a client names what it knows, and is told only that it still stands. */
import { hash } from "node:crypto";

/** The same wherever the same is said. @param text the answer, or what of it the tag stands for */
export function weakTagOf(text: string): string {
  return `W/"${hash("sha1", text, "base64url")}"`;
}

/** What of a tag tells it from others: without the sign of a weak one, and the quotes. @param tag however it is written */
export function opaqueOf(tag: string): string {
  return tag.replace(/^W\/(?=")/, "").replace(/^"(.*)"$/, "$1");
}

/** Whether an If-None-Match header names the tag, compared weakly. Source: RFC 9110, 13.1.2 and 8.8.3.2. */
export function isTagNamed(header: string, etag: string): boolean {
  if (header === etag || header.trim() === "*") return true;
  const opaque = etag.replace(/^W\//, "");
  for (const [, tag] of header.matchAll(/(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g)) if (tag === opaque) return true;
  return false;
}
