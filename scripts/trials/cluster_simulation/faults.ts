/**
 * Faults of a cluster that its simulation has to find, each planted by one change of the source.
 * Knows source texts; refuses to know how a fault shows.
 * @module
 */
import type { Fault } from "../client_simulation/faults.ts";

const APPEND = "src/cluster/append.ts";
const CLAIM = "src/cluster/shard_claim.ts";
const DISK = "src/cluster/shard_disk.ts";
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
    about: "a file that is further than its epoch has become is used",
    file: CLAIM,
    from: "if (place !== undefined && !isOld && isOfLog) {",
    to: "if (place !== undefined && !isOld) {",
  },
  {
    about: "a file that is older than the checkpoint is used",
    file: CLAIM,
    from: "if (place !== undefined && !isOld && isOfLog) {",
    to: "if (place !== undefined && isOfLog) {",
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
    about: "a shard takes Clients before all others have told it what they have",
    file: SHARD,
    from: "    await this.#inStep;\n",
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
];
