/**
 * The thread of the disk: carries out each `DiskCall` of the broker's thread and answers it.
 * Knows one file; refuses to know its content. Does nothing in the main thread.
 * @module
 */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { SYSTEM_CLOCK } from "./clock.ts";
import { Database } from "./database.ts";
import { type DiskAnswer, type DiskCall, type DiskStart, LocalDisk } from "./disk.ts";
import { troubleWith } from "./error.ts";
import { Ended } from "./tidy.ts";

/** Begins if this is the thread of a store; an executable in one file calls it in each of its threads. */
export function beginDiskThread(): void {
  const start = workerData as Partial<DiskStart> | null;
  if (isMainThread || start?.plumbStore === undefined) return;
  const { path, sync } = start.plumbStore;
  const port = parentPort!;
  const answer = (message: DiskAnswer) => port.postMessage(message);
  const failed = (error: { message: string; trouble: ReturnType<typeof troubleWith>["trouble"] }) =>
    answer({ failed: error.message, trouble: error.trouble });
  let database: Database;
  let ended: Ended;
  try {
    database = new Database(path, sync);
    ended = new Ended(database);
  } catch (error) {
    failed(troubleWith(path, error));
    throw error;
  }
  const disk = new LocalDisk(database, ended, SYSTEM_CLOCK, {
    applied: (count) => answer({ applied: count }),
    failed,
    damaged: ({ message }) => answer({ damaged: message }),
    loaded: (request, { buffer, length }) =>
      port.postMessage({ loaded: request, page: buffer, length }, [buffer]),
  });
  port.on("message", (call: DiskCall) => {
    if ("apply" in call) disk.apply(new Uint8Array(call.apply, 0, call.length));
    else if ("load" in call) disk.load(call.load);
    else if ("retry" in call) disk.retry();
    else {
      disk.close();
      answer({ closed: true }); // `DiskThread` ends this thread then
    }
  });
}

beginDiskThread();
