/**
 * §4.3.3 The Packet Identifiers of the Server's QoS 2 messages that are not released.
 * Knows numbers; refuses to know messages. `delivery/receiver.ts` is the same for a Server, where thousands of sessions share the memory.
 * @module
 */

const BYTES = 8_192;

/** A set of identifiers, 1 to 65535: a bit each. */
export class IdentifierSet {
  readonly #bits: Uint8Array = new Uint8Array(BYTES);
  /** How many there are. */
  size = 0;

  /** Whether `id` is one of them. */
  has(id: number): boolean {
    return (this.#bits[id >> 3]! >> (id & 7) & 1) === 1;
  }

  /** Puts `id` in. */
  add(id: number): void {
    if (!this.has(id)) this.#flip(id, 1);
  }

  /** Takes `id` out: a PUBLISH under it is new again [MQTT-4.3.3-12]. */
  delete(id: number): void {
    if (this.has(id)) this.#flip(id, -1);
  }

  #flip(id: number, by: 1 | -1): void {
    this.#bits[id >> 3]! ^= 1 << (id & 7);
    this.size += by;
  }

  /** All of them, in their order. */
  all(): number[] {
    const ids: number[] = [];
    for (let id = 1; ids.length < this.size; id++) if (this.has(id)) ids.push(id);
    return ids;
  }
}
