/**
 * `plumb cluster status`: the members of a cluster, and its shards with their owners, logs and links.
 * Knows how it is shown; refuses to know how it is found out.
 * @module
 */
import { setTimeout } from "node:timers/promises";
import { CLUSTER } from "../../cluster/limits.ts";
import { NatsError } from "../../cluster/nats/error.ts";
import { type Nats, openNats } from "../../cluster/nats/open.ts";
import { type ClusterSeen, seeCluster, type ShardSeen } from "../../cluster/status.ts";
import { clusterPrefix } from "../../cluster/subjects.ts";
import { View } from "../../cluster/view.ts";
import { systemLoop } from "../../runtime/loop.ts";
import { configFileOf } from "../config_file.ts";
import type { Environment } from "../environment.ts";
import { CallError, STATUS, STATUS_HELP } from "../error.ts";
import { flagsHelp, type OptionRow } from "../flags.ts";
import { callOf, type ClusterSettings, OPTIONS, settingsOfCall } from "../options.ts";
import { say } from "../terminal.ts";
import { natsOptionsOf } from "./access.ts";
import { clusterOf } from "./settings.ts";

const JSON_ROW: OptionRow = { name: "json", kind: "flag", about: "print it as JSON" };
/** All members have been heard then. */
const LISTEN_MS = 3 * CLUSTER.beatMs;

/** Does the command; gives the exit status: 1 if a shard has no owner that answers. */
export async function clusterMain(args: readonly string[], environment: Environment): Promise<number> {
  const [what, ...flags] = args;
  const isHelp = what === undefined || what.startsWith("-");
  const call = callOf(isHelp ? args : flags, environment, [JSON_ROW]);
  if (call.help !== undefined || what === undefined) {
    await say(help(call.help === "all"));
    return STATUS.good;
  }
  if (what !== "status") throw new CallError(`plumb cluster ${what}: there is plumb cluster status`);
  const plan = clusterOf(settingsOfCall(call, await configFileOf(call)));
  if (plan === undefined) throw new CallError("plumb cluster status needs --cluster nats://HOST:PORT");
  const seen = await look(plan.cluster, environment);
  const isJson = call.said.given.get("json")?.at(-1) === "true";
  await say(isJson ? `${JSON.stringify(seen, undefined, 2)}\n` : shown(seen));
  return seen.shards.length > 0 && seen.shards.every(({ state }) => state === "live")
    ? STATUS.good
    : STATUS.found;
}

/** @throws {CallError} */
async function look(settings: ClusterSettings, environment: Environment): Promise<ClusterSeen> {
  const { name, replicas, ...access } = settings;
  let nats: Nats;
  try {
    nats = await openNats(
      { ...natsOptionsOf({ name, ...access }, environment), name: "plumb cluster status" },
      { prefix: clusterPrefix(name), replicas, streams: {} },
    );
  } catch (error) {
    throw error instanceof NatsError ? new CallError(error.message) : error;
  }
  const view = new View({ bus: nats.bus, clock: systemLoop, cluster: name, changed: () => {} });
  try {
    await setTimeout(LISTEN_MS);
    return await new Promise((resolve) =>
      seeCluster({ bus: nats.bus, clock: systemLoop, cluster: name, view }, resolve)
    );
  } finally {
    view.close();
    await nats.close();
  }
}

/** For a person. */
export function shown({ cluster, members, shards }: ClusterSeen): string {
  if (members.length === 0) return `No member of the cluster ${cluster} was heard.\n`;
  const memberRows = members.map(({ member, program, shards, isLeaving }) => [
    member,
    program,
    isLeaving ? "leaving" : "live",
    shards.join(" ") || "none",
  ]);
  return `Cluster ${cluster}\n\n` + table(["member", "version", "state", "shards"], memberRows) + "\n" +
    table(
      ["shard", "owner", "epoch", "state", "log", "waiting", "append", "links", "clients", "sessions"],
      shards.map((one) => rowOf(one, shards.length)),
    );
}

function rowOf({ shard, state, member, epoch, status }: ShardSeen, shards: number): string[] {
  const left = [`${shard}`, member ?? "-", epoch === undefined ? "-" : `${epoch}`];
  if (status === undefined) return [...left, state, "-", "-", "-", "-", "-", "-"];
  const { log, links, clients, sessions } = status;
  return [
    ...left,
    log.isFailing ? "log does not answer" : state,
    `${(log.logBytes / 1024 / 1024).toFixed(1)} MiB`,
    `${log.waiting}`,
    log.appends === 0 ? "-" : `${(log.appendMs / log.appends).toFixed(1)} ms`,
    `${links.length} of ${shards - 1}`,
    `${clients}`,
    `${sessions}`,
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  return all.map((row) => row.map((text, i) => text.padEnd(widths[i]!)).join("  ").trimEnd() + "\n").join("");
}

function help(isAll: boolean): string {
  return [
    "plumb cluster status [flags] [--json]\n\n" +
    "Prints the members of a cluster and its shards: who owns each, since how many claims (epoch), how much its log has behind the\n" +
    "last checkpoint, batches that wait for the log, how long one takes, with how many of the other shards it is linked. It takes the flags\n" +
    "and the file of plumb serve: --cluster says where. Exit status 1: a shard has no owner, or one that does not answer.",
    ...flagsHelp(OPTIONS, isAll),
    STATUS_HELP,
  ].join("\n\n") + "\n";
}
