/**
 * Bytes on their way to one connection: gathered during a turn, written at its end, never copied twice.
 * Knows bytes and how many of them are held until a commit; refuses to know packets.
 * @module
 */
import { copyBytes } from "../codec/copy.ts";
import { EMPTY } from "../codec/publish_view.ts";

/** Takes bytes as `Transport.write` does: returns how many, the chunk is the caller's again. */
export interface ByteSink {
  write(chunk: Uint8Array): number;
}

/** Brings bytes up to date that have waited. */
export interface Renewer {
  /** `bytes[from, end)` are about to be offered. Index 0 is where something whole was appended, and stands at `position`. */
  renew(bytes: Uint8Array, from: number, end: number, position: number): void;
}

/** Buffers given back by connections with nothing to send. Buckets by power of two. */
export class BufferPool {
  #free: Uint8Array[][] = [];
  /** How often each payload that is shared is held. */
  readonly #payloads: Map<ArrayBufferLike, number> = new Map();
  #payloadBytes = 0;
  /** Bytes of the buffers that are kept. */
  keptBytes = 0;
  /** Bytes of the buffers that were made, since they were last looked at. */
  freshBytes = 0;
  /** Bytes of payloads in outboxes, as often as they stand there. */
  sharedBytes = 0;

  /** A buffer of at least `bytes` bytes; its contents are arbitrary. */
  take(bytes: number): Uint8Array {
    const bucket = bucketOf(bytes);
    const free = this.#free[bucket];
    if (free === undefined || free.length === 0) {
      this.freshBytes += SMALLEST_BYTES << bucket;
      return new Uint8Array(SMALLEST_BYTES << bucket);
    }
    this.keptBytes -= SMALLEST_BYTES << bucket;
    return free.pop()!;
  }

