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
    "if (entry.isExcused) continue;",
    "",
    "a lone slow survivor buries the dead",
  ),
  "expelled, and goes on with what it held": {
    ...fault("R8", "cluster/members/membership.ts", "this.ports.onExpelled(before);", ""),
    scenarios: ["a thawed owner asked only for what writes nothing", "moved and dead in one breath"],
    harmless:
      "its claims are not raised to the epoch under which it joins anew, so it may answer nothing unproven (R14)",
  },
  "absence taken for expulsion": fault(
    "R8",
    "cluster/members/membership.ts",
    'case "absent":\n        this.isJoining = true;',
    'case "absent":\n        return this.rejoin(answer.list.view);\n        this.isJoining = true;',
    "the store back as another while all owners live",
  ),
  "a list that is gone is not written back": fault(
    "R9",
    "cluster/members/membership.ts",
    "await this.ports.store.restore(run, this.view, key, this.ports.randomId(), key.leaseMs);",
    "",
    "the store back as another while all owners live",
  ),
  "the list is written back without the key": fault(
    "R9",
    KEYS,
    "if (isWritten) this.#keep(",
    'if (isWritten && freshNonce === "") this.#keep(',
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
    ...fault("R9", LIST, "if (isForked) raise(standing, standing.epoch + 1, freshNonce);", ""),
    scenarios: ["the store back as another, views that differ and a newcomer"],
    harmless:
      "whoever renews under another nonce raises the epoch as well, and takes over the list that it is answered",
  },
  "one node's word expels": fault(
    "R10",
    LIST,
    "accusers.includes(accuser) && accusers.length > 1 && accusers.length > others.length / 2",
    "accusers.includes(accuser)",
    "two nodes that cannot hear each other",
  ),
  "nobody is accused": fault(
    "R10",
    "cluster/member-node.ts",
    "unheard: () => this.peers.unheard(leaseMs),",
    "unheard: () => [],",
    "a node that only the store can reach",
  ),
  "leaves with what it holds": fault(
    "R11",
    "cluster/member-node.ts",
    "const mayGo = isAnybodyStaying ? held === 0 && !handOff.isAwaited : recorder.isIdle;",
    "const mayGo = held >= 0 || handOff.isAwaited || recorder.isIdle;",
    "the silent through rolling restarts",
    "partitions and regions moving while players cross borders",
  ),
  "a founder does not wait": fault(
    "R12",
    "cluster/members/founding.ts",
    "WAITED_LEASES = 2",
    "WAITED_LEASES = 0",
    "the store back empty while its members cannot reach it, and a founder there first",
    "the store back as another, views that differ and a newcomer",
    "the store back as another while all owners live",
  ),
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
    'if (asked * 2 <= names.size || asked <= living) return "counted";',
    "",
    "one suspended node comes back to a living cluster of another key",
  ),
  "a key replaces that of a cluster as large": fault(
    "R12",
    KEYS,
    'if (view.members.length <= living) return "outnumbered";',
    "",
    "the store back empty while its members cannot reach it, and a founder there first",
  ),
  "a renewal does not name its key": fault(
    "R12",
    KEYS,
    "if (kept !== undefined && kept.mark !== renewal.mark)",
    "if (kept === undefined)",
    "the store back empty while its members cannot reach it, and a founder there first",
  ),
  "claims and appends are taken under another key": {
    ...fault("R12", KEYS, "if (kept !== undefined && kept.mark !== mark) throw", 'if (mark === "") throw'),
    scenarios: ["the store back empty while its members cannot reach it, and a founder there first"],
    harmless:
      "the list that replaces another has a higher epoch, so claims under the other key are lower (R1), but for a claim and an append that are both under way when the tag is brought to the key",
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
