/**
 * When messages are due at a rate: evenly, one publisher after the other.
 * Knows times; refuses to know publishers.
 * @module
 */

/** The timetable of the publishers of one thread; the rate is of all publishers of all threads together. */
export class Pace {
  readonly #startUs: number;
  readonly #perMessageUs: number;
  readonly #all: number;
  /** Indices among all publishers, ascending. */
  readonly #own: readonly number[];
  #next = 0;

  /** `rate`: messages per second of all `all` publishers together. */
  constructor(startUs: number, rate: number, all: number, own: readonly number[]) {
    this.#startUs = startUs;
    this.#perMessageUs = 1e6 / rate;
    this.#all = all;
    this.#own = own;
  }

  /** When a publisher's message of this number, from 1, is due. */
  dueUs(publisher: number, number: number): number {
    return this.#startUs + ((number - 1) * this.#all + publisher) * this.#perMessageUs;
  }

  /** When the next message of these publishers is due; Infinity if there are none. */
  get nextUs(): number {
    const { length } = this.#own;
    if (length === 0) return Infinity;
    return this.dueUs(this.#own[this.#next % length]!, 1 + Math.floor(this.#next / length));
  }

  /** Tells of each message that has fallen due until `us` and has not been told of, in order; gives how many. */
  due(us: number, tell: (publisher: number) => void): number {
    let told = 0;
    for (; this.nextUs <= us; told++) tell(this.#own[this.#next++ % this.#own.length]!);
    return told;
  }
}
