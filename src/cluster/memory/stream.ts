/**
 * Streams in memory, with a network between them and their users.
 * Knows the rules of a real one; refuses to know servers and elections: what those bring about is loss and delay.
 * @module
 */
import type { Clock } from "../clock.ts";
import { CLUSTER } from "../limits.ts";
import type { NotAdded, Stream, StreamMessage, StreamPage } from "../stream.ts";
import type { MemoryBus } from "./bus.ts";
import type { Wire } from "./wire.ts";

/** The place of the streams in the network, as if it were a node. */
export const STREAMS = "streams";

/** What is kept of one stream. */
export class StreamStore {
  /** By number, in order; and the number of the one with each key. */
  readonly #messages: Map<number, StreamMessage> = new Map();
  readonly #keys: Map<string, number> = new Map();
  #last = 0;
  readonly #waiting: Set<() => void> = new Set();

  /** For a test to look at. */
  get messages(): readonly StreamMessage[] {
    return [...this.#messages.values()];
  }

  get last(): number {
    return this.#last;
  }

  add(bytes: Uint8Array, key: string | undefined, expectedLast: number | undefined): number | NotAdded {
    if (expectedLast !== undefined && expectedLast !== this.#last) {
      return { why: "refused", reason: `the last message is ${this.#last}, not ${expectedLast}` };
    }
    this.#last++;
    if (key !== undefined) {
      this.#messages.delete(this.#keys.get(key) ?? 0);
      this.#keys.set(key, this.#last);
    }
    this.#messages.set(this.#last, { sequence: this.#last, bytes });
    for (const look of [...this.#waiting]) look();
    return this.#last;
  }

  read(from: number): StreamPage {
    const messages: StreamMessage[] = [];
    let bytes = 0;
    for (const message of this.#messages.values()) {
      if (message.sequence < from) continue;
      if (bytes >= CLUSTER.pageBytes || messages.length >= CLUSTER.pageMessages) break;
      messages.push({ sequence: message.sequence, bytes: message.bytes.slice() });
      bytes += message.bytes.length;
    }
    const { value: first = this.#last + 1 } = this.#messages.keys().next();
    return { messages, first, last: this.#last };
  }

  purge(through: number): void {
    for (const sequence of this.#messages.keys()) {
      if (sequence > through) return;
      this.#messages.delete(sequence);
    }
  }

  /** All servers have lost what came last, though it was acknowledged; the numbers are given anew. */
  lose(count: number): void {
    for (; count > 0 && this.#messages.has(this.#last); count--) this.#messages.delete(this.#last--);
  }

  /** Calls `look` at each message that is added, until it is taken back. */
  wait(look: () => void): () => void {
    this.#waiting.add(look);
    return () => void this.#waiting.delete(look);
  }
}

/** See `Stream`. */
export class MemoryStream implements Stream {
  readonly bytesMax: number;
  readonly #wire: Wire;
  readonly #store: StreamStore;
  readonly #bus: MemoryBus;
  readonly #clock: Clock;
  #isClosed = false;

  constructor(wire: Wire, store: StreamStore, bus: MemoryBus, clock: Clock) {
    this.bytesMax = bus.bytesMax;
    this.#wire = wire;
    this.#store = store;
    this.#bus = bus;
    this.#clock = clock;
  }

  add(
    bytes: Uint8Array,
    key: string | undefined,
    expectedLast: number | undefined,
    answered: (sequence: number | NotAdded) => void,
  ): void {
    if (bytes.length > this.bytesMax) {
      throw new RangeError(`A message has at most ${this.bytesMax} bytes, not ${bytes.length}`);
    }
    if (!this.#bus.isConnected) {
      return this.#later(() => answered({ why: "absent", reason: "there is no connection" }));
    }
    const copy = bytes.slice();
    const unsure: NotAdded = { why: "unsure", reason: "no answer" };
    this.#ask(CLUSTER.answerMs, () => answered(unsure), (answer) => {
      const outcome = this.#store.add(copy, key, expectedLast);
      answer(() => answered(outcome));
    });
  }

  read(from: number, waitMs: number, answered: (page: StreamPage | string) => void): void {
    if (!this.#bus.isConnected) return this.#later(() => answered("there is no connection"));
    this.#ask(waitMs + CLUSTER.answerMs, () => answered("no answer"), (answer) => {
      const page = this.#store.read(from);
      if (page.messages.length > 0 || waitMs === 0) return answer(() => answered(page));
      const come = (): void => {
        const page = this.#store.read(from);
        if (page.messages.length > 0) tell(page);
      };
      const tell = (page: StreamPage): void => {
        end();
        cancel();
        answer(() => answered(page));
      };
      const end = this.#store.wait(come);
      const cancel = this.#wire.schedule.at(
        this.#wire.schedule.now() + waitMs,
        () => tell(this.#store.read(from)),
      );
    });
  }

  purge(through: number, answered: (trouble?: string) => void): void {
    if (!this.#bus.isConnected) return this.#later(() => answered("there is no connection"));
    this.#ask(CLUSTER.answerMs, () => answered("no answer"), (answer) => {
      const { last } = this.#store;
      if (through <= last) this.#store.purge(through);
      answer(() => through <= last ? answered() : answered(`${through} is beyond the last message, ${last}`));
    });
  }

  close(): void {
    this.#isClosed = true;
  }

  #later(run: () => void): void {
    this.#clock.endOfTurn(() => this.#isClosed || run());
  }

  /** Lets `act` be done at the store, which answers; or calls `silent` in time. */
  #ask(ms: number, silent: () => void, act: (answer: (told: () => void) => void) => void): void {
    let isOver = false;
    const end = (told: () => void): void => {
      if (isOver) return;
      isOver = true;
      cancel();
      unwatch();
      if (!this.#isClosed) told();
    };
    const unwatch = this.#bus.watch((isConnected) => isConnected || end(silent));
    const cancel = this.#clock.at(this.#clock.now() + ms, () => end(silent));
    const { name } = this.#bus;
    this.#wire.carry(name, STREAMS, "stream", () => {
      act((told) => this.#wire.carry(STREAMS, name, "stream", () => end(told)));
    });
  }
}
