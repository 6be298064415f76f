/** Members and views for tests: incarnations that can be told apart at a glance. */
import type { Member, View } from "../../cluster/ports/view.ts";

/** `incarnationOf(3)` is 00000003-…: a UUID in form. */
export function incarnationOf(number: number): string {
  return `${number.toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`;
}

export function memberNumber(number: number, changes: Partial<Member> = {}): Member {
  return {
    incarnation: incarnationOf(number),
    id: `node-${number}`,
    url: `http://node-${number}:8080`,
    peerUrl: `http://node-${number}:9090`,
    weight: 1,
    isLeaving: false,
    ...changes,
  };
}

export function viewOfMembers(epoch: number, numbers: readonly number[], changes: Partial<View> = {}): View {
  return {
    epoch,
    nonce: `nonce ${epoch}`,
    members: numbers.map((number) => memberNumber(number)),
    expelled: [],
    ...changes,
  };
}