  /** Gives back a buffer that `take()` returned. */
  give(buffer: Uint8Array): void {
    if (buffer.length > LARGEST_BYTES) return;
    const free = (this.#free[bucketOf(buffer.length)] ??= []);
    if (free.length * buffer.length >= KEPT_BYTES_PER_BUCKET) return;
    this.keptBytes += buffer.length;
    free.push(buffer);
  }

  /** Keeps none of the buffers that are given back so far. */
  empty(): void {
    this.#free = [];
    this.keptBytes = 0;
  }

  /** The payloads that are held: bytes, each counted once. */
  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  /** A payload is held once more, by an outbox or by another part. */
  hold(payload: ArrayBufferLike): void {
    const holders = this.#payloads.get(payload) ?? 0;
    this.#payloads.set(payload, holders + 1);
    if (holders === 0) this.#payloadBytes += payload.byteLength;
  }

  /** It is held once less. */
  release(payload: ArrayBufferLike): void {
    const holders = this.#payloads.get(payload)! - 1;
    if (holders > 0) return void this.#payloads.set(payload, holders);
    this.#payloads.delete(payload);
    this.#payloadBytes -= payload.byteLength;
  }

  /** How often payloads are held, for a comparison with their holders. */
  get holders(): number {
    let all = 0;
    for (const holders of this.#payloads.values()) all += holders;
    return all;
  }
}

const SMALLEST_BYTES = 1024;
/** Larger buffers are left to the garbage collector. */
const LARGEST_BYTES = 256 * 1024;
/** Enough that a fan-out to thousands finds its small buffers again, and few enough of the large ones. */
const KEPT_BYTES_PER_BUCKET = 4 * 1024 * 1024;

function bucketOf(bytes: number): number {
  return bytes <= SMALLEST_BYTES ? 0 : 22 - Math.clz32(bytes - 1);
}

/** One connection's bytes. Positions count from its first byte ever. */
export class Outbox {
  #pool: BufferPool;
  /**
   * Whole pieces before `#tail`: filled buffers, which begin as something whole was appended, and payloads shared with other
   * connections. While there are some, `#start` is 0.
   */
  #pieces: Uint8Array[] | undefined;
  /** Bytes of the first piece that are taken. */
  #offset = 0;
  /** The pieces that are shared. */
  #shared: Set<Uint8Array> | undefined;
  #tail: Uint8Array = EMPTY;
  #start = 0;
  #end = 0;
  /** Bytes of `#pieces` that are not taken. */
  #sealed = 0;
  /** Bytes of the buffers of `#pieces` that are not shared. */
  #sealedBuffers = 0;
  /** Bytes of the pieces that are shared. */
  #sharedBytes = 0;
  #taken = 0;
  #limit = Infinity;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** Bytes not yet taken by the sink. */
  get size(): number {
    return this.#sealed + this.#end - this.#start;
  }

  /** The memory that it takes but for payloads that it shares with others: bytes. */
  get heldBytes(): number {
    const pieces = this.#pieces;
    if (pieces === undefined) return this.#tail.length;
    return this.#sealedBuffers + pieces.length * PIECE_OBJECT_BYTES + this.#tail.length;
  }

  /** Bytes of the pieces that it shares with others. */
  get sharedBytes(): number {
    return this.#sharedBytes;
  }

  /** How many there are. */
  get sharedPieces(): number {
    return this.#shared === undefined ? 0 : this.#shared.size;
  }

  /** The position behind the last byte. */
  get position(): number {
    return this.#taken + this.size;
  }

  /** Whether there are bytes that may leave now. */
  get ready(): boolean {
    return this.size > 0 && this.#limit > this.#taken;
  }

  /** Bytes from `position` on stay until the limit is set again; Infinity lifts it. */
  set limit(position: number) {
    this.#limit = position;
  }

  /** Makes room for `bytes` more: write them to `buffer` from the returned offset on, all of them. */
  room(bytes: number): number {
    if (this.#end + bytes > this.#tail.length) this.#grow(bytes);
    const at = this.#end;
    this.#end = at + bytes;
    return at;
  }

  /** Where `room()` made room; changes with each call of it. */
  get buffer(): Uint8Array {
    return this.#tail;
  }

  /** Appends a copy of `bytes[from, until)`; returns its offset in `buffer`. */
  append(bytes: Uint8Array, from: number, until: number): number {
    const at = this.room(until - from);
    copyBytes(this.#tail, at, bytes, from, until);
    return at;
  }

  /** Appends `bytes` itself, which must not change from now on: a view of its own for each call. */
  share(bytes: Uint8Array): void {
    this.#seal();
    (this.#pieces ??= []).push(bytes);
    this.#share(bytes);
    this.#sealed += bytes.length;
  }

  #share(piece: Uint8Array): void {
    (this.#shared ??= new Set()).add(piece);
    this.#sharedBytes += piece.length;
    this.#pool.sharedBytes += piece.length;
    this.#pool.hold(piece.buffer);
  }

  /** Writes the bytes that may leave; true if the sink took all of them. `renewer` sees them first, but for what is shared. */
  flush(sink: ByteSink, renewer?: Renewer): boolean {
    while (this.#pieces !== undefined) {
      const piece = this.#pieces[0]!;
      const from = this.#offset;
      const allowed = Math.min(piece.length - from, this.#limit - this.#taken);
      if (allowed <= 0) return true;
      if (renewer !== undefined && this.#shared?.has(piece) !== true) {
        renewer.renew(piece, from, piece.length, this.#taken - from);
      }
      const taken = sink.write(allowed === piece.length ? piece : piece.subarray(from, from + allowed));
      this.#taken += taken;
      this.#sealed -= taken;
      this.#offset += taken;
      if (this.#offset < piece.length) return taken === allowed;
      this.#offset = 0;
      this.#drop(this.#pieces.shift()!);
    }
    const allowed = Math.min(this.#end - this.#start, this.#limit - this.#taken);
    if (allowed > 0) {
      renewer?.renew(this.#tail, this.#start, this.#end, this.#taken - this.#start);
      const taken = sink.write(this.#tail.subarray(this.#start, this.#start + allowed));
      this.#taken += taken;
      this.#start += taken;
      if (taken < allowed) return false;
    }
    if (this.#start === this.#end) this.#release();
    return true;
  }

  /** Drops the bytes from `position` on, which the sink has not been offered. */
  truncate(position: number): void {
    let drop = Math.max(0, this.position - position);
    const tail = Math.min(drop, this.#end - this.#start);
    this.#end -= tail;
    for (drop -= tail; drop > 0;) {
      const piece = this.#pieces!.pop()!;
      const isShared = this.#shared?.has(piece) === true;
      const left = piece.length - (this.#pieces!.length === 0 ? this.#offset : 0);
      const cut = Math.min(drop, left);
      if (cut < left) {
        const rest = piece.subarray(0, piece.length - cut);
        this.#pieces!.push(rest);
        if (isShared) this.#share(rest);
        else this.#sealedBuffers += rest.buffer.byteLength;
      }
      this.#drop(piece);
      this.#sealed -= cut;
      drop -= cut;
    }
  }

  /**
   * Drops what can be dropped without cutting a packet in two: all but the first piece, and the payload that belongs to it.
   * For an outbox whose connection ends.
   */
  cut(): void {
    const pieces = this.#pieces;
    if (pieces === undefined) return;
    const isFirstWhole = this.#shared?.has(pieces[0]!) === true || this.#shared?.has(pieces[1]!) !== true;
    const kept = isFirstWhole ? pieces[0]!.length : pieces[0]!.length + pieces[1]!.length;
    this.truncate(this.#taken - this.#offset + kept);
  }

  /** A piece is gone. */
  #drop(piece: Uint8Array): void {
    if (this.#shared?.delete(piece) === true) {
      this.#sharedBytes -= piece.length;
      this.#pool.sharedBytes -= piece.length;
      this.#pool.release(piece.buffer);
    } else this.#sealedBuffers -= piece.buffer.byteLength;
    if (this.#pieces!.length > 0) return;
    this.#pieces = undefined;
    this.#shared = undefined;
    this.#offset = 0;
  }

  /** Drops everything that is not taken. */
  clear(): void {
    while (this.#pieces !== undefined) this.#drop(this.#pieces.pop()!);
    this.#sealed = 0;
    this.#release();
  }

  #release(): void {
    if (this.#tail.length > 0) this.#pool.give(this.#tail);
    this.#tail = EMPTY;
    this.#start = this.#end = 0;
  }

  #grow(bytes: number): void {
    const used = this.#end - this.#start;
    if ((used > bytes && used + bytes > PIECE_BYTES) || this.#start > 0) {
      // A long backlog grows by pieces: copying it again and again would cost its square, if more is copied than is appended. So does
      // one whose first bytes are taken: a buffer begins as something whole was appended.
      this.#seal();
      this.#tail = this.#pool.take(Math.max(bytes, Math.min(used * 2, PIECE_BYTES)));
      return;
    }
    const next = this.#pool.take(Math.max(used + bytes, Math.min(used * 2, PIECE_BYTES)));
    copyBytes(next, 0, this.#tail, 0, used);
    if (this.#tail.length > 0) this.#pool.give(this.#tail);
    this.#tail = next;
  }

  /** Turns the tail into a piece. */
  #seal(): void {
    const used = this.#end - this.#start;
    if (used > 0) {
      if (this.#pieces === undefined) this.#offset = this.#start;
      (this.#pieces ??= []).push(this.#tail.subarray(0, this.#end));
      this.#sealedBuffers += this.#tail.length;
      this.#sealed += used;
    } else if (this.#tail.length > 0) this.#pool.give(this.#tail);
    this.#tail = EMPTY;
    this.#start = this.#end = 0;
  }
}

/** Bytes of the objects of a piece, on Deno and on Bun about the same. */
const PIECE_OBJECT_BYTES = 512;
/** A tail that would grow beyond this becomes a piece: thousands that grow together take so much memory at once. */
const PIECE_BYTES = 16 * 1024;
