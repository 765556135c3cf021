/**
 * Counts that the threads of a run share: how much was published and how much of it has arrived.
 * Knows shared memory; refuses to know messages. Each cell has one thread that writes it.
 * @module
 */

/** Bytes before the counts: what threads wait on. */
const HEAD_BYTES = 8;
const COUNT_BYTES = Float64Array.BYTES_PER_ELEMENT;

/** Counts by publisher. */
export class Board {
  /** What other threads are given. */
  readonly buffer: SharedArrayBuffer;
  readonly publishers: number;
  readonly #turns: Int32Array<SharedArrayBuffer>;
  /** The messages that each publisher has sent. */
  readonly #sent: Float64Array<SharedArrayBuffer>;
  /** A row for each thread: what its subscribers have of each publisher. */
  readonly #rows: readonly Float64Array<SharedArrayBuffer>[];

  /** `buffer`: that of the board which the main thread has made. */
  constructor(publishers: number, threads: number, buffer?: SharedArrayBuffer) {
    this.publishers = publishers;
    this.buffer = buffer ?? new SharedArrayBuffer(HEAD_BYTES + (threads + 1) * publishers * COUNT_BYTES);
    const row = (i: number) =>
      new Float64Array(this.buffer, HEAD_BYTES + i * publishers * COUNT_BYTES, publishers);
    this.#turns = new Int32Array(this.buffer, 0, 1);
    this.#sent = row(0);
    this.#rows = Array.from({ length: threads }, (_, i) => row(i + 1));
  }

  /** The row of one thread: its copies by publisher, known losses included. */
  row(thread: number): Float64Array {
    return this.#rows[thread]!;
  }

  /** By publisher. */
  get sent(): Float64Array {
    return this.#sent;
  }

  /** Copies of a publisher's messages that have arrived anywhere, or are known to be lost. */
  arrived(publisher: number): number {
    let sum = 0;
    for (const row of this.#rows) sum += row[publisher]!;
    return sum;
  }

  /** Copies of all publishers' messages that have arrived, or are known to be lost. */
  get allArrived(): number {
    return this.#rows.reduce((sum, row) => row.reduce((part, each) => part + each, sum), 0);
  }

  /** Copies that neither have arrived nor are known to be lost, of `copies` of each message. */
  outstanding(copies: number): number {
    let sum = 0;
    for (let i = 0; i < this.publishers; i++) sum += this.#sent[i]! * copies - this.arrived(i);
    return sum;
  }

  /** Wakes the threads that wait for news. */
  tell(): void {
    Atomics.add(this.#turns, 0, 1);
    Atomics.notify(this.#turns, 0);
  }

  /** Calls `heard` at every `tell()` of any thread, or once for several, until it returns false. */
  async listen(heard: () => boolean): Promise<void> {
    do {
      const { async, value } = waitAsync(this.#turns, 0, Atomics.load(this.#turns, 0));
      if (async) await value;
    } while (heard());
  }
}

/** Not yet in TypeScript's libraries. */
const { waitAsync } = Atomics as unknown as {
  waitAsync(cells: Int32Array<SharedArrayBuffer>, index: number, value: number): {
    readonly async: boolean;
    readonly value: unknown;
  };
};
