/**
 * Connections inside this process: for tests, and for broker and Client in one program.
 * Knows when to move the bytes of a pair; refuses to know what they mean.
 * @module
 */
import { memoryPair } from "../transport/memory.ts";
import type { Transport, TransportHandler } from "../transport/transport.ts";
import { type ClientLoop, systemLoop } from "./loop.ts";
import type { Dialer } from "./options.ts";

/** One end, which has the bytes moved at the end of each turn in which something was done. */
class Moving implements Transport {
  readonly #end: Transport;
  readonly #move: () => void;

  constructor(end: Transport, move: () => void) {
    this.#end = end;
    this.#move = move;
  }

  get label(): string {
    return this.#end.label;
  }

  start(handler: TransportHandler): void {
    this.#end.start(handler);
    this.#move();
  }

  write(chunk: Uint8Array): number {
    this.#move();
    return this.#end.write(chunk);
  }

  pause(): void {
    this.#end.pause();
  }

  resume(): void {
    this.#end.resume();
    this.#move();
  }

  close(): void {
    this.#end.close();
    this.#move();
  }

  abort(): void {
    this.#end.abort();
    this.#move();
  }
}

/** A dialer that hands the other end of each connection to `accept`, which starts it. */
export function memoryDialer(
  accept: (transport: Transport) => void,
  loop: Pick<ClientLoop, "endOfTurn"> = systemLoop(),
): Dialer {
  return () => {
    const pair = memoryPair({ capacityBytes: CAPACITY_BYTES });
    let isMoving = false;
    const move = (): void => {
      if (isMoving) return;
      isMoving = true;
      loop.endOfTurn(() => {
        isMoving = false;
        pair.deliver();
      });
    };
    accept(new Moving(pair.left, move));
    return Promise.resolve(new Moving(pair.right, move));
  };
}

/** Bytes under way in each direction. */
const CAPACITY_BYTES = 1024 * 1024;
