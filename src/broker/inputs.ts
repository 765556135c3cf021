/**
 * One input at a time: calls that come while one is being worked on, from a hook or a transport, are done behind it, in their order.
 * Why: spec/decisions/0020-owners-inside-hooks.md
 * Knows which call is next; refuses to know the effect of a call.
 * @module
 */
import { invariant } from "../codec/error.ts";
import { Queue } from "../delivery/queue.ts";
import type { Observer } from "./observer.ts";
import type { Turn } from "./turn.ts";

/**
 * So many calls are done at the end of one input; the rest waits for the next end of an input or of a turn. So an owner whose
 * hooks call for ever, each call from within the one before, does not keep the Clients from being served.
 */
export const CALLS_MAX = 1_000;

interface Call {
  readonly now: number;
  readonly run: () => void;
}

/** The inputs of one broker, the owner's calls and the end of a turn among them. */
export class Inputs {
  readonly #turn: Turn;
  readonly #observer: Observer;
  readonly #waiting: Queue<Call> = new Queue();
  #isInside = false;
  /** Calls that may still be done in this input. */
  #left = 0;

  constructor(turn: Turn, observer: Observer) {
    this.#turn = turn;
    this.#observer = observer;
  }

  /** Whether an input is being worked on: whatever calls now is called by it. */
  get isInside(): boolean {
    return this.#isInside;
  }

  /** Whether `run()` does at once what it is given. */
  get isFree(): boolean {
    return !this.#isInside && this.#waiting.length === 0;
  }

  /** Whether calls are left that the inputs they were made in have not done: there were more than `CALLS_MAX`. */
  get isBehind(): boolean {
    return this.#waiting.length > 0 && !this.#isInside;
  }

  /** An input begins; the caller has seen that none is being worked on, and calls `end()` in every case. */
  begin(now: number): void {
    this.#isInside = true;
    this.#left = CALLS_MAX;
    this.#turn.begin(now);
  }

  /** The input is over but for the calls that were made inside. */
  end(): void {
    if (this.#waiting.length > 0) this.callWaiting();
    this.#isInside = false;
  }

  /** Does one thing as an input: at once, or behind the input that is being worked on. */
  run(now: number, run: () => void): void {
    if (this.#isInside) return this.later(now, run);
    const { isFree } = this;
    if (!isFree) this.later(now, run); // calls before it are left over
    this.begin(now);
    try {
      if (isFree) run();
    } finally {
      this.end();
    }
  }

  /** Does it behind the input that is being worked on. */
  later(now: number, run: () => void): void {
    this.#waiting.push({ now, run });
  }

  /** Does the calls that wait, as many as may be done in this input; false if there are none. */
  callWaiting(): boolean {
    const before = this.#left;
    while (this.#left > 0 && this.#waiting.length > 0) {
      this.#left--;
      const { now, run } = this.#waiting.shift()!;
      try {
        this.#turn.begin(Math.max(now, this.#turn.now));
        run();
      } catch (error) {
        this.#observer.failed(error);
      }
    }
    return this.#left < before;
  }

  /** After `flush()`. */
  assertInvariants(): void {
    invariant(!this.#isInside, "every input has come to its end");
  }
}
