/** What comes with a request: JSON, or nothing that anybody looks at. */
import type { Readable } from "node:stream";
import { errorCodes, type FastifyInstance, type FastifyRequest } from "fastify";
import { refusal } from "../values.ts";
import { CodingError, RefusalError } from "./http.ts";
import { jsonFaultOf } from "./json-fault.ts";

/** Shorter texts are parsed in no time, however deep. */
const LONG = 4096;
const DEPTH_MAX = 32;
const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const [ARRAY_START, ARRAY_END, OBJECT_START, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];
const NOTHING = Buffer.alloc(0);

type BodyParser = (request: FastifyRequest, text: string, done: (error: Error | null, body?: unknown) => void) => void;

export function registerBodyParser(app: FastifyInstance): void {
  const parse = bodyParserOf(app);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>("application/json", { parseAs: "string" }, parse);
}

/** JSON objects only, as they are: nothing is unpacked. An empty body is no body. */
export function bodyParserOf(app: FastifyInstance): BodyParser {
  const parse = app.getDefaultJsonParser("error", "ignore");
  return (request, text, done) => {
    const coding = codingOf(request);
    if (coding !== undefined) return done(new CodingError(coding));
    if (text === "") return done(null, undefined);
    if (isDeep(text)) return done(new RefusalError(refusal("body", `JSON of at most ${DEPTH_MAX} levels`, text)));
    void parse(request, text, (error, value) => {
      if (value === null) return done(new RefusalError(refusal("body", "a JSON object", null)));
      if (error === null) return done(null, value);
      done(new RefusalError(whyNotTaken(text)));
    });
  };
}

/**
 * Reads a body as it came. Fastify's own way copies it once more, and what is copied lies outside of V8's heap: a
 * thousand batches a second made V8 collect all of its heap several times a second.
 */
export function readWhole(
  { headers }: FastifyRequest,
  payload: Readable,
  bytesMax: number,
  done: (error: Error | null, bytes: Buffer) => void,
): void {
  const pieces: Buffer[] = [];
  let length = 0;
  const end = (error?: Error): void => {
    payload.off("data", take).off("end", end).off("error", end);
    const [first = NOTHING, ...more] = pieces;
    if (error !== undefined) done("statusCode" in error ? error : new RefusalError(error.message), NOTHING);
    else done(null, more.length === 0 ? first : Buffer.concat(pieces, length));
  };
  const take = (piece: Buffer): void => {
    length += piece.length;
    pieces.push(piece);
    if (length > bytesMax) end(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
  };
  if (Number(headers["content-length"]) > bytesMax) end(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
  else payload.on("data", take).on("end", end).on("error", end);
}

/** What the body is packed with; undefined: nothing. */
export function codingOf({ headers }: FastifyRequest): string | undefined {
  const coding = headers["content-encoding"];
  return coding === undefined || /^identity$/i.test(coding) ? undefined : coding;
}

/** Whether arrays and objects may lie too deep in each other for JSON.parse not to take its time. Cost: O(length). */
function isDeep(text: string): boolean {
  if (text.length < LONG) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === ARRAY_START || code === OBJECT_START) depth++;
    else if (code === ARRAY_END || code === OBJECT_END) depth--;
    if (depth > DEPTH_MAX) return true;
  }
  return false;
}

/** Where the quote stands that ends a string which begins at `start`; the text's length where none does. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end;
    while (text.charCodeAt(before - 1) === BACKSLASH) before--;
    if ((end - before) % 2 === 0) return end; // else the quote is escaped
  }
  return text.length;
}

/** Of a body that the parser refused. */
function whyNotTaken(body: string): string {
  const fault = jsonFaultOf(body);
  if (fault === undefined) return refusal("body", 'an object without a key "__proto__"', body);
  const { at, expected } = fault;
  const before = body.slice(0, at);
  const place = `line ${(before.match(/\n/g)?.length ?? 0) + 1}, column ${at - before.lastIndexOf("\n")}`;
  return refusal("body", `JSON with ${expected} at ${place}`, body.slice(at) || undefined);
}

/** For the routes of this scope: whatever comes in the body, of whatever type, is as if it had not come. */
export function ignoreBodies(app: FastifyInstance): void {
  app.addHook("onRequest", (request, _reply, done) => {
    delete request.raw.headers["content-type"]; // fastify refuses a malformed one, although nothing is read by it
    done();
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, _body, done) => done(null));
}
