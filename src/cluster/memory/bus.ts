/**
 * One node's place on a bus in memory.
 * Knows who listens to what, and since when; refuses to know what goes wrong in between.
 * @module
 */
import type { Answer, Bus, RequestTrouble } from "../bus.ts";
import type { Cancel, Clock } from "../clock.ts";
import type { Wire } from "./wire.ts";

interface Listening {
  /** ms since the epoch: what is published elsewhere before that does not come. */
  readonly since: number;
  readonly received: (bytes: Uint8Array, answer?: Answer) => void;
}

/** See `Bus`. */
export class MemoryBus implements Bus {
  readonly bytesMax: number;
  readonly name: string;
  readonly #wire: Wire;
  /** All that are on the bus. */
  readonly #buses: Set<MemoryBus>;
  readonly #clock: Clock;
  readonly #listening: Map<string, Set<Listening>> = new Map();
  readonly #watchers: Set<(isConnected: boolean) => void> = new Set();
  readonly #questions: Set<(trouble: RequestTrouble) => void> = new Set();
  #isConnected = true;
  #isClosed = false;

  constructor(wire: Wire, buses: Set<MemoryBus>, name: string, clock: Clock, bytesMax: number) {
    this.bytesMax = bytesMax;
    this.name = name;
    this.#wire = wire;
    this.#buses = buses;
    this.#clock = clock;
    buses.add(this);
  }

  get isConnected(): boolean {
    return this.#isConnected && !this.#isClosed;
  }

  /** How many subjects are listened to, and questions asked. */
  get size(): number {
    return this.#listening.size + this.#questions.size;
  }

  publish(subject: string, bytes: Uint8Array): boolean {
    this.#send(subject, bytes);
    return this.isConnected;
  }

  subscribe(subject: string, received: (bytes: Uint8Array, answer?: Answer) => void): Cancel {
    const listening = { since: this.#clock.now() + this.#wire.delayMs(), received };
    let all = this.#listening.get(subject);
    if (all === undefined) this.#listening.set(subject, all = new Set());
    all.add(listening);
    return () => {
      all.delete(listening);
      if (all.size === 0 && this.#listening.get(subject) === all) this.#listening.delete(subject);
    };
  }

  request(
    subject: string,
    bytes: Uint8Array,
    ms: number,
    answered: (answer: Uint8Array | RequestTrouble) => void,
  ): void {
    const end = (answer: Uint8Array | RequestTrouble): void => {
      if (!this.#questions.delete(end) || this.#isClosed) return;
      cancel();
      answered(answer);
    };
    this.#questions.add(end);
    const cancel = this.#clock.at(this.#clock.now() + ms, () => end("silent"));
    if (!this.isConnected) return this.#clock.endOfTurn(() => end("disconnected"));
    const asker = this.name;
    const isHeard = this.#send(subject, bytes, (answerer) => (answer) => {
      if (!answerer.isConnected) return;
      const copy = answer.slice();
      this.#wire.carry(answerer.name, asker, "bus", () => this.isConnected && end(copy));
    });
    if (!isHeard) this.#clock.endOfTurn(() => end("nobody"));
  }

  watch(changed: (isConnected: boolean) => void): Cancel {
    this.#watchers.add(changed);
    return () => void this.#watchers.delete(changed);
  }

  close(): void {
    this.#isClosed = true;
    this.#buses.delete(this);
    this.#listening.clear();
    this.#watchers.clear();
    this.#questions.clear();
  }

  /** The connection breaks, or there is one again. */
  connect(isConnected: boolean): void {
    if (this.#isClosed || isConnected === this.#isConnected) return;
    this.#isConnected = isConnected;
    if (isConnected) this.#wire.reconnected(this.name);
    else for (const end of [...this.#questions]) end("disconnected");
    for (const changed of [...this.#watchers]) changed(isConnected);
  }

  /** Sends to whoever listens; false if nobody does. */
  #send(subject: string, bytes: Uint8Array, answer?: (answerer: MemoryBus) => Answer): boolean {
    if (bytes.length > this.bytesMax) {
      throw new RangeError(`A message has at most ${this.bytesMax} bytes, not ${bytes.length}`);
    }
    if (!this.isConnected) return false;
    const now = this.#clock.now();
    let isHeard = false;
    for (const bus of this.#buses) {
      for (const listening of bus.#listening.get(subject) ?? []) {
        if (bus !== this && listening.since > now) continue;
        isHeard = true;
        this.#wire.carry(this.name, bus.name, "bus", () => {
          if (!bus.isConnected || bus.#listening.get(subject)?.has(listening) !== true) return;
          const copy = bytes.slice();
          listening.received(copy, answer?.(bus));
          copy.fill(0xdd); // it was the callee's only during the call
        });
      }
    }
    return isHeard;
  }
}
