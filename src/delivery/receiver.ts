/**
 * §4.3.3 The receiver's side of QoS 2: which Packet Identifiers came with a PUBLISH and are not released.
 * Knows identifiers; refuses to know Client and Server, bytes and connections.
 * @module
 */

/**
 * Identifiers are kept in a ring by their low bits: the identifiers of one sender follow each other, so nothing is hashed. One whose
 * place is taken is kept beside the ring until half of the ring is in use: it grows with the number of identifiers, whichever they are.
 */
const FIRST_CAPACITY = 16;
const MOST_CAPACITY = 65_536;

/** A set of open identifiers, 1 to 65535. */
export class Receiver implements Iterable<number> {
  /** 0 is a free place. */
  #ids: Uint16Array = new Uint16Array(FIRST_CAPACITY);
  /** Identifiers whose place in the ring is taken. */
  #others: Set<number> | undefined;
  #size = 0;

  /** How many are open. */
  get size(): number {
    return this.#size;
  }

  /** Whether `id` is open. */
  has(id: number): boolean {
    return this.#ids[id & (this.#ids.length - 1)] === id || this.#others?.has(id) === true;
  }

  /** Opens `id`. */
  add(id: number): void {
    if (this.has(id)) return;
    if (this.#size * 2 >= this.#ids.length && this.#ids.length < MOST_CAPACITY) this.#grow();
    this.#put(id);
    this.#size++;
  }

  /** Releases `id`: a PUBLISH under it is new again [MQTT-4.3.3-12]. False if it is not open. */
  delete(id: number): boolean {
    const slot = id & (this.#ids.length - 1);
    if (this.#ids[slot] === id) this.#ids[slot] = 0;
    else if (this.#others?.delete(id) !== true) return false;
    this.#size--;
    return true;
  }

  /** The open ones, in no order. */
  *[Symbol.iterator](): Iterator<number> {
    for (const id of this.#ids) if (id !== 0) yield id;
    if (this.#others !== undefined) yield* this.#others;
  }

  #put(id: number): void {
    const slot = id & (this.#ids.length - 1);
    if (this.#ids[slot] === 0) this.#ids[slot] = id;
    else (this.#others ??= new Set()).add(id);
  }

  #grow(): void {
    const before = [...this];
    this.#ids = new Uint16Array(this.#ids.length * 2);
    this.#others = undefined;
    for (const id of before) this.#put(id);
  }
}
