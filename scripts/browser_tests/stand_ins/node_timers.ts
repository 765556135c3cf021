/**
 * `node:timers` where there is none: a page has timers, and a message to oneself for the end of a turn.
 * Knows what browsers have; refuses to know what is waited for.
 * @module
 */

interface Port {
  onmessage: (() => void) | null;
  postMessage(value: number): void;
}

const world = globalThis as unknown as {
  readonly setImmediate?: (run: () => void) => unknown;
  readonly setTimeout: (run: () => void, ms?: number) => unknown;
  readonly clearTimeout: (timer: unknown) => void;
  readonly setInterval: (run: () => void, ms?: number) => unknown;
  readonly clearInterval: (timer: unknown) => void;
  readonly MessageChannel: new () => Record<"port1" | "port2", Port>;
};

/** As a page has it. */
export function setTimeout(run: () => void, ms?: number): unknown {
  return world.setTimeout(run, ms);
}

/** As a page has it. */
export function clearTimeout(timer: unknown): void {
  world.clearTimeout(timer);
}

/** As a page has it. */
export function setInterval(run: () => void, ms?: number): unknown {
  return world.setInterval(run, ms);
}

/** As a page has it. */
export function clearInterval(timer: unknown): void {
  world.clearInterval(timer);
}

let waiting: (() => void)[] = [];
let port: Port | undefined;

/** A turn of the loop later: pages hold timers of 0 ms back, and messages not. */
export function setImmediate(run: () => void): void {
  if (world.setImmediate !== undefined) return void world.setImmediate(run);
  if (port === undefined) {
    const { port1, port2 } = new world.MessageChannel();
    port1.onmessage = () => {
      const runs = waiting;
      waiting = [];
      for (const one of runs) one();
    };
    port = port2;
  }
  if (waiting.push(run) === 1) port.postMessage(0);
}
