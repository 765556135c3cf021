/**
 * §4.2 Network Connections: two joined transports in memory, for tests and for broker and client in one process.
 * Knows order, capacity and chunk sizes; refuses to know time: bytes move only when `step()` is called.
 * @module
 */
import type { Transport, TransportHandler } from "./transport.ts";

/** How a pair behaves. */
export interface MemoryOptions {
  /** Bytes that may be under way in each direction; above it `write()` takes fewer. No limit by default. */
  readonly capacityBytes?: number;
  /** How many of the bytes that wait are handed over at once, 1 to `waiting`. By default each `write()` arrives as it was. */
  readonly chunkBytes?: (waiting: number) => number;
  /** Names the two ends in `label`. */
  readonly label?: string;
}

/** Two ends of one stream and the hand that moves the bytes. */
export interface MemoryPair {
  /** One end. */
  readonly left: Transport;
  /** The other. */
  readonly right: Transport;
  /** Makes one thing happen: a chunk, a `drained()` or a `closed()`, the two ends in turn. False: nothing is left to happen. */
  step(): boolean;
  /** Steps until nothing is left to happen, calling `turn` after each step (an engine's `flush()`, say). Returns the steps. */
  deliver(turn?: () => void): number;
}

/** Makes two joined transports. What one writes, the other receives. */
export function memoryPair(options: MemoryOptions = {}): MemoryPair {
  const label = options.label ?? "memory";
  const left = new End(`${label} left`, options);
  const right = new End(`${label} right`, options);
  left.join(right);
  right.join(left);
  let turnOf = left;
  function step(): boolean {
    const first = turnOf;
    const second = first === left ? right : left;
    if (first.step()) turnOf = second;
    else if (!second.step()) return false;
    return true;
  }
  return {
    left,
    right,
    step,
    deliver(turn?: () => void): number {
      let steps = 0;
      for (;;) {
        turn?.();
        if (!step()) return steps;
        steps++;
      }
    },
  };
}

/** An end of a pair that calls `stir` whenever something is done with it: there are bytes to move then. `over`: its stream is over. */
export function moved(end: Transport, stir: () => void, over?: () => void): Transport {
  return {
    label: end.label,
    start(handler): void {
      end.start({
        received: (chunk) => handler.received(chunk),
        drained: () => handler.drained(),
        closed(error): void {
          over?.();
          handler.closed(error);
        },
      });
      stir();
    },
    write(chunk): number {
      stir();
      return end.write(chunk);
    },
    pause: () => end.pause(),
    resume(): void {
      end.resume();
      stir();
    },
    close(): void {
      end.close();
      stir();
    },
    abort(): void {
      end.abort();
      stir();
    },
  };
}

/** One end, with the bytes and the news that are on their way to it. */
class End implements Transport {
  readonly label: string;
  readonly #capacityBytes: number;
  readonly #chunkBytes: ((waiting: number) => number) | undefined;
  #peer!: End;
  #handler: TransportHandler | undefined;
  #incoming: Uint8Array[] = [];
  #incomingBytes = 0;
  /** The peer wrote its last byte. */
  #peerEnded = false;
  /** We wrote our last byte. */
  #ended = false;
  #paused = false;
  /** A `write()` was short, and `drained()` was not called since. */
  #owesDrained = false;
  /** Set when the stream is over and `closed()` is still to be called. */
  #over: { error: Error | undefined } | undefined;
  #dead = false;

  constructor(label: string, options: MemoryOptions) {
    this.label = label;
    this.#capacityBytes = options.capacityBytes ?? Infinity;
    this.#chunkBytes = options.chunkBytes;
  }

  join(peer: End): void {
    this.#peer = peer;
  }

  start(handler: TransportHandler): void {
    if (this.#handler !== undefined) throw new Error("A transport is started once");
    this.#handler = handler;
  }

  write(chunk: Uint8Array): number {
    if (this.#ended) return 0;
    const peer = this.#peer;
    const taken = Math.min(chunk.length, Math.max(0, this.#capacityBytes - peer.#incomingBytes));
    if (taken > 0) {
      peer.#incoming.push(new Uint8Array(chunk.subarray(0, taken)));
      peer.#incomingBytes += taken;
    }
    if (taken < chunk.length) this.#owesDrained = true;
    return taken;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#owesDrained = false;
    this.#peer.#peerEnded = true;
  }

  abort(): void {
    if (this.#dead || this.#over !== undefined) return;
    this.#end(undefined);
    this.#peer.#end(new Error("Connection reset by peer"));
  }

  /** Makes the next thing happen here, if there is one. */
  step(): boolean {
    const handler = this.#handler;
    if (handler === undefined || this.#dead) return false;
    if (this.#over !== undefined) {
      this.#dead = true;
      const { error } = this.#over;
      if (error === undefined) handler.closed();
      else handler.closed(error);
      return true;
    }
    if (this.#owesDrained && this.#peer.#incomingBytes < this.#capacityBytes) {
      this.#owesDrained = false;
      handler.drained();
      return true;
    }
    // After our own close() what arrives is thrown away, paused or not.
    if (this.#paused && !this.#ended) return false;
    const first = this.#incoming[0];
    if (first !== undefined) {
      this.#receive(handler, first);
      return true;
    }
    if (!this.#peerEnded) return false;
    // Both halves end with the peer's: what we had written is still on its way to the peer.
    this.close();
    this.#over = { error: undefined };
    return true;
  }

  #receive(handler: TransportHandler, first: Uint8Array): void {
    const wanted = this.#chunkBytes?.(this.#incomingBytes) ?? first.length;
    const length = Math.max(1, Math.min(wanted, this.#incomingBytes));
    const chunk = length === first.length ? first : this.#gather(length);
    if (length === first.length) this.#incoming.shift();
    this.#incomingBytes -= length;
    if (this.#ended) return;
    handler.received(chunk);
    // The chunk was the callee's only during the call: a view that is kept shows this value at once.
    chunk.fill(0xdd);
  }

  /** Takes `length` bytes from the front, across the borders of the writes. */
  #gather(length: number): Uint8Array {
    const chunk = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const piece = this.#incoming[0]!;
      const part = piece.subarray(0, length - filled);
      chunk.set(part, filled);
      filled += part.length;
      if (part.length === piece.length) this.#incoming.shift();
      else this.#incoming[0] = piece.subarray(part.length);
    }
    return chunk;
  }

  #end(error: Error | undefined): void {
    if (this.#dead || this.#over !== undefined) return;
    this.#ended = true;
    this.#owesDrained = false;
    this.#incoming = [];
    this.#incomingBytes = 0;
    this.#over = { error };
  }
}
