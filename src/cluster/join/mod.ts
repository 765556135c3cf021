/**
 * Many machines that are one broker: a shard of a cluster in a program of your own, and what can be seen of a cluster.
 *
 * `plumb serve --cluster` does all of this by itself; so does a program in which a supervisor is not wanted:
 *
 * @example
 * ```ts
 * import { openShard } from "@plumb/mqtt/cluster";
 * import { serve } from "@plumb/mqtt/serve";
 *
 * const shard = await openShard({
 *   nats: { servers: ["nats://127.0.0.1:4222"] },
 *   replicas: 1,
 *   cluster: "default",
 *   member: "here",
 *   shard: 1,
 *   shards: 1,
 *   directory: "./plumb-data/1",
 *   lost: (why) => {
 *     throw new Error(why);
 *   },
 * });
 * const server = await serve({ store: shard.store, nodes: shard.nodes, listen: [] });
 * await shard.join(server);
 * await server.reconfigure({ listen: ["mqtt://127.0.0.1:1883"] });
 * shard.takeRelayed();
 * ```
 *
 * It needs the npm package `@nats-io/transport-node`, and nats-server 2.9 or later with JetStream. On Deno it needs `--allow-net` for the servers,
 * and what a store needs.
 * Knows the door; refuses to know what is behind it.
 * @module
 */
export { openShard, type OpenShardOptions, Shard, type ShardServer } from "./shard.ts";
export { ShardStoreError } from "../files/open.ts";
export type { NotClaimed } from "../shard_claim.ts";
export type { NatsOptions } from "../nats/options.ts";
export { NatsError, type NatsTrouble } from "../nats/error.ts";
export type { ClusterSeen, MemberSeen, ShardSeen, ShardStatus } from "../status.ts";
export type { ShardFigures } from "../shard_disk.ts";
export type { Owner } from "../view.ts";
export type { Owned } from "../beat.ts";
