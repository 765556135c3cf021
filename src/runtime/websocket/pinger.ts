/**
 * Pings on idle WebSockets, so that no proxy between takes them for dead: usual ones cut after 60 s without a byte.
 * Knows when; refuses to know frames.
 * @module
 */
import { clearInterval, setInterval } from "node:timers";
import type { WebSocketTransport } from "../../transport/websocket.ts";

/** Each WebSocket is looked at so often: a Ping comes after 15 to 30 s of silence. */
const KEEP_ALIVE_S = 15;

/** All WebSockets of this process, in portions of which one is looked at each second: thousands of Pings at once would be felt. */
class Pinger {
  readonly #portions = Array.from({ length: KEEP_ALIVE_S }, () => new Set<WebSocketTransport>());
  #count = 0;
  #next = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  add(transport: WebSocketTransport): void {
    this.#portions[this.#next++ % KEEP_ALIVE_S]!.add(transport);
    if (this.#count++ === 0) this.#begin();
  }

  delete(transport: WebSocketTransport): void {
    const isKnown = this.#portions.some((portion) => portion.delete(transport));
    if (isKnown && --this.#count === 0) clearInterval(this.#timer);
  }

  #begin(): void {
    let second = 0;
    this.#timer = setInterval(() => {
      for (const one of this.#portions[second++ % KEEP_ALIVE_S]!) one.keepAlive();
    }, 1000);
    this.#timer.unref(); // a process whose connections are all over ends
  }
}

/** Of this process. */
const PINGER = new Pinger();

/** Calls `keepAlive()` of it from time to time. */
export function keepAlive(transport: WebSocketTransport): void {
  PINGER.add(transport);
}

/** No more. */
export function letGo(transport: WebSocketTransport): void {
  PINGER.delete(transport);
}
