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
export { openShard, type OpenShardOptions, Shard } from "./shard.ts";
export {
  openShardStore,
  type OpenShardStoreOptions,
  type ShardStore,
  ShardStoreError,
} from "../files/open.ts";
export { type Nats, openNats } from "../nats/open.ts";
export { NatsError, type NatsTrouble } from "../nats/error.ts";
export type { NatsOptions } from "../nats/options.ts";
export type { StreamKind, StreamNeeds } from "../nats/streams.ts";
export { Member, type MemberOptions, type ShardHost } from "../member.ts";
export { View, type ViewOptions } from "../view.ts";
export { type Meta, openMeta } from "../meta.ts";
export type { Bus } from "../bus.ts";
export type { Log } from "../log.ts";
export type { Stream } from "../stream.ts";
export { StreamLog } from "../stream_log.ts";
export type { ShardFigures } from "../shard_disk.ts";
