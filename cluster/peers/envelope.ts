/**
 * R17: what is around every message between nodes: who sent it to whom, under which epoch, and when. Little-endian:
 *
 *   0  u8   protocol version           8  f64  epoch of the sender's view
 *   1  u8   1 request, 2 answer         16  f64  the stamp: sent at, the sender's clock, ms
 *   2  u8   verdict of an answer        24  2 u32  the mark of the cluster
 *   3  u8   0                           32  36 letters  the sender's incarnation
 *   4  u32  bytes of the view           68  36 letters  the receiver's
 * 104  f64  the echo: the newest stamp that the sender had heard from the receiver, 0 none
 * 112  the view as JSON (0 bytes: none), zeros up to a multiple of 8, the body
 */
import { require } from "../../engine/codec.ts";
import { PeerError, PROTOCOL } from "../ports/transport.ts";
import { isIncarnation, type View, viewOf } from "../ports/view.ts";

const HEAD_BYTES = 112;
const ECHO_AT = 104;
const KINDS = { request: 1, answer: 2 } as const;
const VERDICTS = ["done", "stranger"] as const;

/** Of an answer. `stranger`: the request was for another incarnation, nobody handled it. */
export type Verdict = (typeof VERDICTS)[number];

/**
 * Tells a cluster from every other, whatever their names: two numbers made from the cluster's key. Two clusters may meet
 * where an address of one was given to a node of the other.
 */
export type ClusterMark = readonly [number, number];

export interface Envelope {
  readonly kind: keyof typeof KINDS;
  readonly verdict: Verdict;
  readonly epoch: number;
  readonly sentAtMs: number;
  /** R19: by the receiver's clock: the message was sent after the receiver had sent this stamp. */
  readonly echoMs: number;
  readonly from: string;
  readonly to: string;
  readonly view: View | undefined;
  readonly body: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NO_BYTES = new Uint8Array(0);

export function seal(envelope: Envelope, mark: ClusterMark): Uint8Array {
  const view = envelope.view === undefined ? NO_BYTES : encoder.encode(JSON.stringify(envelope.view));
  const bodyAt = (HEAD_BYTES + view.length + 7) & ~7;
  const bytes = new Uint8Array(bodyAt + envelope.body.length);
  const head = new DataView(bytes.buffer);
  bytes[0] = PROTOCOL;
  bytes[1] = KINDS[envelope.kind];
  bytes[2] = VERDICTS.indexOf(envelope.verdict);
  head.setUint32(4, view.length, true);
  head.setFloat64(8, envelope.epoch, true);
  head.setFloat64(16, envelope.sentAtMs, true);
  head.setUint32(24, mark[0], true);
  head.setUint32(28, mark[1], true);
  encoder.encodeInto(envelope.from, bytes.subarray(32, 68));
  encoder.encodeInto(envelope.to, bytes.subarray(68, ECHO_AT));
  head.setFloat64(ECHO_AT, envelope.echoMs, true);
  bytes.set(view, HEAD_BYTES);
  bytes.set(envelope.body, bodyAt);
  return bytes;
}

/**
 * @throws {MalformedMessageError} if it is anything but a whole envelope of this kind
 * @throws {PeerError} if it bears another mark: nothing in it counts
 */
export function unseal(kind: Envelope["kind"], bytes: Uint8Array, mark: ClusterMark): Envelope {
  require(bytes.length >= HEAD_BYTES, bytes.length, `at least ${HEAD_BYTES} bytes`);
  require(bytes[0] === PROTOCOL, 0, `protocol ${PROTOCOL}, not ${bytes[0]}`);
  require(bytes[1] === KINDS[kind], 1, `kind ${KINDS[kind]} (${kind}), not ${bytes[1]}`);
  const verdict = VERDICTS[bytes[2] as number];
  require(verdict !== undefined && bytes[3] === 0, 2, "a known verdict");
  const head = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isOurs = head.getUint32(24, true) === mark[0] >>> 0 && head.getUint32(28, true) === mark[1] >>> 0;
  if (!isOurs) throw new PeerError("Nodes of two clusters, founded with different keys, met at one address", true);
  const viewBytes = head.getUint32(4, true);
  const bodyAt = HEAD_BYTES + Math.ceil(viewBytes / 8) * 8;
  require(bodyAt <= bytes.length, 4, "a view that ends within the message");
  const [epoch, sentAtMs, echoMs] = [
    head.getFloat64(8, true),
    head.getFloat64(16, true),
    head.getFloat64(ECHO_AT, true),
  ];
  require(Number.isSafeInteger(epoch) && epoch >= 0, 8, "a whole epoch");
  require(Number.isFinite(sentAtMs), 16, "a finite time of sending");
  require(Number.isFinite(echoMs), ECHO_AT, "a finite echo");
  const from = decoder.decode(bytes.subarray(32, 68));
  const to = decoder.decode(bytes.subarray(68, ECHO_AT));
  require(isIncarnation(from) && isIncarnation(to), 32, "two incarnations");
  const view = viewBytes === 0 ? undefined : viewOf(decoder.decode(bytes.subarray(HEAD_BYTES, HEAD_BYTES + viewBytes)));
  require(viewBytes === 0 || view !== undefined, HEAD_BYTES, "a view");
  return { kind, verdict, epoch, sentAtMs, echoMs, from, to, view, body: bytes.subarray(bodyAt) };
}
