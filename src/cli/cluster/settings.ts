/**
 * Whether settings make a broker a member of a cluster, and which.
 * Knows what goes together; refuses to know NATS.
 * @module
 */
import { CallError } from "../error.ts";
import type { ClusterSettings, LogDurability, Settings } from "../options.ts";

/** What of the settings is looked at. */
export type MemberSettings = Pick<Settings, "cluster" | "data" | "workers" | "durability">;

/** A member. */
export interface MemberPlan {
  readonly cluster: ClusterSettings;
  readonly durability: LogDurability;
}

/**
 * The settings of a member; undefined for a broker that is in no cluster.
 * @throws {CallError} for settings that make no sense together.
 */
export function clusterOf({ cluster, data, workers, durability }: MemberSettings): MemberPlan | undefined {
  const isOfLog = durability === "log" || durability === "replicated";
  const { servers = [], name = "default", replicas, ...more } = cluster ?? {};
  if (servers.length === 0) {
    if (cluster !== undefined) throw new CallError("settings of a cluster need --cluster nats://HOST:PORT");
    if (!isOfLog) return undefined;
    throw new CallError(
      `--durability takes ${durability} in a cluster only; fsync, os or interval=MS without one`,
    );
  }
  if (!isOfLog && durability !== "fsync") {
    throw new CallError(`--durability takes log or replicated in a cluster, not ${textOf(durability)}`);
  }
  if (data === undefined) {
    throw new CallError("--memory and --cluster exclude each other: sessions of a cluster are in logs");
  }
  if (workers !== 1) {
    throw new CallError("--workers is for one machine: in a cluster --cluster-shards are its processes");
  }
  const copies = Number(replicas ?? (servers.length >= 3 ? 3 : 1)) as 1 | 3 | 5;
  return {
    cluster: { ...more, servers, name, replicas: copies },
    durability: isOfLog ? durability : "log",
  };
}

function textOf(durability: Settings["durability"]): string {
  return typeof durability === "number" ? `interval=${durability}` : durability;
}
