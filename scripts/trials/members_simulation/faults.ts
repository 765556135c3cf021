/**
 * Faults of members of a cluster that their simulation has to find, each planted by one change of the source.
 * Knows source texts; refuses to know how a fault shows.
 * @module
 */
import type { Fault } from "../client_simulation/faults.ts";

const MEMBER = "src/cluster/member.ts";
const VIEW = "src/cluster/view.ts";
const DEAL = "src/cluster/deal.ts";

export const FAULTS: readonly Fault[] = [
  {
    about: "a member decides at once, without having listened",
    file: MEMBER,
    from: "return this.#listened * CLUSTER.beatMs > CLUSTER.memberDeadMs && !this.#wasStopped;",
    to: "return !this.#wasStopped;",
  },
  {
    about: "a member that hears nobody, nor itself, takes all others for dead",
    file: MEMBER,
    from: "const isDeaf = (this.#beats - this.#echoAt) * CLUSTER.beatMs > CLUSTER.deafMs;",
    to: "const isDeaf = false;",
  },
  {
    about: "a member that was stopped decides by what it knew before",
    file: MEMBER,
    from: "> CLUSTER.memberDeadMs && !this.#wasStopped;",
    to: "> CLUSTER.memberDeadMs;",
  },
  {
    about:
      "what others hear does not count: members that are cut off from each other take shards from each other",
    file: MEMBER,
    from: "if (!isHeard && !this.#isAwaited(shard, beats))",
    to: "if (!this.#isAwaited(shard, beats))",
  },
  {
    about: "a shard that was taken is taken back at once",
    file: MEMBER,
    from: "const ms = isTaken ? CLUSTER.memberDeadMs * factor : count === 1",
    to: "const ms = isTaken ? 0 : count === 1",
  },
  {
    about: "a shard that cannot be started is tried again without a pause",
    file: MEMBER,
    from: "CLUSTER.startAgainMs * factor / 2;",
    to: "0;",
  },
  {
    about: "a shard waits for ever for the member that is to start it",
    file: MEMBER,
    from: "if (count * CLUSTER.beatMs <= CLUSTER.overdueMs) this.#waits",
    to: "if (count > 0) this.#waits",
  },
  {
    about: "whoever has lost a shard keeps it",
    file: MEMBER,
    from: 'if (here.state === "ending" || here.epoch === 0',
    to: 'if (here.epoch >= 0 || here.state === "ending" || here.epoch === 0',
  },
  {
    about: "two members of one name both stay",
    file: MEMBER,
    from: "if (beats < CLUSTER.rivalBeats) return;",
    to: "if (beats >= 0) return;",
  },
  {
    about: "what is given is said to be given for ever",
    file: MEMBER,
    from: "if (until <= now && !this.#here.has(shard)) this.#given",
    to: "if (until < 0) this.#given",
  },
  {
    about: "a dead member lives on in the view",
    file: VIEW,
    from: "if (heard.silentMs < CLUSTER.memberDeadMs) continue;",
    to: "if (heard.silentMs >= 0) continue;",
  },
  {
    about: "the owner is who has spoken last, whatever its epoch",
    file: VIEW,
    from: "if (epoch <= (this.#owners.get(shard)?.epoch ?? 0)) continue;",
    to: "",
  },
  {
    about: "of two with one name the view shows who has spoken last",
    file: VIEW,
    from: "if (before !== undefined && !isSame && before.silentMs < REPLACED_MS) return;",
    to: "",
  },
  {
    about: "who has one shard more than another one gives it away",
    file: DEAL,
    from: "<= most - 2)",
    to: "<= most - 1)",
  },
  {
    about: "shards are dealt out to members that leave",
    file: DEAL,
    from:
      "const seats = beats.filter(({ isLeaving }) => !isLeaving);\n  const loads = loadsOf(seats);\n  const dealt",
    to: "const seats = beats;\n  const loads = loadsOf(seats);\n  const dealt",
  },
  {
    about: "a member is given what it could not start",
    file: DEAL,
    from: "fewest(shard, less.filter(({ failed }) => !failed.includes(shard)), loads)",
    to: "fewest(shard, less, loads)",
  },
  {
    about: "a shard is dealt out to a member that could not start it, though others can",
    file: DEAL,
    from: "const may = able.length > 0 ? able :",
    to: "const may =",
  },
];
