/**
 * Reads the head of a request strictly: every byte of it must be plain, so that nobody could read the request otherwise.
 * Whatever is not plain is left to Node's own parser, which knows what else HTTP allows. Source: RFC 9112.
 */

/**
 * `whole`: the head ends here. `partial`: plain so far, and more has to come. `foreign`: not plain.
 */
export type Reading = "whole" | "partial" | "foreign";

/** Where something stands in the bytes: `from` inclusive, `to` exclusive; see `isThere`. */
export interface Span {
  from: number;
  to: number;
}

/** A value that is not there begins where no value can: the method stands there. */
const ABSENT = 0;
const absent = (): Span => ({ from: ABSENT, to: ABSENT });

export function isThere({ from }: Span): boolean {
  return from !== ABSENT;
}

export const HEAD_BYTES_MAX = 4096;
/** Node's parser refuses more than some thousand. */
const LINES_MAX = 100;
const CONTENT_LENGTH_DIGITS_MAX = 9;

/** Instead of a place in the bytes. */
const [PARTIAL, FOREIGN] = [-1, -2];
const [TAB, LF, CR, SPACE, SLASH, COLON, ZERO, NINE] = [9, 10, 13, 32, 47, 58, 48, 57];

/** Which bytes may stand where. */
const IN_TOKEN = tableOf("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
const IN_TARGET = tableOf("/?%&=+-._~!$'()*,;:@0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
/** In a name or an IPv4 address. */
const IN_HOST = tableOf("-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

const METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"] as const;
export type Method = (typeof METHODS)[number];
const METHOD_BYTES_MAX = 8;
const KEEP_ALIVE = Buffer.from("keep-alive", "latin1");
const VERSION = Buffer.from("HTTP/1.1\r\n", "latin1");

/** A header says how the request is framed, or what becomes of the connection. These are left to Node's parser. */
const FOREIGN_HEADERS = ["te", "expect", "trailer", "upgrade", "transfer-encoding", "proxy-connection"];

/** @returns false where the header makes the request foreign */
type Rule = (head: Head, bytes: Buffer, from: number, to: number) => boolean;

interface NamedRule {
  readonly name: Buffer;
  readonly rule: Rule;
}

/** What to do with a header, by its name's length; most names have nobody's length, and are not even compared. */
const RULES: NamedRule[][] = [];

export class Head {
  method: Method = "GET";
  readonly target: Span = { from: 0, to: 0 };
  /** After the empty line. */
  end = 0;
  /** Content-Length; undefined where there is none. */
  bodyLength: number | undefined;
  private hosts = 0;
  /** Where the values of these headers stand; each header stands at most once in a plain head. */
  readonly contentType = absent();
  readonly contentEncoding = absent();
  readonly cacheControl = absent();
  readonly ifNoneMatch = absent();
  readonly origin = absent();
  readonly authorization = absent();
  readonly forwardedFor = absent();
  /** It stands there more than once: only all of them together say who asks. */
  isForwardedTwice = false;
  readonly acceptEncoding = absent();
  /** As above: only all of them together say what the client takes. */
  isEncodingTwice = false;

  /**
   * Reads a head; its fields are as it says where that is whole.
   * @param from where the request begins
   */
  read(bytes: Buffer, from: number): Reading {
    this.bodyLength = undefined;
    this.hosts = 0;
    this.contentType.from = ABSENT;
    this.contentEncoding.from = ABSENT;
    this.cacheControl.from = ABSENT;
    this.ifNoneMatch.from = ABSENT;
    this.origin.from = ABSENT;
    this.authorization.from = ABSENT;
    this.forwardedFor.from = ABSENT;
    this.isForwardedTwice = false;
    this.acceptEncoding.from = ABSENT;
    this.isEncodingTwice = false;
    const limit = from + HEAD_BYTES_MAX;
    const end = Math.min(bytes.length, limit);
    const reading = this.readLines(bytes, from, end);
    return reading === "partial" && end === limit ? "foreign" : reading;
  }

  private readLines(bytes: Buffer, from: number, end: number): Reading {
    let at = this.readRequestLine(bytes, from, end);
    if (at < 0) return at === PARTIAL ? "partial" : "foreign";
    for (let lines = 0; at < end; lines++) {
      if (lines > LINES_MAX) return "foreign";
      if (bytes[at] === CR) {
        if (at + 1 === end) return "partial";
        if (bytes[at + 1] !== LF || this.hosts !== 1) return "foreign";
        this.end = at + 2;
        return "whole";
      }
      at = this.readHeader(bytes, at, end);
      if (at < 0) return at === PARTIAL ? "partial" : "foreign";
    }
    return "partial";
  }

  /** @returns where the next line begins; PARTIAL or FOREIGN */
  private readRequestLine(bytes: Buffer, from: number, end: number): number {
    let at = from;
    while (at < end && bytes[at] !== SPACE) if (at++ - from === METHOD_BYTES_MAX) return FOREIGN;
    const method = methodAt(bytes, from, at);
    if (method === undefined) return FOREIGN;
    if (at === end) return PARTIAL;
    if (method.length !== at - from) return FOREIGN;
    this.method = method;
    const start = ++at;
    if (at < end && bytes[at] !== SLASH) return FOREIGN;
    while (at < end && IN_TARGET[bytes[at] as number] === 1) at++;
    if (at === end) return PARTIAL;
    if (bytes[at] !== SPACE) return FOREIGN;
    this.target.from = start;
    this.target.to = at++;
    for (let index = 0; index < VERSION.length; index++, at++) {
      if (at === end) return PARTIAL;
      if (bytes[at] !== VERSION[index]) return FOREIGN;
    }
    return at;
  }

  /** @returns where the next line begins; PARTIAL or FOREIGN */
  private readHeader(bytes: Buffer, from: number, end: number): number {
    let at = from;
    while (at < end && IN_TOKEN[bytes[at] as number] === 1) at++;
    if (at === end) return PARTIAL;
    if (at === from || bytes[at] !== COLON) return FOREIGN;
    const nameEnd = at++;
    while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
    const start = at;
    while (at < end && isInValue(bytes[at] as number)) at++;
    if (at === end) return PARTIAL;
    if (bytes[at] !== CR) return FOREIGN;
    if (at + 1 === end) return PARTIAL;
    if (bytes[at + 1] !== LF) return FOREIGN;
    let to = at;
    while (to > start && (bytes[to - 1] === SPACE || bytes[to - 1] === TAB)) to--;
    const rule = ruleOf(bytes, from, nameEnd);
    return rule === undefined || rule(this, bytes, start, to) ? at + 2 : FOREIGN;
  }

  noteHost(bytes: Buffer, from: number, to: number): boolean {
    let at = from;
    while (at < to && IN_HOST[bytes[at] as number] === 1) at++;
    const isNamed = at++ > from;
    const isPortAsked = at <= to;
    if (isPortAsked && bytes[at - 1] !== COLON) return false;
    while (at < to) if (!isDigit(bytes[at++] as number)) return false;
    return ++this.hosts === 1 && isNamed;
  }

  noteLength(bytes: Buffer, from: number, to: number): boolean {
    if (this.bodyLength !== undefined || from === to || to - from > CONTENT_LENGTH_DIGITS_MAX) return false;
    let length = 0;
    for (let at = from; at < to; at++) {
      const byte = bytes[at] as number;
      if (!isDigit(byte)) return false;
      length = 10 * length + byte - ZERO;
    }
    this.bodyLength = length;
    return true;
  }
}

const RULES_BY_NAME: readonly (readonly [string, Rule])[] = [
  ["host", (head, bytes, from, to) => head.noteHost(bytes, from, to)],
  ["content-length", (head, bytes, from, to) => head.noteLength(bytes, from, to)],
  ["connection", (_head, bytes, from, to) => to - from === KEEP_ALIVE.length && isSameWord(bytes, from, KEEP_ALIVE)],
  ...FOREIGN_HEADERS.map((foreign): [string, Rule] => [foreign, () => false]),
  ["content-type", ({ contentType }, _bytes, from, to) => noteOnce(contentType, from, to)],
  ["content-encoding", ({ contentEncoding }, _bytes, from, to) => noteOnce(contentEncoding, from, to)],
  ["cache-control", ({ cacheControl }, _bytes, from, to) => noteOnce(cacheControl, from, to)],
  ["if-none-match", ({ ifNoneMatch }, _bytes, from, to) => noteOnce(ifNoneMatch, from, to)],
  ["x-forwarded-for", (head, _bytes, from, to) => noteForwarded(head, from, to)],
  ["accept-encoding", (head, _bytes, from, to) => noteCodings(head, from, to)],
  ["authorization", ({ authorization }, _bytes, from, to) => noteOnce(authorization, from, to)],
  ["origin", ({ origin }, _bytes, from, to) => noteOnce(origin, from, to)],
];
const NAME_LENGTH_MAX = Math.max(...RULES_BY_NAME.map(([name]) => name.length));
for (let length = 0; length <= NAME_LENGTH_MAX; length++)
  RULES.push(
    RULES_BY_NAME.filter(([name]) => name.length === length).map(([name, rule]) => ({
      name: Buffer.from(name, "latin1"),
      rule,
    })),
  );

function noteForwarded(head: Head, from: number, to: number): boolean {
  head.isForwardedTwice = !noteOnce(head.forwardedFor, from, to);
  return true;
}

function noteCodings(head: Head, from: number, to: number): boolean {
  head.isEncodingTwice = !noteOnce(head.acceptEncoding, from, to);
  return true;
}

/** @returns false where it was noted already */
function noteOnce(value: Span, from: number, to: number): boolean {
  if (isThere(value)) return false;
  value.from = from;
  value.to = to;
  return true;
}

function ruleOf(bytes: Buffer, from: number, to: number): Rule | undefined {
  if (to - from > NAME_LENGTH_MAX) return undefined;
  for (const { name, rule } of RULES[to - from] as readonly NamedRule[]) if (isSameWord(bytes, from, name)) return rule;
  return undefined;
}

/** The method that begins so; `undefined` where none does. */
function methodAt(bytes: Buffer, from: number, to: number): Method | undefined {
  for (const method of METHODS) if (isPrefix(bytes, from, to, method)) return method;
  return undefined;
}

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  return table;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function isInValue(byte: number): boolean {
  return (byte >= SPACE && byte < 127) || byte === TAB;
}

function isPrefix(bytes: Buffer, from: number, to: number, word: string): boolean {
  if (to - from > word.length) return false;
  for (let at = from; at < to; at++) if (bytes[at] !== word.charCodeAt(at - from)) return false;
  return true;
}

/** @param word in lower case; letters may come in either case */
function isSameWord(bytes: Buffer, from: number, word: Buffer): boolean {
  for (let index = 0; index < word.length; index++) {
    const byte = bytes[from + index] as number;
    if (byte !== word[index] && (byte < 65 || byte > 90 || byte + 32 !== word[index])) return false;
  }
  return true;
}
