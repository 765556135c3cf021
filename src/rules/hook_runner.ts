/**
 * The hooks of a file while a broker runs: what happens goes to their thread in batches, and what they call comes back.
 * Knows the queue, and when a thread begins anew; refuses to know settings.
 * @module
 */
import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import type { Refusal, TappedMessage } from "../broker/mod.ts";
import { ENDS_BUSY_THREADS } from "../runtime/threads.ts";
import { ownReason } from "./call.ts";
import {
  eventBytes,
  type Listener,
  type ListenerTap,
  messageBytes,
  publishedOf,
  type RareEvent,
} from "./event.ts";
import type { HookFigures } from "./figures.ts";
import { HookThread, type HookThreadEvents } from "./hook_thread.ts";
import type { RuleLog } from "./log.ts";
import type { HookNumbers } from "./numbers.ts";
import { type Addressed, pack } from "./pack.ts";
import { BoundedQueue } from "./queue.ts";
import type { HookCall, HookReport } from "./worker.ts";

/** What hooks may do with a server. */
export interface HookServer {
  inject(frame: Uint8Array): void;
  disconnect(clientId: string, reason: Refusal): boolean;
}

/** How hooks run. */
export interface HookRunnerOptions {
  readonly file: string;
  readonly numbers: HookNumbers;
  readonly log: RuleLog;
  readonly worker?: URL;
  /** ms; the wait before the second begin, for tests. */
  readonly restartMs?: number;
  /** ms until the file must have run, for tests. */
  readonly beginMs?: number;
}

/** So much goes to the thread at once. */
const BATCH_EVENTS = 256;
const BATCH_BYTES = 1024 * 1024;
const RESTART_MS = 1_000;
const RESTART_MAX_MS = 60_000;

/** The hooks of one file. */
export class HookRunner implements Listener {
  readonly #options: HookRunnerOptions;
  readonly #queue: BoundedQueue<Addressed>;
  readonly #counts = { called: 0, lost: 0, faults: 0, ms: 0, calls: 0, restarts: 0 };
  #thread: HookThread | undefined;
  #batch: { readonly items: readonly Addressed[]; settled(): void } | undefined;
  #filters: readonly string[] = [];
  #kinds: ReadonlySet<RareEvent["kind"]> = new Set();
  #taps: readonly ListenerTap[] = [];
  #server: HookServer | undefined;
  #tapsChanged: () => void = () => {};
  #drained: (() => void) | undefined;
  #early: HookCall[] = [];
  #isCalling = false;
  #isScheduled = false;
  #isClosed = false;
  /** The thread has stalled, and nothing can end it. */
  #isOff = false;
  #restartMs: number;
  #restart: ReturnType<typeof setTimeout> | undefined;
  #last: Promise<void> = Promise.resolve();

  private constructor(options: HookRunnerOptions) {
    this.#options = options;
    const { hookEventsMax, hookEventsBytesMax } = options.numbers;
    this.#queue = new BoundedQueue(hookEventsMax, hookEventsBytesMax);
    this.#restartMs = options.restartMs ?? RESTART_MS;
  }

  /**
   * Runs the file.
   * @throws {Error} when it cannot be run, or exports no hooks.
   */
  static async open(options: HookRunnerOptions): Promise<HookRunner> {
    const runner = new HookRunner(options);
    runner.#goOn(await runner.#begin());
    return runner;
  }

  /**
   * Sees whether the file can be run, and what it exports; a function that it exports is not called.
   * @throws {Error}
   */
  static async check({ file, numbers, worker }: HookRunnerOptions): Promise<void> {
    const events: HookThreadEvents = { called() {}, reported() {}, took() {}, ended() {} };
    const options = { file, numbers, isCheck: true, ...worker && { worker } };
    await (await HookThread.begin(options, events)).retire(0);
  }

  get file(): string {
    return this.#options.file;
  }

  get numbers(): HookNumbers {
    return this.#options.numbers;
  }

  get figures(): HookFigures {
    const { ms, ...counts } = this.#counts;
    return {
      ...counts,
      seconds: ms / 1_000,
      waiting: this.#queue.count,
      dropped: this.#queue.dropped,
      isRunning: this.#thread !== undefined,
    };
  }

  hears(kind: RareEvent["kind"]): boolean {
    return this.#kinds.has(kind);
  }

  heard(event: RareEvent): void {
    const bytes = eventBytes(event);
    if (this.#hasRoom(bytes)) this.#push({ event, tap: -1 }, bytes);
  }

  get taps(): readonly ListenerTap[] {
    return this.#taps;
  }

  /** What the hooks call is done with this server from now on; `tapsChanged` is called when the taps are others. */
  attach(server: HookServer, tapsChanged: () => void): void {
    this.#server = server;
    this.#tapsChanged = tapsChanged;
    this.#do(this.#early.splice(0));
  }

  /** Runs the file again, in another thread; if it cannot be run all stays as it is. One after the other. */
  reload(): Promise<void> {
    return this.#last = this.#last.then(() => this.#reload());
  }

  /** Ends the thread when all is told, and done that it was given; for no longer than `ms`. */
  async close(ms = 1_000): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#restart);
    const end = performance.now() + ms;
    const thread = this.#thread;
    if (thread !== undefined && this.#queue.count > 0) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
        timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
    }
    this.#thread = undefined;
    await thread?.retire(Math.max(0, end - performance.now()));
    this.#batch?.settled();
  }

