/**
 * §2.1.4 Chunks of a byte stream in, whole frames out.
 * Knows fixed headers and the Maximum Packet Size; refuses to know what stands inside a frame.
 * @module
 */
import { malformed, PeerError } from "./error.ts";
import { PacketType } from "./packet_type.ts";

/** Takes the frames of one stream, in order. */
export interface FrameHandler {
  /**
   * One whole frame: first byte at `at`, variable header from `body`, the end before `end`. `bytes` is the callee's only
   * during the call. False: it cannot be taken yet; it is kept with all that follows, and `resume()` offers it again.
   */
  frame(bytes: Uint8Array, at: number, body: number, end: number): boolean;
  /**
   * The present frame is incomplete: its bytes from `at` to `until` are here, its variable header begins at `body`, which is 0 while
   * that is unknown. Called with each chunk that does not complete it.
   * @throws {PeerError} if no packet may begin so: the bytes that are missing are not waited for.
   */
  begun?(bytes: Uint8Array, at: number, body: number, until: number): void;
  /**
   * The present frame is to be refused for its size; the rest as for `begun()`. True: only when more has come; it is asked
   * again then, and must have seen enough within `SHOWN_BYTES`.
   */
  tooLarge?(bytes: Uint8Array, at: number, body: number, until: number): boolean;
}

/** Bytes of a frame that is too large, behind its fixed header, that a handler may ask for. */
const SHOWN_BYTES = 16;
/** First allocation for a frame that came in parts; it doubles as bytes really arrive, whatever the header promises. */
const FIRST_BYTES = 256;

/** Cuts one stream into frames. Bytes of a frame that lies whole in its chunk are never copied. */
export class Deframer {
  /** §3.1.2.11.4 bytes of the largest PUBLISH taken, fixed header included. */
  #publishMost: number;
  /** The same for packets of all other types. */
  #otherMost: number;
  /** The smaller one. */
  #most: number;
  #held: Uint8Array | undefined;
  #heldLength = 0;
  #stopped = false;
  #discarded = false;

  /** `maximumPacketSize`: bytes, fixed header included; Infinity takes every packet. */
  constructor(maximumPacketSize: number) {
    this.#publishMost = this.#otherMost = this.#most = maximumPacketSize;
  }

  /** From now on these are the largest frames taken: of a PUBLISH, and of any other packet. */
  limit(publishMost: number, otherMost: number): void {
    this.#publishMost = publishMost;
    this.#otherMost = otherMost;
    this.#most = Math.min(publishMost, otherMost);
  }

