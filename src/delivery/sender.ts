/**
 * §2.2.1, §4.3, §4.4 The sender's side of QoS 1 and 2: which Packet Identifiers are open, and at which step.
 * Knows identifiers and steps; refuses to know Client and Server, bytes and connections.
 * @module
 */

/** §4.3.2, §4.3.3 where an exchange stands. */
export const Step = {
  /** The identifier is not in use. */
  FREE: 0,
  /** QoS 1: PUBLISH sent, PUBACK awaited [MQTT-4.3.2-3]. */
  PUBACK: 1,
  /** QoS 2: PUBLISH sent, PUBREC awaited [MQTT-4.3.3-3]. */
  PUBREC: 2,
  /** QoS 2: PUBREL sent, PUBCOMP awaited [MQTT-4.3.3-5]. */
  PUBCOMP: 3,
  /** An identifier is given but the PUBLISH not yet sent on this connection, QoS 1. */
  RESEND_1: 4,
  /** An identifier is given but the PUBLISH not yet sent on this connection, QoS 2. */
  RESEND_2: 5,
  /** A Client's SUBSCRIBE, SUBACK awaited: the identifier is in use, no message is in flight. */
  SUBACK: 6,
  /** A Client's UNSUBSCRIBE, UNSUBACK awaited. */
  UNSUBACK: 7,
} as const;
/** A value of `Step`. */
export type Step = typeof Step[keyof typeof Step];

/** Identifiers are kept in a ring by their low bits, so neither hashing nor 65,536 slots per session are needed. */
const FIRST_CAPACITY = 16;
const MOST_CAPACITY = 65_536;

/** Open exchanges of one session, each with an item that its owner finds again by the identifier. */
export class Sender<D> {
  #ids: Uint16Array = new Uint16Array(FIRST_CAPACITY);
  #steps: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  #items: (D | undefined)[] = [];
  #mask = FIRST_CAPACITY - 1;
  #next = 1;
  #open = 0;
  #inFlight = 0;

  /** Exchanges that are not finished. */
  get open(): number {
    return this.#open;
  }

  /** §4.9 the open ones whose PUBLISH or PUBREL was sent on this connection: they count against the peer's Receive Maximum. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Opens an exchange under an identifier that no open one uses [MQTT-2.2.1-4] [MQTT-4.3.2-1] [MQTT-4.3.3-1]. */
  begin(step: Step, item: D | undefined): number {
    if (this.#open * 2 >= this.#mask + 1 && this.#mask + 1 < MOST_CAPACITY) this.#grow();
    let id = this.#next;
    while (id === 0 || this.#steps[id & this.#mask] !== Step.FREE) id = (id + 1) & 0xffff;
    this.#next = (id + 1) & 0xffff;
    this.#put(id, step, item);
    return id;
  }

  /** Puts an exchange back under the identifier it had. */
  restore(id: number, step: Step, item: D | undefined): void {
    while (this.#steps[id & this.#mask] !== Step.FREE) this.#grow();
    this.#put(id, step, item);
  }

  /** The step of `id`, FREE if it is not open. */
  step(id: number): Step {
    const slot = id & this.#mask;
    return this.#ids[slot] === id ? this.#steps[slot] as Step : Step.FREE;
  }

  /** The item given to `begin()`; `id` must be open. */
  item(id: number): D | undefined {
    return this.#items[id & this.#mask];
  }

  /** Moves an open exchange on, with another item. */
  advance(id: number, step: Step, item: D | undefined): void {
    const slot = id & this.#mask;
    this.#inFlight += flies(step) - flies(this.#steps[slot] as Step);
    this.#steps[slot] = step;
    if (item !== undefined || slot < this.#items.length) this.#items[slot] = item;
  }

  /** Ends an open exchange; its identifier is free again. */
  end(id: number): void {
    this.advance(id, Step.FREE, undefined);
    this.#open--;
  }

  /** Calls `visit` for each open exchange, in no order. */
  each(visit: (id: number, step: Step, item: D | undefined) => void): void {
    for (let slot = 0; slot <= this.#mask; slot++) {
      const step = this.#steps[slot] as Step;
      if (step !== Step.FREE) visit(this.#ids[slot]!, step, this.#items[slot]);
    }
  }

  #put(id: number, step: Step, item: D | undefined): void {
    const slot = id & this.#mask;
    this.#ids[slot] = id;
    this.#steps[slot] = step;
    this.#inFlight += flies(step);
    if (item !== undefined || slot < this.#items.length) {
      while (this.#items.length < slot) this.#items.push(undefined); // never an array with holes
      this.#items[slot] = item;
    }
    this.#open++;
  }

  #grow(): void {
    const ids = this.#ids;
    const steps = this.#steps;
    const items = this.#items;
    const capacity = (this.#mask + 1) * 2;
    this.#mask = capacity - 1;
    this.#ids = new Uint16Array(capacity);
    this.#steps = new Uint8Array(capacity);
    this.#items = [];
    this.#open = this.#inFlight = 0;
    for (let slot = 0; slot < steps.length; slot++) {
      if (steps[slot] !== Step.FREE) this.#put(ids[slot]!, steps[slot] as Step, items[slot]);
    }
  }
}

/** 1 for a step at which an exchange is in flight, else 0. */
function flies(step: Step): number {
  return step === Step.FREE || step >= Step.RESEND_1 ? 0 : 1;
}
