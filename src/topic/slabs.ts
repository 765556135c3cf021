/**
 * Many short runs of bytes in few large buffers: an array for each would cost more than most runs have bytes.
 * Knows places and the owner of each; refuses to know the meaning of the bytes.
 *
 * A run that is removed leaves a hole. When half of a full buffer is holes, the rest of it moves to the one that is being filled,
 * so a survivor holds back no more than its own size: all buffers together are at most twice as large as the runs in them,
 * and one buffer more. That costs a copy of half a buffer after half a buffer was removed, and never more at a time.
 * @module
 */

/** Room is given out in units of so many bytes. */
const UNIT_BYTES = 8;
/** A buffer has 2^13 units, 64 KiB. The place of a run is its buffer's number, then its first unit. */
const UNIT_BITS = 13;
const UNITS = 1 << UNIT_BITS;
/** A longer run has a buffer to itself. */
const SHARED_UNITS_MAX = UNITS >> 2;
/** The last number is left out, so that a caller may give places from -1 downwards a meaning of its own. */
const SLABS_MAX = 2 ** (32 - UNIT_BITS) - 1;
/** In front of each run: its owner and its length, one word each. */
const HEAD_BYTES = 8;
/** The owner of a hole. */
const NOBODY = 0xffff_ffff;

class Slab {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** Units given out, holes included. */
  used = 0;
  /** Units that are no holes. */
  live = 0;

  constructor(units: number) {
    const buffer = new ArrayBuffer(units * UNIT_BYTES);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
  }
}

/** Runs of bytes, each at a place, which is 32 bits. */
export class Slabs {
  readonly #moved: (owner: number, place: number) => void;
  readonly #slabs: (Slab | undefined)[] = [];
  /** Numbers of buffers that are gone. */
  readonly #numbers: number[] = [];
  /** An empty one for the next that is needed. */
  #spare: Slab | undefined;
  #open: Slab = new Slab(0);
  #openNumber = -1;

  /** `moved` is told, inside `add()` and `remove()`, where a run is from now on. */
  constructor(moved: (owner: number, place: number) => void) {
    this.#moved = moved;
  }

  /** Bytes of all buffers. */
  get capacity(): number {
    let sum = this.#spare?.bytes.length ?? 0;
    for (const slab of this.#slabs) sum += slab?.bytes.length ?? 0;
    return sum;
  }

  /** Makes room for a run, and returns its place; its bytes are arbitrary. `owner` is 0 to 2^32 - 2. */
  add(owner: number, length: number): number {
    const units = unitsOf(length);
    if (units > SHARED_UNITS_MAX) {
      const slab = new Slab(units);
      return this.#take(slab, this.#number(slab), units, owner, length);
    }
    if (this.#openNumber < 0 || this.#open.used + units > UNITS) this.#openNext();
    return this.#take(this.#open, this.#openNumber, units, owner, length);
  }

  #openNext(): void {
    const full = this.#open;
    const number = this.#openNumber;
    this.#open = this.#spare ?? new Slab(UNITS);
    this.#spare = undefined;
    this.#openNumber = this.#number(this.#open);
    if (number >= 0 && isHollow(full)) this.#empty(full, number);
  }

  #number(slab: Slab): number {
    const number = this.#numbers.pop() ?? this.#slabs.length;
    if (number >= SLABS_MAX) throw new RangeError(`More than ${SLABS_MAX} buffers`);
    this.#slabs[number] = slab;
    return number;
  }

  #take(slab: Slab, number: number, units: number, owner: number, length: number): number {
    const at = slab.used;
    slab.used += units;
    slab.live += units;
    slab.words[at * 2] = owner;
    slab.words[at * 2 + 1] = length;
    return number << UNIT_BITS | at;
  }

  /** Makes the run at `place` this long where it is; false if it needs more room, or much less. What is there is arbitrary. */
  resize(place: number, length: number): boolean {
    const { words } = this.#slabs[place >>> UNIT_BITS]!;
    const at = (place & (UNITS - 1)) * 2 + 1;
    if (unitsOf(length) !== unitsOf(words[at]!)) return false;
    words[at] = length;
    return true;
  }

  /** Ends the run at `place`; others may move. */
  remove(place: number): void {
    const number = place >>> UNIT_BITS;
    const slab = this.#slabs[number]!;
    const at = (place & (UNITS - 1)) * 2;
    slab.words[at] = NOBODY;
    slab.live -= unitsOf(slab.words[at + 1]!);
    if (slab === this.#open) {
      if (slab.live === 0) slab.used = 0;
    } else if (isHollow(slab)) this.#empty(slab, number);
  }

  /** Moves the runs of a buffer elsewhere, and gives the buffer up. */
  #empty(slab: Slab, number: number): void {
    const { bytes, words, used } = slab;
    for (let at = 0; at < used && slab.live > 0;) {
      const owner = words[at * 2]!;
      const length = words[at * 2 + 1]!;
      const units = unitsOf(length);
      if (owner !== NOBODY) {
        const place = this.add(owner, length);
        this.bytes(place).set(
          bytes.subarray(at * UNIT_BYTES + HEAD_BYTES, at * UNIT_BYTES + HEAD_BYTES + length),
          this.start(place),
        );
        slab.live -= units;
        this.#moved(owner, place);
      }
      at += units;
    }
    this.#slabs[number] = undefined;
    this.#numbers.push(number);
    if (bytes.length !== UNITS * UNIT_BYTES) return;
    slab.used = slab.live = 0;
    this.#spare ??= slab;
  }

  /** The buffer that the run at `place` stands in, until the next `add()` or `remove()`. */
  bytes(place: number): Uint8Array {
    return this.#slabs[place >>> UNIT_BITS]!.bytes;
  }

  /** Where in it the run begins. */
  start(place: number): number {
    return (place & (UNITS - 1)) * UNIT_BYTES + HEAD_BYTES;
  }

  /** How many bytes it has. */
  length(place: number): number {
    return this.#slabs[place >>> UNIT_BITS]!.words[(place & (UNITS - 1)) * 2 + 1]!;
  }
}

/** Whether half of it or more is holes. */
function isHollow({ live, used }: Slab): boolean {
  return live * 2 <= used;
}

function unitsOf(length: number): number {
  return (length + HEAD_BYTES + UNIT_BYTES - 1) >>> 3;
}
