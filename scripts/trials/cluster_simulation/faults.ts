/**
 * Faults of a cluster that its simulation has to find, each planted by one change of the source.
 * Knows source texts; refuses to know how a fault shows.
 * @module
 */
import type { Fault } from "../client_simulation/faults.ts";

const APPEND = "src/cluster/append.ts";
const CLAIM = "src/cluster/shard_claim.ts";
const DISK = "src/cluster/shard_disk.ts";
const LINKS = "src/cluster/shard_links.ts";
const SHARD = "src/cluster/join/shard.ts";

export const FAULTS: readonly Fault[] = [
  {
    about: "an append is not fenced: whoever owned the shard before goes on writing",
    file: APPEND,
    from: "this.#stream.add(parts[i]!, undefined, at - 1, (answer)",
    to: "this.#stream.add(parts[i]!, undefined, undefined, (answer)",
  },
  {
    about: "a batch counts as safe before the log has it",
    file: DISK,
    from: "const safe = Math.min(this.#appended, this.#applied);",
    to: "const safe = this.#applied;",
  },
  {
    about: "a batch counts as safe before the file has it, in a cluster that waits for both",
    file: DISK,
    from: "const safe = Math.min(this.#appended, this.#applied);",
    to: "const safe = this.#appended;",
  },
  {
    about: "an append whose fate is not known counts as done",
    file: DISK,
    from: 'if (outcome.kind !== "appended") {',
    to: 'if (outcome.kind === "failed") {',
  },
  {
    about: "a file that is further than its epoch has become is used",
    file: CLAIM,
    from: "if (place !== undefined && !isOld && isOfLog) {",
    to: "if (place !== undefined && !isOld) {",
  },
  {
    about: "what a claim says of its file is taken for a proof that the log has that",
    file: CLAIM,
    from: 'if (entry.kind === "claim") return note({ epoch: entry.epoch, number: 0 });',
    to: 'if (entry.kind === "claim") return note(entry.after), note({ epoch: entry.epoch, number: 0 });',
  },
  {
    about: "a file that is older than the checkpoint is used",
    file: CLAIM,
    from: "if (place !== undefined && !isOld && isOfLog) {",
    to: "if (place !== undefined && isOfLog) {",
  },
  {
    about: "what a file has, and the log has lost, is not brought into the log",
    file: CLAIM,
    from: "return this.#answered({ epoch, last: outcome.last, logBytes, isAhead });",
    to: "return this.#answered({ epoch, last: outcome.last, logBytes, isAhead: false });",
  },
  {
    about: "of a log only what came before the last claim is applied",
    file: CLAIM,
    from: "if (!isBehind(entry.place, this.#place)) continue;",
    to: "if (!isBehind(entry.place, this.#place) || entry.place.epoch === this.#survey.epoch) continue;",
  },
  {
    about: "a checkpoint takes with it what the log has behind it",
    file: DISK,
    from: "confirmed(through?.position ?? 0);",
    to: "confirmed(this.#last);",
  },
  {
    about: "an owner of before may call",
    file: LINKS,
    from: "if (this.#isClosed || epoch < known) return",
    to: "if (this.#isClosed) return",
  },
  {
    about: "links to an owner of before stay",
    file: LINKS,
    from: "        other.link?.abort();\n        other.cancel?.();",
    to: "        other.cancel?.();",
  },
  {
    about: "a shard takes Clients before all others have told it what they have",
    file: SHARD,
    from: "    await this.#inStep;\n",
    to: "",
  },
  {
    about: "retained messages come back without their stamps",
    file: "src/broker/restore.ts",
    from: "if (store.stamps !== undefined) parts",
    to: "if (store.stamps === undefined) parts",
  },
  {
    about: "a group's message that goes to another node leaves the store at once",
    file: "src/broker/gather.ts",
    from: "  else nodes.movedOn(from, delivery);",
    to: "  else journal.finished(from, delivery);",
  },
  {
    about: "whoever has nothing to write never looks whether it still owns its shard",
    file: SHARD,
    from: "      this.#opened.look();\n",
    to: "",
  },
  {
    about: "SUBACK waits for no node",
    file: "src/nodes/nodes.ts",
    from: "if (isNews || (now >= 0 && this.#isUnconfirmed)) this.#parts.journal.sentToNode();",
    to: "",
  },
  {
    about: "rounds are done at once: a publisher's answer waits for no node",
    file: "src/nodes/rounds.ts",
    from: "if (!round.targets.every((target, i) => this.#others[i]!.acknowledged >= target)) return;",
    to: "",
  },
  {
    about: "nothing is sent again after a cut",
    file: "src/nodes/nodes.ts",
    from: "    sendOpenAgain(this.#parts, open);\n",
    to: "",
  },
];
