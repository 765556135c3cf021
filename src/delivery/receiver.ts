/**
 * §4.3.3 The receiver's side of QoS 2: which Packet Identifiers came with a PUBLISH and are not released.
 * Knows identifiers; refuses to know Client and Server, bytes and connections.
 * @module
 */

/**
 * Identifiers stand in a ring at the place of their low bits: the identifiers of one sender follow each other, so nothing is
 * hashed. A few whose place is taken stand beside it. Where these become many, all identifiers are bits.
 */
const FIRST_CAPACITY = 16;
/** A larger ring would be larger than all bits. */
const RING_MOST = 4_096;
const BESIDE_MOST = 16;
const BITS_BYTES = 8_192;
/** A ring up to this size stays when it is empty. */
const KEPT_CAPACITY = 256;

/** A set of open identifiers, 1 to 65535. It takes at most 8 KiB. */
export class Receiver implements Iterable<number> {
  /** 0 is a free place. Without places while there are bits. */
  #ring: Uint16Array = new Uint16Array(FIRST_CAPACITY);
  #beside: number[] | undefined;
  #bits: Uint8Array | undefined;
  #size = 0;

  /** How many are open. */
  get size(): number {
    return this.#size;
  }

  /** Whether `id` is open. */
  has(id: number): boolean {
    if (this.#ring[id & (this.#ring.length - 1)] === id) return true;
    if (this.#bits !== undefined) return (this.#bits[id >> 3]! & (1 << (id & 7))) !== 0;
    return this.#beside !== undefined && this.#beside.includes(id);
  }

  /** Opens `id`. */
  add(id: number): void {
    if (this.has(id)) return;
    this.#size++;
    this.#put(id);
  }

  #put(id: number): void {
    while (this.#bits === undefined) {
      const ring = this.#ring;
      const place = id & (ring.length - 1);
      if (ring[place] === 0) {
        ring[place] = id;
        return;
      }
      if (this.#size * 2 < ring.length && (this.#beside === undefined || this.#beside.length < BESIDE_MOST)) {
        (this.#beside ??= []).push(id);
        return;
      }
      if (ring.length < RING_MOST) this.#grow();
      else this.#toBits();
    }
    this.#bits[id >> 3]! |= 1 << (id & 7);
  }

  /** Releases `id`: a PUBLISH under it is new again [MQTT-4.3.3-12]. False if it is not open. */
  delete(id: number): boolean {
    if (!this.has(id)) return false;
    this.#size--;
    const ring = this.#ring;
    if (this.#bits !== undefined) this.#bits[id >> 3]! &= ~(1 << (id & 7));
    else if (ring[id & (ring.length - 1)] === id) ring[id & (ring.length - 1)] = 0;
    else this.#beside!.splice(this.#beside!.indexOf(id), 1);
    if (this.#size === 0 && ring.length !== FIRST_CAPACITY) this.#shrink();
    return true;
  }

  /** The open ones, in no order. */
  *[Symbol.iterator](): Iterator<number> {
    for (const id of this.#ring) if (id !== 0) yield id;
    yield* this.#beside ?? [];
    if (this.#bits !== undefined) { for (let id = 1; id < 8 * BITS_BYTES; id++) if (this.has(id)) yield id; }
  }

  #grow(): void {
    const before = [...this];
    this.#ring = new Uint16Array(this.#ring.length * 2);
    this.#beside = undefined;
    for (const id of before) this.#put(id);
  }

  #toBits(): void {
    const before = [...this];
    this.#bits = new Uint8Array(BITS_BYTES);
    this.#ring = NO_RING;
    this.#beside = undefined;
    for (const id of before) this.#put(id);
  }

  /** None is open: nothing large stays. */
  #shrink(): void {
    this.#bits = undefined;
    this.#beside = undefined;
    const { length } = this.#ring;
    if (length === 0 || length > KEPT_CAPACITY) this.#ring = new Uint16Array(FIRST_CAPACITY);
  }
}

const NO_RING: Uint16Array = /* @__PURE__ */ new Uint16Array(0);
