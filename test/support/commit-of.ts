/** A group commit from plain messages. */
import { type Append, type Commit, NO_HEAD } from "../../cluster/ports/record-store.ts";

export type PlainAppend = Omit<Append, "bytes"> & { readonly message: Uint8Array };

/** @param head what all messages are read with; only a store of one file takes one */
export function commitOf(appends: readonly PlainAppend[], head = NO_HEAD): Commit {
  return {
    appends: appends.map(({ partition, claim, from, message }) => ({ partition, claim, from, bytes: message.length })),
    headBytes: head.length,
    content: Uint8Array.from(Buffer.concat([head, ...appends.map(({ message }) => message)])),
  };
}
