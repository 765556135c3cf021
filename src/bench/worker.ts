/**
 * A thread of the load: follows the orders of the main thread, run after run, and returns its counts.
 * Knows phases; refuses to know what is done in them. Does nothing in the main thread.
 * @module
 */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { Connect } from "./connect.ts";
import { Flow } from "./flow.ts";
import type { Counts, Load, Order, Times } from "./load.ts";
import { Retained } from "./retained.ts";

/** The value a thread is started with: marks it as a thread of the load. */
export interface LoadThreadStart {
  readonly plumbLoad: true;
}

/** A phase of a run. `abort` may come at any time and ends the run, whatever it is doing. */
export type LoadCall =
  | { readonly open: Order }
  | { readonly run: Times }
  | { readonly drain: true }
  | { readonly close: true }
  | { readonly abort: true };

/** The answer: the phase is over; or, also without a question, the run has failed. */
export type LoadAnswer =
  | { readonly over: "open" | "run" | "close" | "abort" }
  | { readonly over: "drain"; readonly counts: Counts }
  | { readonly failed: string };

const LOADS = { flow: Flow, connect: Connect, retained: Retained } as const;

/** Begins if this is a thread of a load; an executable in one file calls it in each of its threads. */
export function beginLoadThread(): void {
  if (isMainThread || (workerData as Partial<LoadThreadStart> | null)?.plumbLoad !== true) return;
  const port = parentPort!;
  const say = (answer: LoadAnswer) => port.postMessage(answer);
  let load: Load | undefined;

  async function answer(call: LoadCall): Promise<void> {
    if ("abort" in call) {
      load?.abort();
      load = undefined;
      return say({ over: "abort" });
    }
    if ("open" in call) {
      const { open: order } = call;
      const mine = load = new LOADS[order.plan.kind](order, (error) => failed(mine, error));
      await mine.open();
      if (load === mine) say({ over: "open" });
      return;
    }
    const mine = load;
    if (mine === undefined) return;
    if ("run" in call) {
      await mine.run(call.run);
      if (load === mine) say({ over: "run" });
    } else if ("drain" in call) {
      const counts = await mine.drain();
      if (load === mine) port.postMessage({ over: "drain", counts }, [counts.latency]);
    } else {
      await mine.close();
      if (load !== mine) return;
      load = undefined;
      say({ over: "close" });
    }
  }

  /** Said once for each run; the main thread then aborts it everywhere. */
  function failed(whose: Load | undefined, error: Error): void {
    if (whose === undefined || whose !== load) return;
    say({ failed: error.message });
  }

  port.on("message", (call: LoadCall) => {
    const whose = "open" in call ? undefined : load;
    answer(call).catch((error) => failed(whose ?? load, error));
  });
}

beginLoadThread();
