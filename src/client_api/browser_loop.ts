/**
 * The event loop of a page.
 * Knows its messages and timers; refuses to know what turns are for.
 * @module
 */
import { type ClientLoop, systemLoop } from "./loop.ts";

/**
 * A turn ends with a message to oneself, behind all promises that are settled by then: what many loops and callbacks publish because of one
 * WebSocket message leaves as one. Timers would be late in a tab in the background, messages are not.
 */
export function browserLoop(): ClientLoop {
  const loop = systemLoop();
  const { MessageChannel, setImmediate } = globalThis as unknown as {
    readonly MessageChannel: new () => Record<"port1" | "port2", Port>;
    readonly setImmediate?: unknown;
  };
  if (setImmediate !== undefined) return loop;
  const { port1, port2 } = new MessageChannel();
  let runs: (() => void)[] = [];
  port1.onmessage = () => {
    const now = runs;
    runs = [];
    for (const run of now) run();
  };
  return {
    ...loop,
    endOfTurn(run) {
      if (runs.push(run) === 1) port2.postMessage(0);
    },
  };
}

interface Port {
  onmessage: () => void;
  postMessage(value: number): void;
}
