/**
 * §2.1.4 Chunks of the Server's bytes in, whole frames out.
 * Knows fixed headers and our Maximum Packet Size; refuses to know what stands inside a frame. `codec/deframer.ts` is the same for a Server,
 * which has two limits, may put off a frame, and looks into one that is too large.
 * @module
 */
import { malformed, PeerError } from "../codec/error.ts";
import { EMPTY } from "../codec/publish_view.ts";

/** Takes the frames of one stream, in order. */
export interface FrameHandler {
  /** One whole frame: first byte at `at`, variable header from `body`, the end before `end`. `bytes` is the callee's only during the call. */
  frame(bytes: Uint8Array, at: number, body: number, end: number): void;
  /**
   * A frame that begins with this byte is not complete, or wrong.
   * @throws {PeerError} if no packet may begin so: the bytes that are missing are not waited for.
   */
  begun(first: number): void;
}

/** Cuts one stream into frames. Bytes of a frame that lies whole in its chunk are never copied. */
export class Deframer {
  readonly #most: number;
  readonly #handler: FrameHandler;
  /** Bytes of an incomplete frame, and after a stop of frames not yet handed on. */
  #held: Uint8Array = EMPTY;
  #length = 0;
  /** Bytes without which the first frame that is held goes no further. */
  #missing = 1;
  #isStopped = false;
  #isDiscarded = false;
  /** Frames of `#held` are being handed on. */
  #isBusy = false;

  /** `maximumPacketSize`: bytes, fixed header included; Infinity takes every packet. */
  constructor(maximumPacketSize: number, handler: FrameHandler) {
    this.#most = maximumPacketSize;
    this.#handler = handler;
  }

  /**
   * Hands every frame that `chunk` completes to the handler.
   * @throws {PeerError} for a Remaining Length that is malformed (§1.5.5) or above the Maximum Packet Size (0x95).
   */
  receive(chunk: Uint8Array): void {
    let from = 0;
    while (this.#length > 0 && !this.#isStopped && from < chunk.length) {
      const to = Math.min(chunk.length, from + this.#missing);
      this.#hold(chunk, from, to);
      from = to;
      this.#scanHeld();
    }
    this.#hold(chunk, this.#scan(chunk, from, chunk.length), chunk.length);
  }

  /** Hands no frame on after the present one: what arrives is kept until `resume()`. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Goes on after `stop()`. */
  resume(): void {
    if (this.#isDiscarded) return;
    this.#isStopped = false;
    if (!this.#isBusy) this.#scanHeld();
  }

  /** Forgets everything, for good: what arrives from now on is thrown away. */
  discard(): void {
    this.#isDiscarded = this.#isStopped = true;
    this.#held = EMPTY;
    this.#length = 0;
  }

  #scanHeld(): void {
    const held = this.#held;
    const length = this.#length;
    this.#isBusy = true;
    const at = this.#scan(held, 0, length);
    this.#isBusy = false;
    if (at === 0 || this.#isDiscarded) return;
    this.#held = EMPTY;
    this.#length = 0;
    this.#hold(held, at, length);
  }

  /** Returns where the first frame begins that was not handed on. */
  #scan(bytes: Uint8Array, at: number, until: number): number {
    while (!this.#isStopped && at < until) {
      let body = at + 1;
      let length = 0;
      for (let unit = 1;; unit *= 128) {
        if (unit > 128 ** 3) throw this.#fault(bytes[at]!, malformed("1.5.5/fifth-byte"));
        const byte = bytes[body]!; // behind `until` it is not looked at
        if (body++ >= until) {
          length = Infinity;
          break;
        }
        length += (byte & 127) * unit;
        if (byte > 127) continue;
        if (byte === 0 && unit > 1) throw this.#fault(bytes[at]!, malformed("MQTT-1.5.5-1"));
        break;
      }
      const end = body + length;
      if (end - at > this.#most && length < Infinity) {
        throw this.#fault(bytes[at]!, new PeerError("refused", 0x95, "2.1.4/too-large"));
      }
      if (end > until) {
        this.#missing = length === Infinity ? 1 : end - until;
        this.#handler.begun(bytes[at]!);
        break;
      }
      this.#handler.frame(bytes, at, body, end);
      at = end;
    }
    return at;
  }

  /** What is wrong: with the first byte, or else with the length. */
  #fault(first: number, error: PeerError): PeerError {
    this.#handler.begun(first);
    return error;
  }

  #hold(bytes: Uint8Array, from: number, until: number): void {
    const needed = this.#length + until - from;
    if (from === until || this.#isDiscarded) return;
    if (this.#held.length < needed) {
      const grown = new Uint8Array(Math.max(needed, this.#length * 2));
      grown.set(this.#held.subarray(0, this.#length));
      this.#held = grown;
    }
    this.#held.set(bytes.subarray(from, until), this.#length);
    this.#length = needed;
  }
}
