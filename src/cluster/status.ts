/**
 * What a cluster is like, for a person: its members, and what the owners of its shards say of themselves.
 * Knows how they are asked; refuses to know how it is shown.
 * @module
 */
import type { Bus } from "./bus.ts";
import type { Clock } from "./clock.ts";
import { CLUSTER } from "./limits.ts";
import type { ShardFigures } from "./shard_disk.ts";
import { statusSubject } from "./subjects.ts";
import type { View } from "./view.ts";

/** What the owner of a shard says. */
export interface ShardStatus {
  /** How its log is. */
  readonly log: ShardFigures;
  /** Of the other shards, those that it is linked with and that have told all. */
  readonly links: readonly number[];
  /** Clients that are connected to its process. */
  readonly clients: number;
  /** Of these and of others, that its process keeps. */
  readonly sessions: number;
}

/** A shard. */
export interface ShardSeen {
  /** Its number, from 1. */
  readonly shard: number;
  /** `live`: its owner answers. `silent`: it does not. `starting`: a member starts it. `without owner`. */
  readonly state: "live" | "silent" | "starting" | "without owner";
  /** The owner, or the member that starts it. */
  readonly member?: string;
  /** In which that owns it. */
  readonly epoch?: number;
  /** What the owner says, if it answers. */
  readonly status?: ShardStatus;
}

/** A member. */
export interface MemberSeen {
  /** Its name. */
  readonly member: string;
  /** The version of its program. */
  readonly program: string;
  /** Those that it owns. */
  readonly shards: readonly number[];
  /** It ends. */
  readonly isLeaving: boolean;
}

/** A cluster. */
export interface ClusterSeen {
  /** Its name. */
  readonly cluster: string;
  /** All that are heard. */
  readonly members: readonly MemberSeen[];
  /** By number, from 1. */
  readonly shards: readonly ShardSeen[];
}

/** Asks the owners of all shards that a view knows of; told once, when all have answered or the time is over. */
export function seeCluster(
  { bus, cluster, view }: {
    readonly bus: Bus;
    readonly clock: Clock;
    readonly cluster: string;
    readonly view: View;
  },
  seen: (cluster: ClusterSeen) => void,
): void {
  const { members } = view;
  const count = Math.max(0, ...members.map(({ beat }) => beat.shards));
  const shards: ShardSeen[] = [];
  let open = count;
  const over = (one: ShardSeen): void => {
    shards[one.shard - 1] = one;
    if (--open > 0) return;
    seen({
      cluster,
      members: members.map(({ beat: { member, program, owned, isLeaving } }) => ({
        member,
        program,
        shards: owned.map(({ shard }) => shard).sort((one, other) => one - other),
        isLeaving,
      })),
      shards,
    });
  };
  if (count === 0) return seen({ cluster, members: [], shards: [] });
  for (let shard = 1; shard <= count; shard++) {
    const owner = view.owner(shard);
    if (owner === undefined) {
      const starter = members.find(({ beat }) => beat.starting.includes(shard))?.beat.member;
      over(
        starter === undefined
          ? { shard, state: "without owner" }
          : { shard, state: "starting", member: starter },
      );
      continue;
    }
    const { member, epoch } = owner;
    bus.request(statusSubject(cluster, shard, epoch), new Uint8Array(), CLUSTER.answerMs, (answer) => {
      const status = typeof answer === "string" ? undefined : statusIn(answer);
      over({
        shard,
        member,
        epoch,
        ...status === undefined ? { state: "silent" } : { state: "live", status },
      });
    });
  }
}

/** The bytes of an answer. */
export function statusBytes(status: ShardStatus): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(status));
}

function statusIn(bytes: Uint8Array): ShardStatus | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
