/**
 * Virtual time: what is due, in order. What is due at the same time comes in the order in which it was asked for.
 * Knows when; refuses to know what.
 * @module
 */
import type { Loop } from "../../runtime/loop.ts";
import type { Cancel } from "../clock.ts";

interface Due {
  readonly at: number;
  readonly serial: number;
  run: (() => void) | undefined;
}

/** A loop whose time goes on when it is told to. */
export class Schedule implements Loop {
  #now: number;
  #serial = 0;
  readonly #heap: Due[] = [];

  /** `now`: ms since the epoch. */
  constructor(now: number = 1_700_000_000_000) {
    this.#now = now;
  }

  /** How many wait; those that were cancelled may be among them. */
  get size(): number {
    return this.#heap.length;
  }

  now(): number {
    return this.#now;
  }

  at(ms: number, run: () => void): Cancel {
    const due: Due = { at: Math.max(ms, this.#now), serial: this.#serial++, run };
    this.#heap.push(due);
    this.#up(this.#heap.length - 1);
    return () => due.run = undefined;
  }

  endOfTurn(run: () => void): void {
    this.at(this.#now, run);
  }

  afterInput(run: () => void): void {
    this.at(this.#now, run);
  }

  afterLook(_sockets: number, run: () => void): void {
    this.at(this.#now, run);
  }

  /** Lets time go on to the first thing that is due by `until`, and does it; false if nothing is. */
  step(until: number = Infinity): boolean {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.at > until) return false;
      this.#pop();
      if (first.run === undefined) continue;
      this.#now = first.at;
      first.run();
      return true;
    }
  }

  /** Does all that is due in the next `ms`, and lets them pass. */
  pass(ms: number): void {
    const until = this.#now + ms;
    while (this.step(until));
    this.#now = until;
  }

  #isBefore(one: number, other: number): boolean {
    const [a, b] = [this.#heap[one]!, this.#heap[other]!];
    return a.at < b.at || a.at === b.at && a.serial < b.serial;
  }

  #swap(one: number, other: number): void {
    const due = this.#heap[one]!;
    this.#heap[one] = this.#heap[other]!;
    this.#heap[other] = due;
  }

  #up(index: number): void {
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#isBefore(index, parent)) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  #pop(): void {
    const last = this.#heap.pop()!;
    if (this.#heap.length === 0) return;
    this.#heap[0] = last;
    for (let index = 0;;) {
      let child = 2 * index + 1;
      if (child >= this.#heap.length) return;
      if (child + 1 < this.#heap.length && this.#isBefore(child + 1, child)) child++;
      if (!this.#isBefore(child, index)) return;
      this.#swap(index, child);
      index = child;
    }
  }
}