  async #reload(): Promise<void> {
    const { file, log } = this.#options;
    if (this.#isClosed) return;
    try {
      const thread = await this.#begin();
      if (this.#isClosed) return await thread.retire(0);
      clearTimeout(this.#restart);
      this.#restartMs = this.#options.restartMs ?? RESTART_MS;
      const before = this.#thread;
      this.#batch?.settled();
      this.#batch = undefined;
      this.#goOn(thread);
      log.info("hooks read again", { file });
      await before?.retire();
    } catch (error) {
      log.error("hooks not read again, the old ones stay", { file, why: (error as Error).message });
    }
  }

  #begin(): Promise<HookThread> {
    const { file, numbers, worker, beginMs } = this.#options;
    let thread: HookThread | undefined;
    const isPresent = () => thread !== undefined && this.#thread === thread;
    return HookThread.begin({ file, numbers, ...worker && { worker }, ...beginMs && { beginMs } }, {
      called: (calls) => this.#do(calls),
      reported: (report) => this.#reported(report),
      took: () => isPresent() && this.#took(),
      ended: (why, place) => isPresent() && this.#ended(why, place),
    }).then((begun) => thread = begun);
  }

  /** From now on with this thread. */
  #goOn(thread: HookThread): void {
    this.#thread = thread;
    this.#isOff = false;
    const { kinds, filters } = thread.wants;
    this.#kinds = new Set(kinds);
    const isOther = JSON.stringify(filters) !== JSON.stringify(this.#filters);
    if (isOther) {
      this.#filters = filters;
      this.#taps = filters.map((filter, tap) => ({
        filter,
        received: (message) => this.#received(message, tap),
      }));
      const { items, settled } = this.#queue.take(Infinity, Infinity); // for hooks that are no more
      this.#counts.lost += items.length;
      settled();
      this.#tapsChanged();
    }
    this.#schedule();
  }

  #received(message: TappedMessage, tap: number): void {
    if (this.#isCalling) return;
    const bytes = messageBytes(message);
    if (this.#hasRoom(bytes)) this.#push({ event: publishedOf(message, Date.now()), tap }, bytes);
  }

  #hasRoom(bytes: number): boolean {
    if (this.#isOff) {
      this.#counts.lost++;
      return false;
    }
    if (this.#queue.hasRoom(bytes)) return true;
    const { file, log } = this.#options;
    log.warnSeldom("hooks dropped", "hooks are too slow: events are dropped", {
      file,
      dropped: this.#queue.dropped,
      limit: this.#queue.count >= this.#queue.itemsMax ? "hookEventsMax" : "hookEventsBytesMax",
    });
    return false;
  }

  #push(one: Addressed, bytes: number): void {
    this.#queue.push(one, bytes);
    this.#schedule();
  }

  /** With the end of the turn goes what came in it. */
  #schedule(): void {
    if (this.#isScheduled || this.#batch !== undefined || this.#queue.waiting === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#send();
    });
  }

  #send(): void {
    const thread = this.#thread;
    if (thread === undefined || !thread.isFree || this.#batch !== undefined) return;
    const batch = this.#queue.take(BATCH_EVENTS, BATCH_BYTES);
    if (batch.items.length === 0) return;
    this.#batch = batch;
    thread.send(pack(batch.items));
  }

  #took(): void {
    this.#restartMs = this.#options.restartMs ?? RESTART_MS;
    this.#batch?.settled();
    this.#batch = undefined;
    this.#send();
    if (this.#queue.count === 0) this.#drained?.();
  }

  #reported({ called, ms, faults, failed }: HookReport): void {
    const { file, log } = this.#options;
    this.#counts.called += called;
    this.#counts.ms += ms;
    this.#counts.faults += failed;
    for (const { kind, hook, why } of faults) {
      const message = kind === "slow"
        ? "a hook is slow"
        : kind === "late"
        ? "a hook is late"
        : "a hook failed";
      log.warnSeldom(`${kind} ${hook}`, message, { hook, why, file });
    }
  }

  /** The thread is over: all that was in it may be lost. */
  #ended(why: string, place?: number): void {
    const { file, log } = this.#options;
    this.#thread = undefined;
    const items = this.#batch?.items ?? [];
    this.#batch?.settled();
    this.#batch = undefined;
    this.#counts.lost += items.length;
    const stuck = place === undefined || place < 0 ? undefined : items[place];
    const hook = stuck && (stuck.tap < 0 ? stuck.event.kind : `publish ${this.#filters[stuck.tap]}`);
    const fields = { file, ...hook !== undefined && { hook }, why, lost: items.length };
    if (place !== undefined && !ENDS_BUSY_THREADS) {
      this.#isOff = true;
      const advice = "change the file and they begin anew; until the broker ends, the old thread uses a core";
      return log.error("hooks have stalled", { ...fields, advice });
    }
    log.error("hooks have ended, they begin anew", { ...fields, ms: this.#restartMs });
    this.#beginLater();
  }

  #beginLater(): void {
    const { file, log } = this.#options;
    if (this.#isClosed) return;
    this.#restart = setTimeout(() => {
      this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MAX_MS);
      this.#counts.restarts++;
      this.#begin().then((thread) => {
        if (this.#isClosed || this.#thread !== undefined) return void thread.retire(0);
        this.#goOn(thread);
      }, (error: Error) => {
        log.error("hooks do not begin", { file, why: error.message });
        if (this.#thread === undefined) this.#beginLater();
      });
    }, this.#restartMs);
    this.#restart.unref();
  }

  /** What hooks publish is not told to them: they could go on for ever. */
  #do(calls: readonly HookCall[]): void {
    const server = this.#server;
    if (server === undefined) return void this.#early.push(...calls);
    this.#counts.calls += calls.length;
    this.#isCalling = true;
    try {
      for (const call of calls) {
        if ("frame" in call) server.inject(call.frame);
        else server.disconnect(call.clientId, ownReason(call.code));
      }
    } catch (error) { // the thread has checked them
      this.#options.log.error("a call of a hook failed", { why: (error as Error).message });
    } finally {
      this.#isCalling = false;
    }
  }
}
