/**
 * The entries of a shard's log, and the parts of its checkpoints.
 * Knows these bytes; refuses to know the facts in them, and when they are written.
 * @module
 */

/** How far a shard is: batches are numbered from 1 in each epoch. */
export interface ShardPlace {
  readonly epoch: number;
  readonly number: number;
}

/** Whether the first is behind the second. */
export function isBehind(one: ShardPlace, other: ShardPlace): boolean {
  return one.epoch > other.epoch || one.epoch === other.epoch && one.number > other.number;
}

/** Somebody owns the shard from here on. */
export interface ClaimEntry {
  readonly kind: "claim";
  readonly epoch: number;
  /** Where the shard was before. */
  readonly after: ShardPlace;
  readonly member: string;
  readonly incarnation: string;
}

/** A batch of facts. */
export interface FactsEntry {
  readonly kind: "facts";
  readonly place: ShardPlace;
  /** For the file: the facts, and behind them the place. */
  readonly batch: Uint8Array;
}

/** A checkpoint is whole, and has all up to a place; nothing before that is needed any more. */
export interface CheckpointEntry {
  readonly kind: "checkpoint";
  readonly place: ShardPlace;
  readonly id: string;
}

/** An entry of a shard's log. */
export type ShardEntry = ClaimEntry | FactsEntry | CheckpointEntry;

const Kind = { FACTS: 1, CLAIM: 2, CHECKPOINT: 3, PART: 4 } as const;
/** u8 kind, f64 epoch, f64 number. */
const FACTS_HEAD = 17;
const ID_CHARS = 64;

/** The bytes of a batch in the log. */
export function factsEntry({ epoch, number }: ShardPlace, batch: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FACTS_HEAD + batch.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = Kind.FACTS;
  view.setFloat64(1, epoch);
  view.setFloat64(9, number);
  bytes.set(batch, FACTS_HEAD);
  return bytes;
}

/** The bytes of a claim. */
export function claimEntry(entry: Omit<ClaimEntry, "kind">): Uint8Array {
  return withJson(Kind.CLAIM, entry);
}

/** The bytes that confirm a checkpoint. */
export function checkpointEntry(entry: Omit<CheckpointEntry, "kind">): Uint8Array {
  return withJson(Kind.CHECKPOINT, entry);
}

/** Reads an entry; undefined if it is none of this version. */
export function readEntry(bytes: Uint8Array): ShardEntry | undefined {
  if (bytes[0] === Kind.FACTS && bytes.length >= FACTS_HEAD) {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const place = { epoch: view.getFloat64(1), number: view.getFloat64(9) };
    return { kind: "facts", place, batch: bytes.subarray(FACTS_HEAD) };
  }
  if (bytes[0] !== Kind.CLAIM && bytes[0] !== Kind.CHECKPOINT) return undefined;
  const value = jsonIn(bytes);
  if (value === undefined) return undefined;
  if (bytes[0] === Kind.CHECKPOINT) {
    const { place, id } = value;
    return isPlace(place) && typeof id === "string" ? { kind: "checkpoint", place, id } : undefined;
  }
  const { epoch, after, member, incarnation } = value;
  const isClaim = typeof epoch === "number" && isPlace(after) && typeof member === "string" &&
    typeof incarnation === "string";
  return isClaim ? { kind: "claim", epoch, after, member, incarnation } : undefined;
}

/** A part of a checkpoint. */
export interface CheckpointPart {
  readonly id: string;
  /** From 0. */
  readonly part: number;
  readonly isLast: boolean;
  readonly bytes: Uint8Array;
}

/** The bytes of a part: kind, flags, part, characters of the name, the name, the bytes. */
export function checkpointPart({ id, part, isLast, bytes }: CheckpointPart): Uint8Array {
  const name = new TextEncoder().encode(id);
  const head = 7 + name.length;
  const all = new Uint8Array(head + bytes.length);
  all[0] = Kind.PART;
  all[1] = isLast ? 1 : 0;
  new DataView(all.buffer).setUint32(2, part);
  all[6] = name.length;
  all.set(name, 7);
  all.set(bytes, head);
  return all;
}

/** Reads a part; undefined if it is none. */
export function readPartOfCheckpoint(bytes: Uint8Array): CheckpointPart | undefined {
  const length = bytes[6] ?? 0;
  if (bytes[0] !== Kind.PART || length > ID_CHARS || bytes.length < 7 + length) return undefined;
  return {
    id: new TextDecoder().decode(bytes.subarray(7, 7 + length)),
    part: new DataView(bytes.buffer, bytes.byteOffset).getUint32(2),
    isLast: bytes[1] === 1,
    bytes: bytes.subarray(7 + length),
  };
}

function withJson(kind: number, value: object): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(value));
  const bytes = new Uint8Array(1 + text.length);
  bytes[0] = kind;
  bytes.set(text, 1);
  return bytes;
}

function jsonIn(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(1)));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function isPlace(value: unknown): value is ShardPlace {
  if (typeof value !== "object" || value === null) return false;
  const { epoch, number } = value as Record<string, unknown>;
  return typeof epoch === "number" && typeof number === "number";
}
