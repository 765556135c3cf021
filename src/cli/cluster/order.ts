/**
 * A process of a member of a cluster: which shard it is to own.
 * Knows what its supervisor tells it; refuses to know how it is started.
 * @module
 */
import type { Environment } from "../environment.ts";

/** What a member tells the process that it starts for a shard. */
export interface ShardOrder {
  /** 1 to `shards`. */
  readonly shard: number;
  readonly shards: number;
  /** Of the cluster. */
  readonly cluster: string;
  readonly member: string;
  /** Another one for each process. */
  readonly incarnation: string;
  /** The directory of the file of the shard. */
  readonly store: string;
  /** The private directory (0700) of this run of the member; it goes when the member does. */
  readonly directory: string;
  /** See `SharedPorts`. */
  readonly ports: Readonly<Record<string, number | null>>;
  readonly hasOnce: boolean;
  /** How many processes share what there is of this machine. */
  readonly sharers: number;
  /** Whether the log goes to a terminal that shows colours. */
  readonly colours: boolean;
}

/** What it tells in return: that it owns the shard; that it takes Clients, and where; that its loop turns. */
export type ShardNews =
  | { readonly epoch: number }
  | { readonly addresses: readonly string[] }
  | { readonly alive: true };

/** The exit status of a process whose shard is another's: before it was its own, or since. */
export const LOST = 76;

/** The variable with the order. */
export const SHARD_VARIABLE = "PLUMB_SHARD";

/** What a member has told this process; undefined if none has started it. */
export function shardOrderOf(read: Environment): ShardOrder | undefined {
  const text = read(SHARD_VARIABLE) ?? "";
  return text === "" ? undefined : JSON.parse(text) as ShardOrder;
}
