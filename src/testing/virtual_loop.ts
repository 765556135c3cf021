/**
 * A loop whose time passes only when a test says so.
 * Knows what waits to be run, and since when; refuses to know what it does.
 * @module
 */
import type { Cancel, Loop } from "../runtime/loop.ts";

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** Runs nothing by itself. */
export class VirtualLoop implements Loop {
  /** ms since the epoch; a test may set it later. */
  time = 1_700_000_000_000;
  #turns: (() => void)[] = [];
  #later: (() => void)[] = [];
  #looks: (() => void)[] = [];
  readonly #timers: Set<Timer> = new Set();

  now(): number {
    return this.time;
  }

  endOfTurn(run: () => void): void {
    this.#turns.push(run);
  }

  afterInput(run: () => void): void {
    this.#later.push(run);
  }

  afterLook(_sockets: number, run: () => void): void {
    this.#looks.push(run);
  }

  at(ms: number, run: () => void): Cancel {
    const timer = { at: ms, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Ends of turns, work that comes after all input, and timers that wait to be run. */
  get waiting(): { readonly turns: number; readonly later: number; readonly timers: number } {
    return { turns: this.#turns.length, later: this.#later.length, timers: this.#timers.size };
  }

  /** Runs what waits for the end of the turn; false if nothing does. */
  endTurn(): boolean {
    return runAll(this.#turns.splice(0));
  }

  /** Runs what comes after all input; false if nothing does. */
  goOn(): boolean {
    return runAll(this.#later.splice(0));
  }

  /** Runs what waits until every socket has been looked at; false if nothing does. */
  look(): boolean {
    return runAll(this.#looks.splice(0));
  }

  /** Lets time go on to the first timer that is due by `until`, and runs it; false if none is. */
  tick(until: number): boolean {
    let first: Timer | undefined;
    for (const timer of this.#timers) if (timer.at < (first?.at ?? Infinity)) first = timer;
    if (first === undefined || first.at > until) return false;
    this.#timers.delete(first);
    this.time = Math.max(this.time, first.at);
    first.run();
    return true;
  }
}

function runAll(runs: readonly (() => void)[]): boolean {
  for (const run of runs) run();
  return runs.length > 0;
}
