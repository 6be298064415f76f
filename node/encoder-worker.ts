/** The thread behind `SnapshotEncoder`. */
import { move } from "piscina";
import type { TableCopy } from "../engine/engine.ts";
import { encodeSnapshot } from "./encode-snapshot.ts";

export default function encode(copy: TableCopy): Uint8Array {
  return move(encodeSnapshot(copy)) as unknown as Uint8Array;
}
