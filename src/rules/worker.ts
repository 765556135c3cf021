/**
 * The thread of the hooks: runs a file of the owner, and calls what it exports.
 * Knows the messages of the broker's thread; refuses to know the broker. Does nothing in the main thread.
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { isMainThread, type MessagePort, parentPort, workerData } from "node:worker_threads";
import { checkReason, ownMessage } from "../broker/owner.ts";
import { isLater } from "../broker/question.ts";
import { UsageError } from "../codec/error.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import { ownReason } from "./call.ts";
import { checkHooks, type FoundHooks, type HookWants } from "./check_hooks.ts";
import type { HookBroker } from "./hooks.ts";
import type { HookNumbers } from "./numbers.ts";
import { type PackedEvents, unpack } from "./pack.ts";

/** The `workerData` of a thread. */
export interface HookStart {
  readonly plumbHooks: {
    /** The path of the file. */
    readonly file: string;
    readonly numbers: HookNumbers;
    /** The file is only loaded: a function that it exports is not called. */
    readonly isCheck: boolean;
    /** One number: which event of the batch is being told, from 1. */
    readonly progress: SharedArrayBuffer;
  };
}

/** A call of a hook: a PUBLISH frame of level 5, or the end of a connection. */
export type HookCall = { readonly frame: Uint8Array } | {
  readonly clientId: string;
  readonly code: ReasonCode;
};

/** A message to the thread: a batch; calls were taken; whether it lives; its end, when all is done. */
export type HookOrder =
  | { readonly batch: PackedEvents }
  | { readonly called: true }
  | { readonly ping: true }
  | { readonly end: true };

/** What went wrong since the last report, and how long hooks have computed. */
export interface HookReport {
  /** Hooks that were called. */
  readonly called: number;
  readonly ms: number;
  readonly faults: readonly HookFault[];
  /** Faults in all: of those with one kind and hook only the last one is in the report. */
  readonly failed: number;
}

/** `threw`: an exception, or a promise that was rejected; `late`: a promise that was not settled; `slow`: too long a computation. */
export interface HookFault {
  readonly kind: "threw" | "late" | "slow";
  /** `connect`, or `publish sensors/#`. */
  readonly hook: string;
  readonly why: string;
}

/** A message from the thread. */
export type HookReply =
  | { readonly ready: HookWants }
  | { readonly refused: string }
  | { readonly took: true; readonly report: HookReport }
  | { readonly report: HookReport }
  | { readonly calls: readonly HookCall[] }
  | { readonly pong: true }
  | { readonly over: true };

/** Calls go in portions, one after the other: the broker's thread does no more at once. */
const PORTION = 256;
/** A report of what happened between two batches waits so long, ms. */
const REPORT_MS = 100;

/** The hooks of one file, in its thread. */
class HookRun {
  readonly #port: MessagePort;
  readonly #numbers: HookNumbers;
  readonly #progress: Int32Array;
  readonly #calls: HookCall[] = [];
  readonly #faults = new Map<string, HookFault>();
  #areCallsSent = false;
  #hooks: FoundHooks | undefined;
  #open = 0;
  #settled: (() => void) | undefined;
  #called = 0;
  #ms = 0;
  #failed = 0;
  #reportTimer: ReturnType<typeof setTimeout> | undefined;
  #last: Promise<void> = Promise.resolve();

