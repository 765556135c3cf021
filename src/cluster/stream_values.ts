/**
 * The last value of each key, on a stream that keeps one message for each.
 * Knows how key and value lie in a message; refuses to know what they mean.
 * @module
 */
import type { Cancel, Clock } from "./clock.ts";
import { CLUSTER } from "./limits.ts";
import type { LastValues, Put, ValueWatcher } from "./log.ts";
import { Retry } from "./retry.ts";
import type { Stream, StreamPage } from "./stream.ts";

/** u8 version, u16 length of the key. */
const HEAD_BYTES = 3;
const VERSION = 1;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** See `LastValues`. */
export class StreamValues implements LastValues {
  readonly bytesMax: number;
  readonly #stream: Stream;
  readonly #clock: Clock;

  /** The stream keeps the last message of each key, and has no others. */
  constructor(stream: Stream, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
    this.bytesMax = stream.bytesMax - HEAD_BYTES;
  }

  put(key: string, value: Uint8Array, answered: (outcome: Put) => void): void {
    const name = encoder.encode(key);
    if (name.length > CLUSTER.keyBytes || name.length + value.length > this.bytesMax) {
      throw new RangeError(`A key and its value have at most ${this.bytesMax} bytes`);
    }
    const message = new Uint8Array(HEAD_BYTES + name.length + value.length);
    message[0] = VERSION;
    new DataView(message.buffer).setUint16(1, name.length);
    message.set(name, HEAD_BYTES);
    message.set(value, HEAD_BYTES + name.length);
    const retry = new Retry(this.#clock);
    let kind: "unsure" | "failed" = "failed";
    const go = (): void =>
      this.#stream.add(message, key, undefined, (answer) => {
        if (typeof answer === "number") return answered({ kind: "put", position: answer });
        if (answer.why !== "absent") kind = "unsure";
        if (!retry.later(go)) answered({ kind, reason: answer.reason });
      });
    go();
  }

  watch(after: number, watcher: ValueWatcher): Cancel {
    const watch = new Watch(this.#stream, this.#clock, after, watcher);
    watch.go();
    return () => watch.end();
  }
}

/** One watch. The next page is asked for when this one has been told. */
class Watch {
  readonly #stream: Stream;
  readonly #clock: Clock;
  readonly #watcher: ValueWatcher;
  #at: number;
  /** Where the stream ended when the watch began, until it is told. */
  #end: number | undefined;
  #isCaughtUp = false;
  #isOver = false;
  #retry: Retry;

  constructor(stream: Stream, clock: Clock, after: number, watcher: ValueWatcher) {
    this.#stream = stream;
    this.#clock = clock;
    this.#watcher = watcher;
    this.#at = after;
    this.#retry = new Retry(clock, Infinity);
  }

  end(): void {
    this.#isOver = true;
  }

  go(): void {
    if (this.#isOver) return;
    this.#stream.read(this.#at + 1, this.#isCaughtUp ? CLUSTER.waitMs : 0, (page) => {
      if (this.#isOver) return;
      if (typeof page !== "string" && this.#told(page)) {
        this.#retry = new Retry(this.#clock, Infinity);
        this.go();
      } else this.#retry.later(() => this.go());
    });
  }

  /** Tells a page; false if it shows less than there is. */
  #told({ messages, last }: StreamPage): boolean {
    this.#end ??= last;
    for (const { sequence, bytes } of messages) {
      this.#at = sequence;
      if (bytes.length < HEAD_BYTES || bytes[0] !== VERSION) continue; // none of ours
      const end = HEAD_BYTES + new DataView(bytes.buffer, bytes.byteOffset).getUint16(1);
      this.#watcher.value(decoder.decode(bytes.subarray(HEAD_BYTES, end)), bytes.subarray(end), sequence);
      if (this.#isOver) return false;
    }
    if (!this.#isCaughtUp && this.#at >= this.#end) {
      this.#isCaughtUp = true;
      this.#watcher.caughtUp();
      return !this.#isOver;
    }
    return messages.length > 0 || last <= this.#at;
  }
}
