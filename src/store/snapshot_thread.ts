/**
 * Snapshots that a thread of their own writes, so that a broker goes on meanwhile.
 * Knows the messages between the two threads; refuses to know the bytes of a snapshot. Does nothing in the main thread.
 * @module
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { backUp } from "./backup.ts";
import { StoreError, troubleWith } from "./error.ts";
import { asOneStore } from "./join.ts";
import { exportStore } from "./snapshot_file.ts";

/** What is to be written to `to`: the store at a path, or those of all nodes as one. */
export interface SnapshotJob {
  readonly paths: readonly string[];
  readonly to: string;
  /** A copy of the file of the one path, in place of a snapshot. */
  readonly isCopy?: true;
}

/** The `workerData` of a thread. */
interface SnapshotStart {
  readonly plumbSnapshot: SnapshotJob;
}

/** Its one message. */
type SnapshotAnswer = { readonly done: true } | {
  readonly failed: string;
  readonly trouble: StoreError["trouble"];
};

/**
 * Writes a snapshot, as `exportStore()` does. `script` calls `beginSnapshotThread()`; this file does.
 * @throws {StoreError}
 */
export function snapshotInThread(
  job: SnapshotJob,
  script: URL = new URL(import.meta.url),
): Promise<void> {
  const { to } = job;
  const start: SnapshotStart = { plumbSnapshot: job };
  const worker = new Worker(script, { workerData: start });
  return new Promise<void>((resolve, reject) => {
    worker.on("message", (answer: SnapshotAnswer) => {
      if ("done" in answer) resolve();
      else reject(new StoreError(answer.trouble, answer.failed));
    });
    worker.on("error", reject);
    worker.on("exit", () => reject(new StoreError("io", `${to}: the thread that writes it has ended`)));
  }).finally(() => void worker.terminate());
}

/** Begins if this is such a thread; an executable in one file calls it in each of its threads. */
export function beginSnapshotThread(): void {
  const start = workerData as Partial<SnapshotStart> | null;
  if (isMainThread || start?.plumbSnapshot === undefined) return;
  const job = start.plumbSnapshot;
  let answer: SnapshotAnswer = { done: true };
  try {
    if (job.isCopy) backUp(job.paths[0]!, job.to);
    else asOneStore(job.paths, job.to, (path) => exportStore(path, job.to));
  } catch (error) {
    const { message, trouble } = troubleWith(job.to, error);
    answer = { failed: message, trouble };
  }
  parentPort!.postMessage(answer);
}

beginSnapshotThread();
