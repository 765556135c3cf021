/**
 * The threads of a load: takes them through the phases of a run together and sums up their counts.
 * Knows threads and the Server's process; refuses to know what a run is for.
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers";
import { Worker } from "node:worker_threads";
import { Board } from "./shared_counts.ts";
import { nowUs } from "./clock.ts";
import { Histogram } from "./histogram.ts";
import type { Counts, Order, Times } from "./load.ts";
import { copiesOf, type Plan } from "./plan.ts";
import type { Target } from "./target.ts";
import { type Usage, usageOf } from "./usage.ts";
import type { LoadAnswer, LoadCall, LoadThreadStart } from "./worker.ts";

/** Whom a run measures. */
export interface Side {
  readonly target: Target;
  /** The Server's process, if it is on this machine and is to be watched. */
  readonly pid?: number;
}

/** The findings of a run. */
export interface Result {
  /** Messages published in the seconds that count. */
  readonly sent: number;
  /** Messages delivered, or connections made. */
  readonly done: number;
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  /** Seconds that count. */
  readonly seconds: number;
  readonly disorder: number;
  readonly gap: number;
  /** At a rate that was too high: messages that were never published. */
  readonly overdue: number;
  readonly refused: number;
  readonly unacknowledged: number;
  /** µs. */
  readonly latency: Histogram;
  /** CPU time that each thread worked, by the time that passed: 0 to 1. */
  readonly busy: readonly number[];
  /** The same of the time when it had to work and others had the cores. */
  readonly starved: readonly number[];
  /** Of the Server, where its process is known. */
  readonly server?: {
    /** CPU µs for each message delivered or connection made. */
    readonly cpuUsPerDone: number;
    readonly rssBytes: number;
    /** How much larger it has become for each connection that was opened, when that had settled. */
    readonly rssBytesPerConnection?: number;
  };
}

/** A run could not be brought to its end. One line. */
export class RunError extends Error {
  override readonly name = "RunError";
}

/** Where a run is, for whoever watches. */
export type Phase = "opening" | "running" | "draining";

/** How long a phase may take beyond what it has to. */
const PATIENCE_MS = 120_000;
/** Threads begin this long after they are told, so that all of them begin together. */
const LEAD_US = 30_000;
/** Memory has settled when it has changed by no more than this for so long; nobody waits longer than the most. */
const SETTLED_SHARE = 0.005;
const SETTLED_US = 500_000;
const SETTLE_MOST_US = 3_000_000;
const SETTLE_LOOK_MS = 50;

/** Threads that are started once and run many times, never two runs at once. */
export class Crew {
  readonly #threads: readonly Thread[];

  /** `count`: threads. */
  constructor(count: number) {
    this.#threads = Array.from({ length: count }, () => new Thread());
  }