  readonly #broker: HookBroker = {
    publish: (message) => {
      const { view } = ownMessage(message);
      this.#call({ frame: view.bytes.subarray(view.at, view.end) });
    },
    disconnect: (clientId, code = 0x98) => {
      if (typeof clientId !== "string") throw new UsageError("disconnect() takes a Client Identifier");
      checkReason(ownReason(code));
      this.#call({ clientId, code });
    },
  };

  constructor(port: MessagePort, numbers: HookNumbers, progress: SharedArrayBuffer) {
    this.#port = port;
    this.#numbers = numbers;
    this.#progress = new Int32Array(progress);
  }

  /** Runs the file. */
  async begin(file: string, isCheck: boolean): Promise<HookReply> {
    let exported: unknown;
    try {
      exported = (await import(pathToFileURL(file).href) as { readonly default?: unknown }).default;
      if (typeof exported === "function") exported = isCheck ? {} : await exported(this.#broker);
    } catch (error) {
      return { refused: troubleOf(error) };
    }
    const found = checkHooks(exported);
    if (typeof found === "string") return { refused: found };
    this.#hooks = found;
    return { ready: found.wants };
  }

  /** Does what it is told, one after the other. */
  order(order: HookOrder): void {
    if ("ping" in order) return this.#send({ pong: true });
    if ("called" in order) {
      this.#areCallsSent = false;
      return this.#sendCalls();
    }
    this.#last = this.#last.then(() => "batch" in order ? this.#tell(order.batch) : this.#end());
  }

  /** An error that came behind the call of a hook, in what it left behind: a promise, a timer. */
  strayed(error: unknown): void {
    this.#fault({ kind: "threw", hook: "later", why: troubleOf(error) });
  }

  async #tell(batch: PackedEvents): Promise<void> {
    let place = 0;
    for (const { tap, event } of unpack(batch)) {
      const { name, hook } = this.#hooks!.hookOf(tap, event);
      while (this.#open >= this.#numbers.hookPromisesMax) {
        await new Promise<void>((resolve) => this.#settled = resolve);
      }
      Atomics.store(this.#progress, 0, ++place);
      this.#one(name, () => hook(event as never, this.#broker));
    }
    Atomics.store(this.#progress, 0, 0);
    this.#send({ took: true, report: this.#report() });
  }

  #one(name: string, call: () => unknown): void {
    const begun = performance.now();
    let result: unknown;
    try {
      result = call();
    } catch (error) {
      this.#fault({ kind: "threw", hook: name, why: troubleOf(error) });
    }
    const ms = performance.now() - begun;
    this.#called++;
    this.#ms += ms;
    if (ms > this.#numbers.hookSlowMs) {
      this.#fault({ kind: "slow", hook: name, why: `it computed ${Math.round(ms)} ms` });
    }
    if (isLater(result)) this.#wait(name, result);
  }

  #wait(name: string, result: PromiseLike<unknown>): void {
    this.#open++;
    let isOver = false;
    const over = (fault?: HookFault): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      this.#open--;
      if (fault !== undefined) this.#fault(fault);
      const settled = this.#settled;
      this.#settled = undefined;
      settled?.();
    };
    const { hookTimeoutMs } = this.#numbers;
    const why = `its promise was not settled in ${hookTimeoutMs} ms`;
    const timer = setTimeout(() => over({ kind: "late", hook: name, why }), hookTimeoutMs);
    result.then(() => over(), (error) => over({ kind: "threw", hook: name, why: troubleOf(error) }));
  }

  async #end(): Promise<void> {
    while (this.#open > 0) await new Promise<void>((resolve) => this.#settled = resolve);
    while (this.#calls.length > 0 || this.#areCallsSent) {
      await new Promise<void>((resolve) => setTimeout(resolve, 1));
    }
    this.#send({ report: this.#report() });
    this.#send({ over: true });
  }

  #call(call: HookCall): void {
    const { hookCallsMax } = this.#numbers;
    if (this.#calls.length >= hookCallsMax) {
      throw new UsageError(`More than ${hookCallsMax} calls wait for the broker (hookCallsMax)`);
    }
    if (this.#calls.push(call) === 1) queueMicrotask(() => this.#sendCalls());
  }

  #sendCalls(): void {
    if (this.#areCallsSent || this.#calls.length === 0) return;
    this.#areCallsSent = true;
    this.#send({ calls: this.#calls.splice(0, PORTION) });
  }

  #fault(fault: HookFault): void {
    this.#failed++;
    this.#faults.set(`${fault.kind} ${fault.hook}`, fault);
    this.#reportTimer ??= setTimeout(() => this.#send({ report: this.#report() }), REPORT_MS);
  }

  #report(): HookReport {
    clearTimeout(this.#reportTimer);
    this.#reportTimer = undefined;
    const report = {
      called: this.#called,
      ms: this.#ms,
      faults: [...this.#faults.values()],
      failed: this.#failed,
    };
    [this.#called, this.#ms, this.#failed] = [0, 0, 0];
    this.#faults.clear();
    return report;
  }

  #send(reply: HookReply): void {
    this.#port.postMessage(reply);
  }
}

/** What an error says, in one line, and where it is in a file that cannot be read as a program. */
function troubleOf(error: unknown): string {
  if (!(error instanceof Error) && (typeof error !== "object" || error === null)) return String(error);
  const { name, message, position, stack } = error as {
    readonly name?: string;
    readonly message?: string;
    readonly position?: { readonly line: number; readonly column: number } | null;
    readonly stack?: string;
  };
  const line = (message ?? String(error)).split("\n")[0]!;
  const at = /(?:file:\/\/|\()?([^\s()]*):(\d+):(\d+)/.exec(stack ?? "");
  const place = position ? `${position.line}:${position.column}` : at ? `${at[2]}:${at[3]}` : undefined;
  const isSaid = place === undefined || line.includes(place);
  return `${name === undefined || name === "Error" ? "" : `${name}: `}${line}${isSaid ? "" : ` (${place})`}`;
}

/** Begins if this is such a thread; an executable in one file calls it in each of its threads. */
export async function beginHookThread(): Promise<void> {
  const start = (workerData as Partial<HookStart> | null)?.plumbHooks;
  if (isMainThread || start === undefined) return;
  const port = parentPort!;
  const run = new HookRun(port, start.numbers, start.progress);
  for (const name of ["uncaughtException", "unhandledRejection"]) {
    process.on(name, (error: unknown) => run.strayed(error));
  }
  const orders: HookOrder[] = [];
  let isReady = false;
  port.on(
    "message",
    (order: HookOrder) => isReady || "ping" in order ? run.order(order) : orders.push(order),
  );
  port.postMessage(await run.begin(start.file, start.isCheck));
  isReady = true;
  for (const order of orders) run.order(order);
}

void beginHookThread();
