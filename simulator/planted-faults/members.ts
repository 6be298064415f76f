/** Breaches of R7 to R12: membership. */
import { fault, KEYS, LIST, type PlantedFault } from "./planted-fault.ts";

export const MEMBER_FAULTS: Readonly<Record<string, PlantedFault>> = {
  "leases by the store's bare clock": {
    rule: "R7",
    patches: [
      { file: LIST, find: "Math.min(Math.max(passedMs, 0), Math.floor(leaseMs / 3))", replace: "passedMs" },
      { file: LIST, find: "if (passedMs <= leaseMs) return;", replace: "if (passedMs > -Infinity) return;" },
    ],
    scenarios: ["an outage of the store with a death inside and its clock jumping"],
  },
  "all who lapsed renewed again and again": fault(
    "R7",
    LIST,
    "if (listed.isExcused) continue;",
    "",
    "a lone slow survivor buries the dead",
  ),
  "expelled, and goes on with what it held": {
    ...fault("R8", "cluster/members/membership.ts", "this.ports.onExpelled(before);", ""),
    scenarios: ["read views do not outlive an expulsion"],
  },
  "absence taken for expulsion": {
    ...fault(
      "R8",
      "cluster/members/membership.ts",
      'case "absent":\n        this.list = answer.list;',
      'case "absent":\n        return this.rejoin(answer.list.view);\n        this.list = answer.list;',
      "the store back as another while all owners live",
    ),
    seeds: [3],
  },
  "a list that is gone is not written back": fault(
    "R9",
    "cluster/members/membership.ts",
    "await this.ports.store.restore(run, this.view, this.key, this.ports.randomId(), this.leaseMs);",
    "",
    "the store back as another while all owners live",
  ),
  "the list is written back without the key": fault(
    "R9",
    KEYS,
    "    this.#keep(kept, Math.max(kept.generation, this.kept?.generation ?? 0), freshNonce);",
    '    if (freshNonce === "") this.#keep(kept, kept.generation, freshNonce);',
    "the list written back, and whoever wrote it dies",
  ),
  "a list written back is no new run": fault(
    "R9",
    KEYS,
    "    this.history = `${generation}.${nonce}`;\n",
    "    this.history = `${generation}.1`;\n",
    "the list lost under the same run",
  ),
  "two lists under one number are not told apart": {
    rule: "R9",
    patches: [
      { file: LIST, find: "if (isForked) raise(standing, standing.epoch + 1, freshNonce);", replace: "" },
      {
        file: LIST,
        find: 'list.epoch === renewal.epoch && renewal.nonce !== "" && list.nonce !== renewal.nonce',
        replace: "list.epoch < 0",
      },
    ],
    scenarios: ["the store back as another, views that differ and a newcomer"],
    harmless:
      "whoever renews gets the whole list and follows another nonce under its own number; a claim under an equal term is refused, and that raises the epoch (R1)",
  },
  "one node's word marks": fault(
    "R10",
    LIST,
    "if (accusers.length > others.length / 2) marked.push(target);",
    "if (accusers.length > 0) marked.push(target);",
    "two of four that cannot hear each other keep their places",
  ),
  "the word of who is marked counts": fault(
    "R10",
    LIST,
    "listed !== target && !listed.isJoining && !marked.includes(listed)",
    "listed !== target && !listed.isJoining",
    "of members that all fail to hear each other one is left, and the others come back",
  ),
  "who is marked lives on": fault(
    "R10",
    LIST,
    "if (!isMarked) Object.assign(listed, {",
    "Object.assign(listed, {",
    "of members that all fail to hear each other one is left, and the others come back",
    "a node that only the store can reach",
  ),
  "nobody is accused": fault(
    "R10",
    "cluster/member-parts.ts",
    "accused: () => node.peers.accused(key.leaseMs),",
    "accused: () => [],",
    "a node that only the store can reach",
  ),
  "who does not answer at its address is not accused": fault(
    "R10",
    "cluster/peers/peers.ts",
    "nowMs - Math.min(peer.heardAtMs, peer.answeredAtMs) > withinMs",
    "nowMs - peer.heardAtMs > withinMs",
    "a member that nobody reaches any more loses its place until it is reached",
  ),
  "a renewal takes no accusation back": fault(
    "R10",
    LIST,
    "accusedBefore: listed.accused,\n      closed: NOBODY,",
    "accusedBefore: listed.accused,",
    "resets that lie expel nobody",
  ),
  "a closed port is not noticed": fault(
    "R10",
    "cluster/peers/peers.ts",
    "this.ports.onClosed(incarnation);",
    "",
    "a killed node is expelled in half a second and served by others soon after",
  ),
  "who joins owns its share at once": fault(
    "R10",
    "cluster/members/placement.ts",
    "members.filter(({ isJoining }) => isJoining !== true)",
    "[...members]",
    "a node that nobody can reach gets nothing, and says so",
  ),
  "leaves with what it holds": fault(
    "R11",
    "cluster/moves/leaving.ts",
    "const mayGo = isAnybodyStaying ? held === 0 && !handOff.isAwaited : recorder.isIdle;",
    "const mayGo = held >= 0 || handOff.isAwaited || recorder.isIdle;",
    "the silent through rolling restarts",
    "partitions and regions moving while players cross borders",
  ),
  "a founder does not wait": {
    ...fault(
      "R12",
      "cluster/members/founding.ts",
      "WAITED_LEASES = 2",
      "WAITED_LEASES = 0",
      "the store back empty while its members cannot reach it, and a founder there first",
      "the store back as another, views that differ and a newcomer",
      "the store back as another while all owners live",
    ),
    harmless:
      "whoever was there before brings its key back by votes, or reports its players under the one that stands; but it happens more often",
  },
  "a founder does not look for copies": fault(
    "R12",
    "cluster/members/founding.ts",
    "const known = key ?? copy;",
    "const known = key;",
    "the list lost while the records stay, and everybody restarted",
  ),
  "a key is replaced by one vote": fault(
    "R12",
    KEYS,
    'if (asked * 2 <= names.size) return "counted";\n    if (asked <= living) return "tied";',
    "",
    "one suspended node comes back to a living cluster of another key",
  ),
  "a key replaces that of a cluster as large": {
    rule: "R12",
    // Each of the two keeps the promise alone: who is not outnumbered at once is tied.
    patches: [
      { file: KEYS, find: 'if (view.members.length <= living) return "outnumbered";', replace: "" },
      { file: KEYS, find: 'if (asked <= living) return "tied";', replace: "" },
    ],
    scenarios: ["the store back empty while its members cannot reach it, and a founder there first"],
  },
  "a tie between two keys lasts for ever": {
    ...fault(
      "R12",
      "cluster/members/key-keeper.ts",
      "return this.isTiedForLong ? this.lose(standing) : undefined;",
      "return undefined;",
    ),
    rare: "it takes two keys that as many know, for long; one run in thousands comes to that, and none of the first 2,000 does now",
  },
  "a renewal does not name its key": fault(
    "R12",
    KEYS,
    "if (kept !== undefined && kept.mark !== renewal.mark)",
    "if (kept === undefined)",
    "the store back empty while its members cannot reach it, and a founder there first",
  ),
  "claims and appends are taken under another key": {
    ...fault("R12", KEYS, "if (kept !== undefined && kept.mark !== mark) throw", 'if (mark === "") throw'),
    scenarios: ["a claim that was sent to a store in which another cluster was founded since"],
  },
  "records of another key stay": fault(
    "R12",
    "simulator/redis/shared-store-model.ts",
    "if (!this.adopt(run, tag, kept)) return false;",
    "if (!this.adopt(run, tag, kept) || tag >= 0) return false;",
    "the store back empty while its members cannot reach it, and a founder there first",
  ),
  "who gives its key up reports nobody": fault(
    "R12",
    "cluster/cluster-node.ts",
    "new Rekeying(member.engine, member.abandon(), {",
    "new Rekeying(member.engine, member.abandon().slice(0, 0), {",
    "the store back empty while its members cannot reach it, and a founder there first",
  ),
  "what a founder began is not gone on with": fault(
    "R12",
    "cluster/members/founding.ts",
    "if (key !== undefined && view.epoch > 0) return",
    "if (key !== undefined && view.epoch >= 0) return",
    "two founders at once",
  ),
};
