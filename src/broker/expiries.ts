/**
 * §3.3.2.3.3 How many of the messages that only the store has expire, and when.
 * Knows counts by intervals of time; refuses to know messages.
 *
 * Memory is bounded: beyond `INTERVALS_MAX` intervals they become twice as long, and a message may keep its place until
 * the end of its interval. So it costs the same however many messages there are, and nothing is looked at twice.
 * @module
 */
import { EXPIRY_STEP_MS } from "../delivery/message.ts";

const INTERVALS_MAX = 1024;

/** Messages, and the bytes of their frames. */
export interface Amount {
  readonly count: number;
  readonly bytes: number;
}

/** Counts for one session. */
export class Expiries {
  /** By the last ms of each interval, which is a multiple of `#width`. */
  #amounts: Map<number, Amount> = new Map();
  /** `EXPIRY_STEP_MS` times a power of two. */
  #width = EXPIRY_STEP_MS;
  #first = Infinity;

  /** Nothing expires before this: ms since the epoch, Infinity if nothing does. */
  get first(): number {
    return this.#first;
  }

  /** Messages that expire then, or at another time in the same step. */
  add(expiresAt: number, count: number, bytes: number): void {
    const end = this.#endOf(expiresAt);
    const there = this.#amounts.get(end);
    this.#amounts.set(end, { count: count + (there?.count ?? 0), bytes: bytes + (there?.bytes ?? 0) });
    if (end < this.#first) this.#first = end;
    if (this.#amounts.size > INTERVALS_MAX) this.#widen();
  }

  /** A message that was added is counted no more. */
  remove(expiresAt: number, bytes: number): void {
    const end = this.#endOf(expiresAt);
    const there = this.#amounts.get(end);
    if (there === undefined) return;
    if (there.count === 1) this.#amounts.delete(end);
    else this.#amounts.set(end, { count: there.count - 1, bytes: there.bytes - bytes });
  }

  /** Takes out what has expired: all messages with an expiry up to `until`, which is before `now`. */
  take(now: number): Amount & { readonly until: number } {
    let until = 0;
    let count = 0;
    let bytes = 0;
    if (this.#first < now) {
      this.#first = Infinity;
      for (const [end, amount] of this.#amounts) {
        if (end >= now) {
          this.#first = Math.min(this.#first, end);
          continue;
        }
        until = Math.max(until, end);
        count += amount.count;
        bytes += amount.bytes;
        this.#amounts.delete(end);
      }
    }
    return { until, count, bytes };
  }

  /** What `take()` would take out. */
  due(now: number): Amount {
    let [count, bytes] = [0, 0];
    for (const [end, amount] of this.#amounts) {
      if (end >= now) continue;
      count += amount.count;
      bytes += amount.bytes;
    }
    return { count, bytes };
  }

  #endOf(expiresAt: number): number {
    return Math.ceil(expiresAt / this.#width) * this.#width;
  }

  #widen(): void {
    const amounts = this.#amounts;
    this.#width *= 2;
    this.#amounts = new Map();
    this.#first = Infinity;
    for (const [end, { count, bytes }] of amounts) this.add(end, count, bytes);
    if (this.#amounts.size > INTERVALS_MAX / 2) this.#widen();
  }
}
