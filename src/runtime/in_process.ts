/**
 * Connections that leave no process: two joined transports whose bytes move by themselves, and ports of workers.
 * Knows when to move them; refuses to know what they mean. Needs nothing of a runtime, so it does for browsers too.
 * @module
 */
import { memoryPair, moved } from "../transport/memory.ts";
import type { Transport, TransportHandler } from "../transport/transport.ts";

export { messagePortTransport, type PortLike } from "./message_port.ts";
export { dialWorker, type WorkerLike } from "./worker_port.ts";
export type { Transport, TransportHandler };

/** Bytes that may be under way in each direction. */
const CAPACITY_BYTES = 256 * 1024;

/** So many things happen in one go; then the event loop turns. */
const STEPS_MAX = 1000;

/** Two joined transports: one for `Server.accept()`, one for a client in the same process. */
export function inProcess(label = "memory"): readonly [Transport, Transport] {
  const { left, right, step } = memoryPair({ capacityBytes: CAPACITY_BYTES, label });
  let isDue = false;
  const run = (): void => {
    isDue = false;
    for (let steps = 0; step();) {
      if (++steps === STEPS_MAX) {
        isDue = true;
        return void setTimeout(run);
      }
    }
  };
  const stir = (): void => {
    if (isDue) return;
    isDue = true;
    queueMicrotask(run);
  };
  return [moved(left, stir), moved(right, stir)];
}