  /**
   * One run.
   * @throws {RunError}
   */
  async run(plan: Plan, { target, pid }: Side, entered: (phase: Phase) => void = () => {}): Promise<Result> {
    const threads = this.#threads.length;
    const board = new Board(plan.publishers, threads);
    const run = crypto.getRandomValues(new Uint32Array(1))[0]!;
    const usage = () => pid === undefined ? undefined : usageOf(pid);
    try {
      entered("opening");
      const orderOf = (thread: number): Order => ({
        plan,
        target,
        run,
        thread,
        threads,
        board: board.buffer,
      });
      await this.#all((thread) => ({ open: orderOf(thread) }));
      entered("running");
      const isTimed = plan.kind === "flow" && plan.messages === 0;
      const times = timesOf(plan);
      let before = usage();
      let after: Usage | undefined;
      if (isTimed && pid !== undefined) {
        at(times.measureUs, () => before = usage());
        at(times.endUs, () => after = usage());
      }
      await this.#all(() => ({ run: times }), (times.endUs - nowUs()) / 1000);
      if (!isTimed) after = usage();
      if (plan.kind === "connect" && pid !== undefined && after !== undefined) {
        after = { ...after, rssBytes: await settledRss(pid) };
      }
      entered("draining");
      const counts = (await this.#all(() => ({ drain: true }))).map((answer) =>
        (answer as LoadAnswer & { counts: Counts }).counts
      );
      if (plan.kind === "flow" && !isTimed) after = usage();
      await this.#all(() => ({ close: true }));
      const missing = plan.kind === "flow" ? Math.max(0, board.outstanding(copiesOf(plan))) : 0;
      return resultOf(plan, times, counts, missing, before, after);
    } catch (error) {
      await Promise.all(this.#threads.map((thread) => thread.call({ abort: true })));
      throw new RunError((error as Error).message);
    }
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  /** Has all of them do something that may take so long, and waits for all; the first failure is that of all. */
  async #all(callOf: (thread: number) => LoadCall, ms = 0): Promise<LoadAnswer[]> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("the Server stopped answering")), ms + PATIENCE_MS);
    });
    try {
      return await Promise.race([
        late,
        Promise.all(this.#threads.map((thread, i) => thread.call(callOf(i)))),
      ]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** One thread, seen from outside. */
class Thread {
  readonly #worker: Worker;
  #resolve: (answer: LoadAnswer) => void = () => {};
  #reject: (error: Error) => void = () => {};
  #failed: Error | undefined;
  /** The next answer is to an `abort`: others are late. */
  #aborting = false;
  #gone: Error | undefined;

  constructor() {
    const workerData: LoadThreadStart = { plumbLoad: true };
    this.#worker = new Worker(script(), { workerData });
    this.#worker.on("message", (answer: LoadAnswer) => {
      if ("failed" in answer) return this.#fail(new Error(answer.failed));
      if (this.#aborting && answer.over !== "abort") return;
      this.#aborting = false;
      this.#resolve(answer);
    });
    this.#worker.on("error", (error: unknown) => this.#end(`${(error as Error).message ?? error}`));
    this.#worker.on("exit", () => this.#end("without a word"));
  }

  /** Asks for a phase; rejects when the run has failed in this thread. */
  call(call: LoadCall): Promise<LoadAnswer> {
    return new Promise((resolve, reject) => {
      if ("abort" in call) {
        this.#aborting = true;
        this.#failed = undefined;
        if (this.#gone !== undefined) return resolve({ over: "abort" });
      }
      const failed = this.#gone ?? this.#failed;
      if (failed !== undefined) return reject(failed);
      this.#resolve = resolve;
      this.#reject = reject;
      this.#worker.postMessage(call);
    });
  }

  async close(): Promise<void> {
    this.#gone = new Error("closed");
    await this.#worker.terminate();
  }

  #fail(error: Error): void {
    if (this.#aborting) return;
    this.#failed = error;
    this.#reject(error);
  }

  #end(why: string): void {
    this.#gone ??= new Error(`a thread of the load has ended: ${why}`);
    if (this.#aborting) this.#resolve({ over: "abort" });
    else this.#reject(this.#gone);
  }
}

/** The script of the threads: our own, or the one file that all of this has been bundled into. */
function script(): URL {
  const [, ending] = /\/bench\/threads(\.[jt]s)$/.exec(import.meta.url) ?? [];
  return ending === undefined ? new URL(import.meta.url) : new URL(`./worker${ending}`, import.meta.url);
}

function timesOf({ warmup, seconds }: Plan): Times {
  const startUs = nowUs() + LEAD_US;
  const measureUs = startUs + warmup * 1e6;
  return { startUs, measureUs, endUs: measureUs + seconds * 1e6 };
}

/** The memory of a process once it no longer grows or shrinks: collectors give back the room of a burst with a delay. */
async function settledRss(pid: number): Promise<number> {
  let rss = usageOf(pid)?.rssBytes ?? 0;
  let since = nowUs();
  for (const end = since + SETTLE_MOST_US; nowUs() < Math.min(end, since + SETTLED_US);) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_LOOK_MS));
    const now = usageOf(pid)?.rssBytes ?? 0;
    if (Math.abs(now - rss) <= rss * SETTLED_SHARE) continue;
    rss = now;
    since = nowUs();
  }
  return rss;
}

function at(us: number, action: () => void): void {
  setTimeout(action, (us - nowUs()) / 1000);
}

function resultOf(
  plan: Plan,
  times: Times,
  counts: readonly Counts[],
  missing: number,
  before: Usage | undefined,
  after: Usage | undefined,
): Result {
  const sum = (of: (each: Counts) => number) => counts.reduce((all, each) => all + of(each), 0);
  const latency = new Histogram();
  for (const each of counts) latency.addAll(new Histogram(each.latency));
  const done = sum((each) => each.done);
  const lastUs = Math.max(...counts.map((each) => each.lastUs));
  // Counted messages take as long as they take, at most until the time is over.
  const endUs = plan.messages > 0 ? Math.min(lastUs, times.endUs) : times.endUs;
  const seconds = Math.max(1, endUs - times.measureUs) / 1e6;
  const perSecond = plan.kind === "flow" ? done / seconds : sum((each) => each.perSecond ?? 0);
  return {
    sent: sum((each) => each.sent),
    done,
    perSecond,
    bytesPerSecond: done === 0 ? 0 : sum((each) => each.bytes) / done * perSecond,
    seconds,
    disorder: sum((each) => each.disorder),
    gap: sum((each) => each.gap) + missing,
    overdue: sum((each) => each.overdue),
    refused: sum((each) => each.refused),
    unacknowledged: sum((each) => each.unacknowledged),
    latency,
    busy: counts.map(({ time: { cpuUs, wallUs } }) => wallUs === 0 ? 0 : cpuUs / wallUs),
    starved: counts.map(({ time: { waitUs, wallUs } }) => wallUs === 0 ? 0 : waitUs / wallUs),
    ...before && after && {
      server: {
        cpuUsPerDone: done === 0 ? 0 : (after.cpuUs - before.cpuUs) / done,
        rssBytes: after.rssBytes,
        ...plan.kind === "connect" && {
          rssBytesPerConnection: (after.rssBytes - before.rssBytes) / plan.connections,
        },
      },
    },
  };
}
