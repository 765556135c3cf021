/**
 * §4.3.3 The receiver's side of QoS 2: which Packet Identifiers came with a PUBLISH and are not released.
 * Knows identifiers; refuses to know Client and Server, bytes and connections.
 * @module
 */

/** Identifiers are kept in a ring by their low bits: the identifiers of one sender follow each other, so nothing is hashed. */
const FIRST_CAPACITY = 16;

/** A set of open identifiers, 1 to 65535. */
export class Receiver implements Iterable<number> {
  /** 0 is a free place. */
  #ids: Uint16Array = new Uint16Array(FIRST_CAPACITY);
  #size = 0;

  /** How many are open. */
  get size(): number {
    return this.#size;
  }

  /** Whether `id` is open. */
  has(id: number): boolean {
    return this.#ids[id & (this.#ids.length - 1)] === id;
  }

  /** Opens `id`. */
  add(id: number): void {
    for (;;) {
      const slot = id & (this.#ids.length - 1);
      if (this.#ids[slot] === id) return;
      if (this.#ids[slot] === 0) {
        this.#ids[slot] = id;
        this.#size++;
        return;
      }
      this.#grow();
    }
  }

  /** Releases `id`: a PUBLISH under it is new again [MQTT-4.3.3-12]. False if it is not open. */
  delete(id: number): boolean {
    const slot = id & (this.#ids.length - 1);
    if (this.#ids[slot] !== id) return false;
    this.#ids[slot] = 0;
    this.#size--;
    return true;
  }

  /** The open ones, in no order. */
  *[Symbol.iterator](): Iterator<number> {
    for (const id of this.#ids) if (id !== 0) yield id;
  }

  #grow(): void {
    const before = this.#ids;
    this.#ids = new Uint16Array(before.length * 2);
    for (const id of before) if (id !== 0) this.#ids[id & (this.#ids.length - 1)] = id;
  }
}
