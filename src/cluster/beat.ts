/**
 * A heartbeat of a member: what it has, starts and gives away.
 * Knows its form and bounds; refuses to know what follows from it.
 * @module
 */

/** Another one is not understood; fields that are not known are left out. */
const VERSION = 1;
const NAME = /^[A-Za-z0-9_-]{1,32}$/;
/** The most shards that a cluster has. */
const SHARDS_MAX = 64;
const TEXT_MAX = 64;

/** A shard that a member owns. */
export interface Owned {
  /** Its number, from 1. */
  readonly shard: number;
  /** How many claims there were of it with this one. */
  readonly epoch: number;
  /** Of the process. */
  readonly incarnation: string;
}

/** How far a file of a shard is. */
export interface Place {
  readonly shard: number;
  readonly epoch: number;
  /** Of its last batch in that epoch. */
  readonly number: number;
}

/** The last epoch of a shard that a member has heard of. */
export interface Heard {
  readonly shard: number;
  readonly epoch: number;
  /** It hears the owner. */
  readonly lives: boolean;
}

/** A shard that goes to another member as planned. */
export interface Given {
  readonly shard: number;
  readonly to: string;
}

/** What a member says. */
export interface Beat {
  readonly member: string;
  /** Another one for each of its processes. */
  readonly incarnation: string;
  /** Heartbeats so far. */
  readonly count: number;
  /** Of the program. */
  readonly program: string;
  /** How many the cluster has. */
  readonly shards: number;
  readonly owned: readonly Owned[];
  /** Shards whose process starts, and does not own them yet. */
  readonly starting: readonly number[];
  /** It has listened for long enough to know who lives, and decides; others count on it. */
  readonly hears: boolean;
  /** Shards that it could not start lately. */
  readonly failed: readonly number[];
  /** Files that it has of shards which it does not own. */
  readonly files: readonly Place[];
  /** Of all shards, the last epoch that it has heard of: all are to know the same, and nobody starts what another one hears. */
  readonly heard: readonly Heard[];
  /** Shards that it gives away, or has given. */
  readonly given: readonly Given[];
  /** It ends, and wants no shards. */
  readonly isLeaving: boolean;
}

/** Encodes a heartbeat. */
export function beatBytes(beat: Beat): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ plumb: VERSION, ...beat }));
}

/** Decodes a heartbeat; undefined for what is none, or of another version. */
export function readBeat(bytes: Uint8Array): Beat | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  if (!isObject(value) || value["plumb"] !== VERSION) return undefined;
  const { member, incarnation, count, program, shards, isLeaving } = value;
  const owned = list(
    value["owned"],
    (one) => isObject(one) && isShard(one["shard"]) && isCount(one["epoch"]) && isText(one["incarnation"]),
  );
  const starting = list(value["starting"], isShard);
  const failed = list(value["failed"], isShard);
  const files = list(
    value["files"],
    (one) => isObject(one) && isShard(one["shard"]) && isCount(one["epoch"]) && isCount(one["number"]),
  );
  const heard = list(
    value["heard"],
    (one) =>
      isObject(one) && isShard(one["shard"]) && isCount(one["epoch"]) && typeof one["lives"] === "boolean",
  );
  const given = list(value["given"], (one) => isObject(one) && isShard(one["shard"]) && isName(one["to"]));
  const isWhole = isName(member) && isText(incarnation) && isCount(count) && isText(program) &&
    isShard(shards) &&
    owned !== undefined && starting !== undefined && failed !== undefined && files !== undefined &&
    heard !== undefined && given !== undefined;
  if (!isWhole) return undefined;
  return {
    member,
    incarnation,
    count,
    program,
    shards,
    owned: owned as unknown as readonly Owned[],
    starting: starting as readonly number[],
    hears: value["hears"] === true,
    failed: failed as readonly number[],
    files: files as unknown as readonly Place[],
    heard: heard as unknown as readonly Heard[],
    given: given as unknown as readonly Given[],
    isLeaving: isLeaving === true,
  };
}

function list(value: unknown, isOne: (one: unknown) => boolean): readonly unknown[] | undefined {
  if (value === undefined) return [];
  return Array.isArray(value) && value.length <= SHARDS_MAX && value.every(isOne) ? value : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && value as number >= 0;
}

function isShard(value: unknown): value is number {
  return isCount(value) && value >= 1 && value <= SHARDS_MAX;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= TEXT_MAX;
}

/** Whether a member may be called so. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && NAME.test(value);
}
