/**
 * Two joined transports in memory with a network between them, which holds bytes up, loses them, and fails at any byte.
 * Knows bytes, chance and virtual time; refuses to know packets.
 * @module
 */
import type { Random } from "../engine/random.ts";
import { type MemoryOptions, type MemoryPair, memoryPair } from "../transport/memory.ts";
import type { Transport } from "../transport/transport.ts";
import type { VirtualLoop } from "./virtual_loop.ts";

/** One direction. */
interface Lane {
  readonly to: Transport;
  /** Between the ends. */
  queue: Uint8Array[];
  /** ms since the epoch: nothing moves before. */
  stalledUntil: number;
  /** Its bytes never arrive. */
  isLost: boolean;
  /** Its writer has closed: so does the other end when all has arrived. */
  isEnded: boolean;
  /** Bytes that still arrive before everything fails. */
  left: number;
}

/** A pair whose bytes take two hops: the network has them in between. */
export class UnsteadyPair implements MemoryPair {
  readonly left: Transport;
  readonly right: Transport;
  readonly #near: MemoryPair;
  readonly #far: MemoryPair;
  readonly #lanes: readonly [toLeft: Lane, toRight: Lane];
  readonly #random: Random;
  readonly #loop: VirtualLoop;
  readonly #chunkBytes: number;

  /** `chunkBytes`: the most that moves at once. */
  constructor(random: Random, loop: VirtualLoop, chunkBytes: number, memory: MemoryOptions = {}) {
    this.#random = random;
    this.#loop = loop;
    this.#chunkBytes = chunkBytes;
    this.#near = memoryPair({ ...memory, label: "near" });
    this.#far = memoryPair({ ...memory, label: "far" });
    this.left = this.#far.left;
    this.right = this.#near.right;
    const lane = (to: Transport): Lane => ({
      to,
      queue: [],
      stalledUntil: 0,
      isLost: false,
      isEnded: false,
      left: Infinity,
    });
    this.#lanes = [lane(this.#far.right), lane(this.#near.left)];
    this.#join(this.#near.left, this.#lanes[0], this.#lanes[1]);
    this.#join(this.#far.right, this.#lanes[1], this.#lanes[0]);
  }

  #join(from: Transport, onward: Lane, back: Lane): void {
    from.start({
      received(chunk) {
        if (!onward.isLost) onward.queue.push(chunk.slice());
      },
      drained() {},
      closed: (error) => {
        back.isLost = true; // its end has gone
        back.queue = [];
        if (error === undefined) onward.isEnded = true;
        else onward.to.abort();
      },
    });
  }

  /** One thing happens somewhere, by chance. */
  step(): boolean {
    const from = this.#random();
    for (let i = 0; i < 4; i++) {
      const at = (from + i) % 4;
      if (at === 0 ? this.#near.step() : at === 1 ? this.#far.step() : this.#move(this.#lanes[at - 2]!)) {
        return true;
      }
    }
    return false;
  }

  deliver(turn?: () => void): number {
    let steps = 0;
    for (; turn?.(), this.step(); steps++);
    return steps;
  }

  #move(lane: Lane): boolean {
    if (this.#loop.time < lane.stalledUntil) return false;
    const first = lane.queue[0];
    if (first === undefined) {
      if (!lane.isEnded || lane.isLost) return false;
      lane.isEnded = false;
      lane.to.close();
      return true;
    }
    const most = Math.min(first.length, lane.left, 1 + this.#random() % this.#chunkBytes);
    const taken = lane.to.write(first.subarray(0, most));
    lane.left -= taken;
    if (taken === first.length) lane.queue.shift();
    else lane.queue[0] = first.subarray(taken);
    if (lane.left === 0) {
      for (const one of this.#lanes) one.queue = [];
      this.left.abort();
      this.right.abort();
    }
    return taken > 0;
  }

  /** One direction carries nothing for so many ms. */
  stall(direction: 0 | 1, ms: number): void {
    this.#lanes[direction].stalledUntil = this.#loop.time + ms;
    this.#loop.at(this.#loop.time + ms, () => {}); // there is something to do then
  }

  /** One direction carries nothing any more, not even its end. */
  lose(direction: 0 | 1): void {
    this.#lanes[direction].isLost = true;
    this.#lanes[direction].queue = [];
  }

  /** Both ends fail when so many more bytes, 1 or more, have gone in one direction: 0 is towards `left`. */
  cutAfter(direction: 0 | 1, bytes: number): void {
    this.#lanes[direction].left = bytes;
  }
}
