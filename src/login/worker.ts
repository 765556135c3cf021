/**
 * A thread that hashes passwords: one job after the other.
 * Knows the messages of the broker's thread; refuses to know users. Does nothing in the main thread.
 * @module
 */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { doHashJob, type HashAnswer, type HashJob } from "./hash.ts";

/** The `workerData` of a thread. */
export interface HashStart {
  readonly plumbHash: true;
}

/** A message to it. The password has a buffer of its own, which is wiped. */
export interface HashCall {
  readonly job: HashJob;
  readonly password: ArrayBuffer;
}

/** A message from it. */
export type HashReply = { readonly answer: HashAnswer } | { readonly failed: string };

/** Begins if this is such a thread; an executable in one file calls it in each of its threads. */
export function beginHashThread(): void {
  const start = workerData as Partial<HashStart> | null;
  if (isMainThread || start?.plumbHash === undefined) return;
  const port = parentPort!;
  port.on("message", ({ job, password }: HashCall) => {
    const bytes = new Uint8Array(password);
    doHashJob(job, bytes).then(
      (answer): HashReply => ({ answer }),
      (error: unknown): HashReply => ({ failed: error instanceof Error ? error.message : String(error) }),
    ).then((reply) => {
      bytes.fill(0);
      port.postMessage(reply);
    });
  });
}

beginHashThread();
