/**
 * The names of a cluster's things on a bus and among streams.
 * Knows spellings; refuses to know who listens and who writes.
 * @module
 */

/** Letters, digits, `-` and `_`. */
const NAME = /^[A-Za-z0-9_-]{1,32}$/;

/** Whether a cluster may be called so. */
export function isClusterName(name: string): boolean {
  return NAME.test(name);
}

/** The name of a shard among the nodes (src/nodes); shards count from 1. */
export function shardName(shard: number): string {
  return `shard-${shard}`;
}

/** The names of all shards, in the order of their numbers. */
export function shardNames(shards: number): string[] {
  return Array.from({ length: shards }, (_, i) => shardName(i + 1));
}

/** The number of a shard; undefined if there is none of this name among so many. */
export function shardOf(name: string, shards: number): number | undefined {
  const number = shardNames(shards).indexOf(name) + 1;
  return number === 0 ? undefined : number;
}

/** What all names of a cluster at its servers begin with. */
export function clusterPrefix(cluster: string): string {
  return `plumb-${cluster}`;
}

/** Where members tell that they live. */
export function beatSubject(cluster: string): string {
  return `${clusterPrefix(cluster)}.beat`;
}

/** Where whoever owns a shard in an epoch takes calls of other nodes. An owner of before listens elsewhere. */
export function callSubject(cluster: string, shard: number, epoch: number): string {
  return `${clusterPrefix(cluster)}.shard.${shard}.${epoch}`;
}

/** Where it is asked how it is. */
export function askSubject(cluster: string, shard: number, epoch: number): string {
  return `${callSubject(cluster, shard, epoch)}.ask`;
}

/** Where it answers in one message how it is (`ShardStatus`). */
export function statusSubject(cluster: string, shard: number, epoch: number): string {
  return `${callSubject(cluster, shard, epoch)}.status`;
}

/** The streams: what the cluster is, and of each shard its log and its checkpoints. */
export const META_STREAM = "meta";

/** See `META_STREAM`. */
export function logStream(shard: number): string {
  return `shard-${shard}`;
}

/** See `META_STREAM`. */
export function checkpointStream(shard: number): string {
  return `checkpoint-${shard}`;
}
