/**
 * The event loop of a page or a worker, as the driver of a broker needs it.
 * Knows its messages and timers; refuses to know what they are for.
 * @module
 */
import type { Cancel, Loop } from "../runtime/loop.ts";
import { browserClock } from "./clock.ts";

/** The longest that a timer can wait. */
const WAIT_MS_MAX = 2 ** 31 - 1;
/** Deadlines within this time are run together. */
const WAIT_MS_MIN = 10;
/** Messages to oneself, behind which whatever had come to a port has been read: each goes behind those that have come by then. */
const LOOK_ROUNDS = 4;

/** The loop, until it is closed. */
export interface BrowserLoop extends Loop {
  /** Nothing runs any more. */
  close(): void;
}

/**
 * A turn ends with a message to oneself: it comes behind all messages of ports that have come by then, also in a tab that is hidden. There a
 * timer may be a minute late, so each turn also runs what is due by the clock: while anything happens no deadline waits for a timer.
 */
export function browserLoop(now: () => number = browserClock()): BrowserLoop {
  const { port1, port2 } = new browser.MessageChannel();
  let runs: (() => void)[] = [];
  const alarms = new Set<{ readonly ms: number; readonly run: () => void; readonly timer: unknown }>();
  const runDue = (): void => {
    if (alarms.size === 0) return;
    const time = now();
    for (const alarm of [...alarms]) {
      if (alarm.ms > time || !alarms.delete(alarm)) continue;
      browser.clearTimeout(alarm.timer);
      alarm.run();
    }
  };
  port1.onmessage = () => {
    const due = runs;
    runs = [];
    for (const run of due) run();
    runDue();
  };
  const soon = (run: () => void): void => {
    if (runs.push(run) === 1) port2.postMessage(0);
  };
  return {
    now,
    endOfTurn: soon,
    afterInput: soon,
    afterLook(_sockets, run) {
      let rounds = LOOK_ROUNDS;
      const round = (): void => rounds-- === 0 ? run() : soon(round);
      round();
    },
    at(ms, run): Cancel {
      const waitMs = Math.min(Math.max(ms - now(), WAIT_MS_MIN), WAIT_MS_MAX);
      const fire = (): void => {
        if (alarms.delete(alarm)) run();
      };
      const alarm = { ms, run, timer: browser.setTimeout(fire, waitMs) };
      alarms.add(alarm);
      return () => {
        if (alarms.delete(alarm)) browser.clearTimeout(alarm.timer);
      };
    },
    close() {
      for (const { timer } of alarms) browser.clearTimeout(timer);
      alarms.clear();
      runs = [];
      port1.onmessage = null;
      port1.close();
    },
  };
}

const browser = globalThis as unknown as {
  readonly MessageChannel: new () => Record<"port1" | "port2", Port>;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
};

interface Port {
  onmessage: (() => void) | null;
  postMessage(value: number): void;
  close(): void;
}
