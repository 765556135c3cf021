/**
 * A simulated network between nodes of one process. A seed does the same at each run.
 * Knows delay, loss, repeats and cuts; refuses to know what is carried.
 * @module
 */
import type { Random } from "../../engine/random.ts";
import type { Schedule } from "./schedule.ts";

/** What goes wrong, from now on. All of it is chance. */
export interface Faults {
  /** ms that a message takes. */
  delayMs: readonly [least: number, most: number];
  /** Of 1,000 messages of the bus, how many never come. */
  busLoss: number;
  /** Of 1,000 messages of the bus, how many come a second time, later. */
  busRepeats: number;
  /** Of 1,000 calls of a stream, and of their answers, how many never come: the latter make a call ambiguous. */
  streamLoss: number;
  /** Of 1,000 messages, how many hold up themselves and those behind them, for so many ms. */
  stalls: number;
  /** See `stalls`. */
  stallMs: number;
}

/** What a message belongs to. */
export type Carried = "bus" | "stream";

/** See the module. */
export class Wire {
  readonly schedule: Schedule;
  readonly random: Random;
  /** May be changed at any time. */
  readonly faults: Faults = {
    delayMs: [0, 0],
    busLoss: 0,
    busRepeats: 0,
    streamLoss: 0,
    stalls: 0,
    stallMs: 0,
  };
  readonly #cuts: Set<string> = new Set();
  /** By direction: nothing comes before what went before it. */
  readonly #lanes: Map<string, number> = new Map();

  constructor(schedule: Schedule, random: Random) {
    this.schedule = schedule;
    this.random = random;
  }

  /** From now on nothing comes from one node to the other, not even what is under way; the other way all does. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  /** Divides nodes: nothing comes from one group to another. `STREAMS` may be in a group; who is in none is cut off from nobody. */
  divide(...groups: readonly (readonly string[])[]): void {
    for (const group of groups) {
      for (const other of groups) {
        if (group !== other) { for (const from of group) for (const to of other) this.cut(from, to); }
      }
    }
  }

  /** Ends all cuts. */
  heal(): void {
    this.#cuts.clear();
  }

  /** A node has a new connection: what is sent over it may outrun what went over the old one. */
  reconnected(node: string): void {
    for (const way of this.#lanes.keys()) {
      if (way.startsWith(`${node}>`) || way.endsWith(`>${node}`)) this.#lanes.delete(way);
    }
  }

  /** Lets `arrived` be called when a message has come from one node to the other, if it does. */
  carry(from: string, to: string, what: Carried, arrived: () => void): void {
    const { faults, schedule } = this;
    const way = `${from}>${to}`;
    const isLost = this.#happens(what === "bus" ? faults.busLoss : faults.streamLoss);
    const isRepeated = this.#happens(what === "bus" ? faults.busRepeats : 0);
    const stallMs = this.#happens(faults.stalls) ? faults.stallMs : 0;
    const at = Math.max(this.#lanes.get(way) ?? 0, schedule.now() + this.delayMs() + stallMs);
    this.#lanes.set(way, at);
    const come = (): void => {
      if (!this.#cuts.has(way)) arrived();
    };
    if (this.#cuts.has(way) || isLost) return;
    schedule.at(at, come);
    if (isRepeated) schedule.at(at + this.delayMs(), come);
  }

  /** How long one message takes, by chance. */
  delayMs(): number {
    const [least, most] = this.faults.delayMs;
    return most === least ? least : least + this.random() % (most - least + 1);
  }

  #happens(ofThousand: number): boolean {
    return ofThousand > 0 && this.random() % 1000 < ofThousand;
  }
}
