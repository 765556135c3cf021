/**
 * Threads that hash passwords, so that the broker's thread does not: few at a time, and few that wait.
 * Knows jobs and threads; refuses to know users.
 * @module
 */
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { UsageError } from "../codec/error.ts";
import type { HashAnswer, HashJob } from "./hash.ts";
import type { LoginEvents } from "./link.ts";
import { HASH_NUMBERS } from "./numbers.ts";
import { LimitEvents } from "./once_a_minute.ts";
import { numbersOf } from "./options.ts";
import type { HashCall, HashReply, HashStart } from "./worker.ts";

/** How a pool works. */
export interface HashPoolOptions extends Partial<Readonly<Record<keyof typeof HASH_NUMBERS, number>>> {
  /** The script of a thread, which calls `beginHashThread()`: a program in one file gives its own. */
  readonly worker?: URL;
  /** Is told of what an owner wants to know. */
  readonly onEvent?: LoginEvents;
  /** ms, for tests. */
  readonly clock?: () => number;
}

interface Waiting {
  readonly call: HashCall;
  readonly since: number;
  answered(answer: HashAnswer | undefined): void;
  failed(error: Error): void;
}

/** Threads begin with the first job, and do not keep the process alive while they have none. */
export class HashPool {
  readonly #numbers: ReturnType<typeof numbersOf<keyof typeof HASH_NUMBERS>>;
  readonly #script: URL;
  readonly #limits: LimitEvents;
  readonly #clock: () => number;
  readonly #idle: HashThread[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #threads = new Set<HashThread>();
  #isClosed = false;

  /**
   * Begins no thread yet.
   * @throws {UsageError} for a number out of range, and where the script of the threads cannot be read.
   */
  constructor(
    { worker, onEvent = () => {}, clock = () => performance.now(), ...numbers }: HashPoolOptions = {},
  ) {
    this.#numbers = numbersOf(HASH_NUMBERS, numbers);
    this.#script = worker ?? ourWorker();
    this.#limits = new LimitEvents(onEvent);
    this.#clock = clock;
  }

  /** Jobs that no thread has begun. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Does a job; undefined if too many wait, or it has waited too long. The password is copied. */
  do(job: HashJob, password: Uint8Array): Promise<HashAnswer | undefined> {
    if (this.#isClosed) return Promise.resolve(undefined);
    const isFree = this.#idle.length > 0 || this.#threads.size < this.#numbers.hashesMax;
    if (!isFree && this.#waiting.length >= this.#numbers.hashesWaitingMax) {
      this.#limits.reached("hashesWaitingMax");
      return Promise.resolve(undefined);
    }
    return new Promise((answered, failed) => {
      const call: HashCall = { job, password: new Uint8Array(password).buffer };
      this.#waiting.push({ call, since: this.#clock(), answered, failed });
      this.#next();
    });
  }

  /** Ends the threads; what waits is not answered by them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { answered } of this.#waiting.splice(0)) answered(undefined);
    await Promise.all([...this.#threads].map((thread) => thread.end()));
  }

  #next(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#idleOne() ?? this.#begin();
      if (thread === undefined) return;
      const { call, since, answered, failed } = this.#waiting.shift()!;
      if (this.#clock() - since > this.#numbers.hashWaitMs) {
        this.#idle.push(thread);
        this.#limits.reached("hashWaitMs");
        answered(undefined);
        continue;
      }
      thread.do(call).then((answer) => {
        this.#idle.push(thread);
        answered(answer);
      }, (error: Error) => {
        if (thread.isGone) this.#threads.delete(thread);
        else this.#idle.push(thread);
        if (this.#isClosed) answered(undefined);
        else failed(error);
      }).finally(() => this.#isClosed || this.#next());
    }
  }

  #idleOne(): HashThread | undefined {
    const thread = this.#idle.pop();
    if (thread === undefined || !thread.isGone) return thread;
    this.#threads.delete(thread);
    return this.#idleOne();
  }

  #begin(): HashThread | undefined {
    if (this.#threads.size >= this.#numbers.hashesMax) return undefined;
    const thread = new HashThread(this.#script);
    this.#threads.add(thread);
    return thread;
  }
}

/** One thread. */
class HashThread {
  isGone = false;
  readonly #worker: Worker;
  #answered: ((answer: HashAnswer) => void) | undefined;
  #failed: ((error: Error) => void) | undefined;

  constructor(script: URL) {
    const workerData: HashStart = { plumbHash: true };
    this.#worker = new Worker(script, { workerData });
    this.#worker.on("message", (reply: HashReply) => {
      this.#worker.unref();
      if ("answer" in reply) this.#answered?.(reply.answer);
      else this.#failed?.(new Error(`A password could not be hashed: ${reply.failed}`));
    });
    const gone = (why: string) => {
      this.isGone = true;
      this.#failed?.(new Error(`The thread that hashes passwords has ended: ${why}`));
    };
    this.#worker.on(
      "error",
      (error: unknown) => gone(error instanceof Error ? error.message : String(error)),
    );
    this.#worker.on("exit", () => gone("without a word"));
  }

  do(call: HashCall): Promise<HashAnswer> {
    return new Promise((answered, failed) => {
      this.#answered = answered;
      this.#failed = failed;
      this.#worker.ref();
      this.#worker.postMessage(call, [call.password]);
    });
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

/**
 * The script beside this file; in one file, that file.
 * @throws {UsageError} where Deno does not let us read it: then no thread could begin.
 */
function ourWorker(): URL {
  const [, ending] = /\/login\/hash_pool(\.[jt]s)$/.exec(import.meta.url) ?? [];
  if (ending === undefined) return new URL(import.meta.url);
  const script = new URL(`./worker${ending}`, import.meta.url);
  if (script.protocol !== "file:") return script;
  try {
    statSync(script); // accessSync() needs --allow-sys=uid besides
  } catch {
    const folder = fileURLToPath(new URL(".", script));
    throw new UsageError(
      `Threads that hash passwords need to read ${folder}: on Deno, --allow-read=${folder}`,
    );
  }
  return script;
}
