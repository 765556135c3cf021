/**
 * The event loop of a runtime that has no sockets to look at, and whose timers may be alarms.
 * Knows turns and the one deadline of a driver; refuses to know what it is for.
 * @module
 */
import type { Cancel, Loop } from "../runtime/loop.ts";

/** One alarm that a runtime keeps, even while nothing runs: the storage of a Durable Object. */
export interface Alarms {
  /** Has the owner's `alarm()` called at the time, ms since the epoch; the last call counts. */
  setAlarm(ms: number): unknown;
  /** There is none any more. */
  deleteAlarm(): unknown;
}

/** The longest that a timer can wait. */
const WAIT_MS_MAX = 2 ** 31 - 1;

const { setTimeout, clearTimeout } = globalThis as unknown as {
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
};

/** A loop by alarms where there are some, else by timers. A driver has one deadline at a time. */
export class EdgeLoop implements Loop {
  readonly #alarms: Alarms | undefined;
  readonly #failed: (error: unknown) => void;
  readonly #clock: () => number;
  #last = 0;
  #due: { readonly ms: number; readonly run: () => void } | undefined;
  /** When the alarm is set for; undefined: there is none. */
  #setFor: number | undefined;
  #isSetting = false;

  /** `failed` is told what goes wrong with an alarm; `clock` gives ms since the epoch. */
  constructor(alarms: Alarms | undefined, failed: (error: unknown) => void, clock: () => number = Date.now) {
    this.#alarms = alarms;
    this.#failed = failed;
    this.#clock = clock;
  }

  /** The wall clock, which such a runtime stops while it computes; never back. */
  now(): number {
    return this.#last = Math.max(this.#last, Math.floor(this.#clock()));
  }

  /** A message is an event of its own: what it brings about leaves behind it. */
  endOfTurn(run: () => void): void {
    queueMicrotask(run);
  }

  /** Other messages come first. */
  afterInput(run: () => void): void {
    setTimeout(run, 0);
  }

  /** What has come is handed over by the runtime before a timer of 0 ms. */
  afterLook(_sockets: number, run: () => void): void {
    setTimeout(run, 0);
  }

  at(ms: number, run: () => void): Cancel {
    if (this.#alarms === undefined) {
      const timer = setTimeout(run, Math.min(Math.max(ms - this.now(), 0), WAIT_MS_MAX));
      return () => clearTimeout(timer);
    }
    const due = { ms: Math.ceil(ms), run };
    this.#due = due;
    this.#setSoon();
    return () => {
      if (this.#due !== due) return;
      this.#due = undefined;
      this.#setSoon();
    };
  }

  /** The alarm has gone off. */
  alarm(): void {
    this.#setFor = undefined;
    const due = this.#due;
    if (due === undefined) return;
    if (due.ms > this.now()) return this.#setSoon();
    this.#due = undefined;
    due.run();
  }

  /** Behind the turn: a deadline that is cancelled and set again costs one call, or none. */
  #setSoon(): void {
    if (this.#isSetting) return;
    this.#isSetting = true;
    queueMicrotask(() => {
      this.#isSetting = false;
      const ms = this.#due?.ms;
      if (ms === this.#setFor) return;
      this.#setFor = ms;
      void this.#set(ms);
    });
  }

  async #set(ms: number | undefined): Promise<void> {
    try {
      await (ms === undefined ? this.#alarms!.deleteAlarm() : this.#alarms!.setAlarm(ms));
    } catch (error) {
      this.#failed(error);
    }
  }
}
