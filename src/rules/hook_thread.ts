/**
 * The thread of the hooks as the broker's thread has it: one batch at a time, and a watch over its time.
 * Knows the messages between both; refuses to know events and restarts.
 * @module
 */
import { statSync } from "node:fs";
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";
import { Worker } from "node:worker_threads";
import type { HookWants } from "./check_hooks.ts";
import type { HookNumbers } from "./numbers.ts";
import type { PackedEvents } from "./pack.ts";
import type { HookCall, HookOrder, HookReply, HookReport, HookStart } from "./worker.ts";

/** What a thread tells. */
export interface HookThreadEvents {
  /** Calls of its hooks, to be done now. */
  called(calls: readonly HookCall[]): void;
  /** What went wrong, and how long hooks computed. */
  reported(report: HookReport): void;
  /** It has taken the batch, and wants another one. */
  took(): void;
  /** It is over though nobody asked for it. `place` is the event of the batch that it stood at, from 0, if it computed without a break. */
  ended(why: string, place?: number): void;
}

/** How a thread begins. */
export interface HookThreadOptions {
  readonly file: string;
  readonly numbers: HookNumbers;
  /** The script of a thread, which calls `beginHookThread()`; by default the one beside this file. */
  readonly worker?: URL;
  readonly isCheck?: boolean;
  /** ms until the file must have run; default 30 s, or `hookStallMs` if that is more. */
  readonly beginMs?: number;
}

/** A thread, its modules and a file take so long at most on a machine that is busy. */
const BEGIN_MS = 30_000;
/** How often a thread is looked at that should be quick, in parts of `hookStallMs`. */
const LOOKS = 4;

/** Who waits for it to run. */
interface Begun {
  resolve(): void;
  reject(error: Error): void;
}

/** One thread. */
export class HookThread {
  readonly #worker: Worker;
  readonly #events: HookThreadEvents;
  #stallMs: number;
  readonly #numbers: HookNumbers;
  readonly #progress = new SharedArrayBuffer(4);
  #watch: ReturnType<typeof setInterval> | undefined;
  #heardAt = 0;
  #isOver = false;
  #isBusy = false;
  #wants: HookWants | undefined;
  #begun: Begun | undefined;
  #retired: (() => void) | undefined;

  private constructor(
    { file, numbers, worker, isCheck = false, beginMs }: HookThreadOptions,
    events: HookThreadEvents,
  ) {
    this.#events = events;
    this.#numbers = numbers;
    this.#stallMs = beginMs ?? Math.max(BEGIN_MS, numbers.hookStallMs);
    const workerData: HookStart = { plumbHooks: { file, numbers, isCheck, progress: this.#progress } };
    this.#worker = new Worker(worker ?? ourWorker(), { workerData });
    this.#worker.on("message", (reply: HookReply) => this.#heard(reply));
    this.#worker.on(
      "error",
      (error: unknown) => this.#gone(error instanceof Error ? error.message : `${error}`),
    );
    this.#worker.on("exit", () => this.#gone("its thread has ended"));
    this.#look();
  }

  /**
   * Runs a file in a thread of its own.
   * @throws {Error} when it cannot be run, or exports no hooks; the message says why.
   */
  static async begin(options: HookThreadOptions, events: HookThreadEvents): Promise<HookThread> {
    const thread = new HookThread(options, events);
    await new Promise<void>((resolve, reject) => thread.#begun = { resolve, reject });
    return thread;
  }

  /** What its hooks are to be told. */
  get wants(): HookWants {
    return this.#wants!;
  }

  /** Whether it takes a batch now. */
  get isFree(): boolean {
    return !this.#isBusy && !this.#isOver && this.#retired === undefined;
  }

  send(batch: PackedEvents): void {
    this.#isBusy = true;
    this.#order({ batch }, [batch.bytes]);
    this.#look();
  }

  /** It gets no batch any more, does what is left, for as long as it may be silent or `ms`, and ends. */
  async retire(ms: number = this.#stallMs): Promise<void> {
    if (this.#isOver) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#retired = resolve;
      timer = setTimeout(resolve, ms);
      this.#order({ end: true });
      this.#look();
    });
    clearTimeout(timer);
    await this.#end();
  }

  #order(order: HookOrder, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(order, transfer);
  }

  #heard(reply: HookReply): void {
    if (this.#isOver) return;
    this.#heardAt = performance.now();
    if ("calls" in reply) {
      this.#events.called(reply.calls);
      return this.#order({ called: true });
    }
    if ("report" in reply) this.#events.reported(reply.report);
    if ("took" in reply) {
      this.#isBusy = false;
      if (this.#retired === undefined) {
        this.#rest();
        this.#events.took();
      }
    } else if ("ready" in reply) {
      this.#rest();
      this.#stallMs = this.#numbers.hookStallMs;
      this.#wants = reply.ready;
      this.#settle((begun) => begun.resolve());
    } else if ("refused" in reply) {
      this.#settle((begun) => begun.reject(new Error(reply.refused)));
      void this.#end();
    } else if ("over" in reply) this.#retired?.();
  }

  #settle(how: (begun: Begun) => void): void {
    const begun = this.#begun;
    this.#begun = undefined;
    this.#worker.unref(); // only the begin is waited for
    if (begun !== undefined) how(begun);
  }

  /** From now on it has to answer within its time. */
  #look(): void {
    this.#heardAt = performance.now();
    this.#watch ??= setInterval(() => {
      if (performance.now() - this.#heardAt <= this.#stallMs) return this.#order({ ping: true });
      const place = Atomics.load(new Int32Array(this.#progress), 0);
      this.#gone(`it has computed ${this.#stallMs} ms without a break`, place - 1);
    }, this.#stallMs / LOOKS);
    this.#watch.unref();
  }

  #rest(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
  }

  #gone(said: string, place?: number): void {
    if (this.#isOver) return;
    const why = said.split("\n")[0]!;
    void this.#end();
    if (this.#begun !== undefined) return this.#settle((begun) => begun.reject(new Error(why)));
    if (this.#retired !== undefined) return this.#retired();
    this.#events.ended(why, place);
  }

  async #end(): Promise<void> {
    this.#rest();
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#worker.terminate();
  }
}

/**
 * The script beside this file; in one file, that file.
 * @throws {Error} where Deno does not let us read it: then no thread could begin.
 */
function ourWorker(): URL {
  const [, ending] = /\/rules\/hook_thread(\.[jt]s)$/.exec(import.meta.url) ?? [];
  if (ending === undefined) return new URL(import.meta.url);
  const script = new URL(`./worker${ending}`, import.meta.url);
  if (script.protocol === "file:") statSync(script);
  return script;
}
