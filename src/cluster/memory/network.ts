/**
 * Nodes in one process with a bus and streams between them, for tests and simulations.
 * Knows lives of nodes; refuses to know what they do.
 * @module
 */
import type { Random } from "../../engine/random.ts";
import type { Loop } from "../../runtime/loop.ts";
import type { Cancel } from "../clock.ts";
import { MemoryBus } from "./bus.ts";
import type { Schedule } from "./schedule.ts";
import { MemoryStream, StreamStore } from "./stream.ts";
import { Wire } from "./wire.ts";

/** One life of a node. Behind a crash nothing of it does anything any more. */
export interface MemoryNode {
  readonly name: string;
  readonly bus: MemoryBus;
  /** Its timers end with it. A broker's `Driver` takes it too. */
  readonly clock: Loop;
  /** The stream of this name, which all nodes share; made when it is first asked for. */
  stream(name: string): MemoryStream;
  crash(): void;
}

/** See the module. */
export class MemoryNetwork extends Wire {
  /** The most bytes of one message. */
  readonly bytesMax: number;
  readonly #buses: Set<MemoryBus> = new Set();
  readonly #stores: Map<string, StreamStore> = new Map();

  constructor(schedule: Schedule, random: Random, bytesMax: number = 1024 * 1024) {
    super(schedule, random);
    this.bytesMax = bytesMax;
  }

  /** A new life of a node. */
  node(name: string): MemoryNode {
    let isAlive = true;
    const { schedule } = this;
    const clock: Loop = {
      now: () => schedule.now(),
      at: (ms: number, run: () => void): Cancel => schedule.at(ms, () => isAlive && run()),
      endOfTurn: (run: () => void): void => schedule.endOfTurn(() => isAlive && run()),
      afterInput: (run: () => void): void => schedule.afterInput(() => isAlive && run()),
      afterLook: (sockets: number, run: () => void): void =>
        schedule.afterLook(sockets, () => isAlive && run()),
    };
    const bus = new MemoryBus(this, this.#buses, name, clock, this.bytesMax);
    const streams: MemoryStream[] = [];
    return {
      name,
      bus,
      clock,
      stream: (stream: string): MemoryStream => {
        const opened = new MemoryStream(this, this.store(stream), bus, clock);
        streams.push(opened);
        return opened;
      },
      crash(): void {
        isAlive = false;
        bus.close();
        for (const stream of streams) stream.close();
      },
    };
  }

  /** What is kept of a stream, for a test to look at. */
  store(name: string): StreamStore {
    let store = this.#stores.get(name);
    if (store === undefined) this.#stores.set(name, store = new StreamStore());
    return store;
  }
}