  /** Bytes of the largest frame taken that begins with this byte. */
  #mostOf(first: number): number {
    return first >> 4 === PacketType.PUBLISH ? this.#publishMost : this.#otherMost;
  }

  /** Bytes kept: of an incomplete frame, and after a stop of frames not yet handed on. */
  get held(): number {
    return this.#heldLength;
  }

  /**
   * Hands every frame that `chunk` completes to `handler`.
   * @throws {PeerError} for a Remaining Length that is malformed (§1.5.5) or above the Maximum Packet Size (0x95).
   */
  receive(chunk: Uint8Array, handler: FrameHandler): void {
    if (this.#discarded) return;
    if (this.#stopped) {
      this.#hold(chunk, 0, chunk.length);
      return;
    }
    const from = this.#heldLength === 0 ? 0 : this.#complete(chunk, handler);
    if (from < chunk.length) this.#scan(chunk, from, chunk.length, handler);
  }

  /** Hands no frame on after the present one: what arrives is kept until `resume()`. */
  stop(): void {
    this.#stopped = true;
  }

  /** Goes on after `stop()`, or after `frame()` returned false. */
  resume(handler: FrameHandler): void {
    this.#stopped = false;
    const held = this.#held;
    const length = this.#heldLength;
    if (held === undefined || length === 0 || this.#discarded) return;
    this.#release();
    this.#scan(held, 0, length, handler);
  }

  /** What is kept, which is then this deframer's no more: it has ended. */
  take(): Uint8Array {
    const held = this.#held?.subarray(0, this.#heldLength) ?? new Uint8Array(0);
    this.discard();
    return held;
  }

  /** Forgets everything, for good: what arrives from now on is thrown away. */
  discard(): void {
    this.#release();
    this.#discarded = true;
    this.#stopped = true;
  }

  #scan(bytes: Uint8Array, from: number, until: number, handler: FrameHandler): void {
    let at = from;
    let begun = 0;
    while (until - at >= 2) {
      let body = at + 2;
      let length = bytes[at + 1]!;
      if (length > 127) {
        const size = this.#headerSize(bytes, at, until, handler);
        if (size === 0) break;
        body = at + size;
        length = remainingLength(bytes, at, size);
      }
      const end = body + length;
      if (end - at > this.#most && end - at > this.#mostOf(bytes[at]!)) {
        this.#refuse(bytes, at, body, until, handler, end - at);
        begun = body;
        break;
      }
      if (end > until) {
        begun = body;
        break;
      }
      if (!handler.frame(bytes, at, body, end)) {
        this.#stopped = true;
        break;
      }
      at = end;
      if (this.#stopped) break;
    }
    if (at >= until) return;
    if (!this.#stopped) handler.begun?.(bytes, at, begun, until);
    this.#hold(bytes, at, until);
  }

  /** Fills up the one incomplete frame that is held; returns how much of `chunk` that took. */
  #complete(chunk: Uint8Array, handler: FrameHandler): number {
    let used = 0;
    let size = 0;
    for (;;) {
      const held = this.#held!;
      if (this.#heldLength >= 2) size = this.#headerSize(held, 0, this.#heldLength, handler);
      if (size > 0) break;
      if (used === chunk.length) {
        handler.begun?.(held, 0, 0, this.#heldLength);
        return used;
      }
      this.#hold(chunk, used, used + 1);
      used++;
    }
    const total = size + remainingLength(this.#held!, 0, size);
    if (total > this.#mostOf(this.#held![0]!)) {
      const shown = Math.min(chunk.length, used + SHOWN_BYTES);
      this.#hold(chunk, used, shown);
      this.#refuse(this.#held!, 0, size, this.#heldLength, handler, total);
      return chunk.length;
    }
    const missing = Math.min(total - this.#heldLength, chunk.length - used);
    this.#hold(chunk, used, used + missing);
    used += missing;
    if (this.#heldLength < total) {
      handler.begun?.(this.#held!, 0, size, this.#heldLength);
      return used;
    }
    const frame = this.#held!;
    this.#release();
    if (!handler.frame(frame, 0, size, total)) {
      this.#stopped = true;
      this.#hold(frame, 0, total);
    }
    if (!this.#stopped) return used;
    this.#hold(chunk, used, chunk.length);
    return chunk.length;
  }

  /** Bytes of the fixed header at `at`, 0 if its end has not arrived. */
  #headerSize(bytes: Uint8Array, at: number, until: number, handler: FrameHandler): number {
    for (let size = 2; size <= 5; size++) {
      if (at + size > until) return 0;
      if (bytes[at + size - 1]! < 128) {
        if (size > 2 && bytes[at + size - 1] === 0) {
          handler.begun?.(bytes, at, 0, until);
          throw malformed("MQTT-1.5.5-1");
        }
        return size;
      }
    }
    handler.begun?.(bytes, at, 0, until);
    throw malformed("1.5.5/fifth-byte");
  }

  /**
   * The frame at `at` has `size` bytes or more, which is too many; returns if the handler waits for more of it.
   * @throws {PeerError} for its size, or for its first bytes if they are wrong already.
   */
  #refuse(
    bytes: Uint8Array,
    at: number,
    body: number,
    until: number,
    handler: FrameHandler,
    size: number,
  ): void {
    handler.begun?.(bytes, at, body, until);
    if (handler.tooLarge?.(bytes, at, body, until) === true) return;
    const message = `Packet of ${size} bytes or more, at most ${this.#mostOf(bytes[at]!)} are taken`;
    throw new PeerError("refused", 0x95, "2.1.4/too-large", message);
  }

  #hold(bytes: Uint8Array, from: number, until: number): void {
    const needed = this.#heldLength + until - from;
    if (needed === this.#heldLength || this.#discarded) return;
    if (this.#held === undefined || this.#held.length < needed) {
      const grown = new Uint8Array(Math.max(needed, FIRST_BYTES, (this.#held?.length ?? 0) * 2));
      if (this.#held !== undefined) grown.set(this.#held.subarray(0, this.#heldLength));
      this.#held = grown;
    }
    this.#held.set(bytes.subarray(from, until), this.#heldLength);
    this.#heldLength = needed;
  }

  #release(): void {
    this.#held = undefined;
    this.#heldLength = 0;
  }
}

function remainingLength(bytes: Uint8Array, at: number, size: number): number {
  let length = 0;
  for (let i = size - 1; i >= 1; i--) length = length * 128 + (bytes[at + i]! & 127);
  return length;
}
