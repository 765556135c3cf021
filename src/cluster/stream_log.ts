/**
 * A log on a stream that has nothing else in it.
 * Knows positions, which are numbers of last parts; refuses to know what a batch says.
 * @module
 */
import { Append } from "./append.ts";
import type { Clock } from "./clock.ts";
import { CLUSTER } from "./limits.ts";
import type { Appended, Entry, Log, LogPage, Reading, ReadTrouble } from "./log.ts";
import { cutBatch, Joiner, WRITER_BYTES } from "./part.ts";
import { Retry } from "./retry.ts";
import type { Stream, StreamPage } from "./stream.ts";

/** A number that no stream reaches: reading from there tells nothing but the bounds. */
const BEYOND = Number.MAX_SAFE_INTEGER;

/** See `Log`. */
export class StreamLog implements Log {
  readonly #stream: Stream;
  readonly #writer: Uint8Array;
  readonly #clock: Clock;
  #number = 0;
  #isAppending = false;

  /** `writer`: 8 bytes that no other life of a writer has. */
  constructor(stream: Stream, writer: Uint8Array, clock: Clock) {
    if (writer.length !== WRITER_BYTES) throw new RangeError(`A writer is named by ${WRITER_BYTES} bytes`);
    this.#stream = stream;
    this.#writer = writer.slice();
    this.#clock = clock;
  }

  append(
    batch: Uint8Array,
    expectedLast: number,
    answered: (outcome: Appended) => void,
    again?: number,
  ): void {
    if (this.#isAppending) throw new Error("A log has one append at a time");
    if (batch.length > CLUSTER.batchBytes) {
      throw new RangeError(`A batch has at most ${CLUSTER.batchBytes} bytes, not ${batch.length}`);
    }
    const number = again ?? ++this.#number;
    const parts = cutBatch(this.#writer, number, batch, this.#stream.bytesMax);
    this.#isAppending = true;
    const isAgain = again !== undefined;
    new Append(
      this.#stream,
      this.#clock,
      { writer: this.#writer, number, parts, expectedLast, isAgain },
      (outcome) => {
        this.#isAppending = false;
        answered(outcome);
      },
    );
  }

  read(after: number): Reading {
    return new LogReading(this.#stream, this.#clock, after);
  }

  last(answered: (last: number | ReadTrouble) => void): void {
    readPage(
      this.#stream,
      this.#clock,
      BEYOND,
      (page) => answered("trouble" in page ? page : page.last),
    );
  }

  purge(through: number, answered: (trouble?: ReadTrouble) => void): void {
    const retry = new Retry(this.#clock);
    const go = (): void =>
      this.#stream.purge(through, (reason) => {
        if (reason === undefined) answered();
        else if (!retry.later(go)) answered({ trouble: "failed", reason });
      });
    go();
  }
}

/** See `Reading`. */
class LogReading implements Reading {
  readonly #stream: Stream;
  readonly #clock: Clock;
  readonly #joiner = new Joiner();
  /** Messages up to here have been read. */
  #at: number;
  /** The bounds of the first page: what comes later is not of this pass. */
  #end: number | undefined;

  constructor(stream: Stream, clock: Clock, after: number) {
    this.#stream = stream;
    this.#clock = clock;
    this.#at = after;
  }

  next(answered: (page: LogPage | ReadTrouble) => void): void {
    const retry = new Retry(this.#clock);
    const go = (): void =>
      readPage(this.#stream, this.#clock, this.#at + 1, (page) => {
        if ("trouble" in page) return answered(page);
        if (this.#at > 0 && page.first > this.#at + 1) {
          const reason = `entries up to ${page.first - 1} are purged, and those up to ${this.#at} are known`;
          return answered({ trouble: "purged", reason });
        }
        this.#end ??= page.last;
        const isEnd = page.messages.length === 0 && page.last < Math.max(page.first, this.#at + 1);
        if (page.messages.length === 0 && !isEnd) { // it is not seen yet where this was read
          if (!retry.later(go)) {
            answered({ trouble: "failed", reason: `no server shows what follows ${this.#at}` });
          }
          return;
        }
        answered(this.#taken(page, isEnd));
      });
    go();
  }

  #taken(page: StreamPage, isEmpty: boolean): LogPage {
    const entries: Entry[] = [];
    for (const { sequence, bytes } of page.messages) {
      const batch = this.#joiner.add(bytes);
      if (batch !== undefined) entries.push({ position: sequence, batch });
      this.#at = sequence;
    }
    if (isEmpty) this.#at = Math.max(this.#at, page.last);
    return { entries, isEnd: this.#at >= this.#end!, last: this.#at };
  }
}

/** Reads a page, and tries again for a while. */
function readPage(
  stream: Stream,
  clock: Clock,
  from: number,
  answered: (page: StreamPage | ReadTrouble) => void,
): void {
  const retry = new Retry(clock);
  const go = (): void =>
    stream.read(from, 0, (page) => {
      if (typeof page !== "string") answered(page);
      else if (!retry.later(go)) answered({ trouble: "failed", reason: page });
    });
  go();
}
