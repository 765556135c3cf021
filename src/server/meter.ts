/**
 * How long turns, questions and the loop take. It measures while its figures are read: from the first time on, until five minutes behind
 * the last one.
 * Knows a clock and the driver's turns; refuses to know what is done in them. Two looks at the clock in a turn, none for a message.
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers";
import type { Question } from "../broker/mod.ts";
import type { Cancel } from "../runtime/loop.ts";
import type { DriverMeter } from "./driver.ts";
import { Histogram, type HistogramStats } from "./histogram.ts";

/** Without a reader for so long it ends to measure: ms. */
const READ_MS = 300_000;
/** From one look at the lag of the loop to the next: ms. */
const LAG_MS = 500;

/** Histograms of times, since they were read first. */
export interface Latencies {
  /**
   * From the bytes of a turn to its end, when what is to be sent has been given to the transports: the most that a PUBLISH of this turn has
   * waited, once for each. What waits for a commit, or for a Client that does not read, is sent later.
   */
  readonly publishToWrite: HistogramStats;
  /** A commit, from its begin until it is safe. */
  readonly commit: HistogramStats;
  /** §3.1.4 a verdict of an authenticator that takes time. */
  readonly authenticate: HistogramStats;
  /** §5.4.2 an answer of an authorizer that takes time. */
  readonly authorize: HistogramStats;
  /** A page of waiting messages from the store. */
  readonly pageIn: HistogramStats;
  /** A timer, behind its time: twice in a second. */
  readonly loopLag: HistogramStats;
}

/** The clock and the timers that a meter needs. */
export interface MeterClock {
  /** ms, with parts of them, from any beginning. */
  now(): number;
  /** Runs `run` so many ms later; does not keep the process. */
  after(ms: number, run: () => void): Cancel;
}

const SYSTEM_CLOCK: MeterClock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref?.();
    return () => clearTimeout(timer);
  },
};

/** One for each server. */
export class Meter implements DriverMeter {
  readonly #clock: MeterClock;
  /** Called when it begins (true) and when it ends to measure. */
  readonly #measures: (isOn: boolean) => void;
  readonly #publishToWrite: Histogram = new Histogram();
  readonly #loopLag: Histogram = new Histogram();
  readonly #questions: Readonly<Record<Question["kind"], Histogram>> = {
    "commit": new Histogram(),
    "authenticate": new Histogram(),
    "authorize": new Histogram(),
    "page in": new Histogram(),
    "look": new Histogram(),
  };
  /** When the first bytes of the present turn came; NaN before them. */
  #turnBegan = NaN;
  /** `Broker.received` at that time. */
  #received = 0;
  #readAt = -Infinity;
  #cancel: Cancel | undefined;
  #isClosed = false;

  constructor(measures: (isOn: boolean) => void, clock: MeterClock = SYSTEM_CLOCK) {
    this.#measures = measures;
    this.#clock = clock;
  }

  /** All times so far; from now on it measures. */
  read(): Latencies {
    this.#readAt = this.#clock.now();
    if (this.#cancel === undefined && !this.#isClosed) {
      this.#turnBegan = NaN;
      this.#lookAtLag();
      this.#measures(true);
    }
    const { commit, authenticate, authorize, "page in": pageIn } = this.#questions;
    return {
      publishToWrite: this.#publishToWrite.stats,
      commit: commit.stats,
      authenticate: authenticate.stats,
      authorize: authorize.stats,
      pageIn: pageIn.stats,
      loopLag: this.#loopLag.stats,
    };
  }

  /** Measures no more. */
  close(): void {
    this.#isClosed = true;
    this.#end();
  }

  #end(): void {
    if (this.#cancel === undefined) return;
    this.#cancel();
    this.#cancel = undefined;
    this.#measures(false);
  }

  #lookAtLag(): void {
    const due = this.#clock.now() + LAG_MS;
    this.#cancel = this.#clock.after(LAG_MS, () => {
      const now = this.#clock.now();
      this.#loopLag.add(Math.max(0, now - due));
      if (now - this.#readAt > READ_MS) this.#end();
      else this.#lookAtLag();
    });
  }

  turnBegins(received: number): void {
    this.#turnBegan = this.#clock.now();
    this.#received = received;
  }

  turnEnds(received: number): void {
    // Messages without a begin were put off by an earlier turn: they are not counted, since nothing says when they came.
    if (Number.isNaN(this.#turnBegan)) return;
    if (received > this.#received) {
      this.#publishToWrite.add(this.#clock.now() - this.#turnBegan, received - this.#received);
    }
    this.#turnBegan = NaN;
  }

  asked(): number {
    return this.#clock.now();
  }

  answered(kind: Question["kind"], askedAt: number): void {
    this.#questions[kind].add(this.#clock.now() - askedAt);
  }
}
