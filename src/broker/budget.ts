/**
 * The work of a turn, counted in steps, and the inputs that wait for a later turn because their connection has used up its share.
 * Knows steps and their limits; refuses to know the kind of work. Why, and what it bounds: spec/decisions/0021-work-is-counted.md
 *
 * A step is about 50 ns of work: a node of a tree that is looked at, a message written to one receiver, some bytes copied.
 * A connection whose input takes more than `INPUT_STEPS` is read no further; what it has beyond that is a debt. At the end of each
 * turn the connections that wait go on in the order in which they came, as long as the turn has taken fewer than `TURN_STEPS`;
 * in each round a debt goes down by `INPUT_STEPS`. So work that nobody else waits for goes on at once.
 * @module
 */
import { Queue } from "../delivery/queue.ts";

/** Steps for one input, or for one connection in a round. */
export const INPUT_STEPS = 32_768;
/** Steps of a turn after which nothing that can wait is begun. */
export const TURN_STEPS = 262_144;
/** Steps of the largest piece of work that is not divided, where its size can be chosen. */
export const PIECE_STEPS = 524_288;

/** The costs of what is counted, in steps. */
export const COST = {
  /** Any packet. */
  packet: 2,
  /** A CONNECT, with its session. */
  connect: 100,
  /** A filter of SUBSCRIBE or UNSUBSCRIBE. */
  filter: 100,
  /** One message to one group: a member is chosen. */
  group: 12,
  /** One message that goes alone to one receiver. */
  alone: 6,
  /** A fact for the store. */
  fact: 8,
} as const;

/** Bytes that count for one step. */
const BYTES_PER_STEP = 256;

/** @internal Work that can be put off. */
export interface Postponed {
  /** Steps beyond its share. For `Budget` alone. */
  debt: number;
  /** It is in the queue. For `Budget` alone. */
  isPostponed: boolean;
  /** Goes on; may be put off again. */
  goOn(): void;
}

/** The steps of one broker's turns. */
export class Budget {
  /** Of this turn. */
  #steps = 0;
  /** The value of `#steps` at which the present input has to end. */
  #until = INPUT_STEPS;
  readonly #waiting: Queue<Postponed> = new Queue();

  /** Counts work that is done. */
  spend(steps: number): void {
    this.#steps += steps;
  }

  /** Counts bytes that are read or copied. */
  spendBytes(bytes: number): void {
    this.#steps += Math.ceil(bytes / BYTES_PER_STEP);
  }

  /** An input begins; false if the turn has done so much that the input has to wait. */
  begin(): boolean {
    this.#until = this.#steps + INPUT_STEPS;
    return this.#steps < TURN_STEPS;
  }

  /** Whether the present input has used up its share: it ends behind the present frame. */
  get isSpent(): boolean {
    return this.#steps >= this.#until;
  }

  /** The present input ends behind the present frame. */
  exhaust(): void {
    this.#until = Math.min(this.#until, this.#steps);
  }

  /** Whether the turn has done so much that whatever can wait has to. */
  get isTurnSpent(): boolean {
    return this.#steps >= TURN_STEPS;
  }

  /** Has `work` go on when it is its turn. */
  postpone(work: Postponed): void {
    if (work.isPostponed) return;
    work.isPostponed = true;
    work.debt = Math.max(0, this.#steps - this.#until);
    this.#waiting.push(work);
  }

  /** How much waits. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Goes on with what waits, as long as the turn may take more steps. */
  goOn(): void {
    while (this.#steps < TURN_STEPS) {
      const work = this.#waiting.shift();
      if (work === undefined) return;
      if (work.debt > INPUT_STEPS) {
        work.debt -= INPUT_STEPS;
        this.#waiting.push(work);
        continue;
      }
      work.isPostponed = false;
      this.#until = this.#steps + INPUT_STEPS - work.debt;
      work.goOn();
    }
  }

  /** The turn is over. */
  endTurn(): void {
    this.#steps = 0;
    this.#until = INPUT_STEPS;
  }
}
