/**
 * A disk in a thread of its own: the broker's thread never waits for the file.
 * Knows the messages between the two threads; refuses to know the facts in them.
 * @module
 */
import { Worker } from "node:worker_threads";
import type { Sync } from "./database.ts";
import type { Disk, DiskAnswer, DiskCall, DiskEvents, DiskStart, LoadRequest } from "./disk.ts";
import { StoreError } from "./error.ts";

/** Starts the thread with the script at `script`, which calls `beginDiskThread()`. */
export class DiskThread implements Disk {
  readonly #worker: Worker;
  readonly #events: DiskEvents;
  #closed: (() => void) | undefined;
  /** Why the thread has ended. Batches that it had not made safe are lost, and all later ones, until the store is opened anew. */
  #gone: StoreError | undefined;

  constructor(script: URL, path: string, sync: Sync, events: DiskEvents) {
    this.#events = events;
    const workerData: DiskStart = { plumbStore: { path, sync } };
    this.#worker = new Worker(script, { workerData });
    this.#worker.on("message", (answer: DiskAnswer) => {
      // Node may tell of the end before it hands on what the thread had said: "applied" would look as if the disk were there again.
      if (this.#gone !== undefined && !("loaded" in answer)) return;
      if ("applied" in answer) events.applied(answer.applied);
      else if ("loaded" in answer) {
        events.loaded(answer.loaded, new Uint8Array(answer.page, 0, answer.length));
      } else if ("failed" in answer) events.failed(new StoreError(answer.trouble, answer.failed));
      else if ("damaged" in answer) events.damaged(new StoreError("corrupt", answer.damaged));
      else this.#closed?.();
    });
    const gone = (why: string) => {
      if (this.#gone !== undefined) return;
      this.#gone = new StoreError("io", `${path}: the thread of the store has ended, start anew: ${why}`);
      if (this.#closed !== undefined) this.#closed();
      else events.failed(this.#gone);
    };
    this.#worker.on(
      "error",
      (error: unknown) => gone(error instanceof Error ? error.message : String(error)),
    );
    this.#worker.on("exit", () => gone("without a word"));
  }

  apply({ buffer, length }: Uint8Array<ArrayBuffer>): void {
    if (this.#gone !== undefined) return this.#events.failed(this.#gone);
    this.#call({ apply: buffer, length }, buffer);
  }

  retry(): void {
    if (this.#gone !== undefined) return this.#events.failed(this.#gone);
    this.#call({ retry: true });
  }

  load(request: LoadRequest): void {
    if (this.#gone !== undefined) return; // no answer: an empty page would say that the messages are lost
    this.#call({ load: request });
  }

  close(): Promise<void> {
    if (this.#gone !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      this.#closed = () => {
        this.#closed = () => {};
        this.#worker.terminate().then(() => resolve());
      };
      this.#call({ close: true });
    });
  }

  #call(call: DiskCall, ...transfer: ArrayBuffer[]): void {
    this.#worker.postMessage(call, transfer);
  }
}
