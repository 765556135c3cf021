/**
 * Events that wait: as many, and as large, as there is room for.
 * Knows counts and bytes; refuses to know what an event is.
 * @module
 */

/** First in, first out. What was taken has its room until it is settled. */
export class BoundedQueue<Item> {
  /** Above this nothing more is taken in. */
  itemsMax: number;
  /** Above this neither, but for an item that has the room to itself. */
  bytesMax: number;
  /** How many found no room. */
  dropped = 0;
  #items: { readonly item: Item; readonly bytes: number }[] = [];
  #first = 0;
  #count = 0;
  #bytes = 0;

  constructor(itemsMax: number, bytesMax: number) {
    this.itemsMax = itemsMax;
    this.bytesMax = bytesMax;
  }

  /** Those that wait, and those that are taken and not settled. */
  get count(): number {
    return this.#count;
  }

  /** Those that wait. */
  get waiting(): number {
    return this.#items.length - this.#first;
  }

  /** Bytes of those that wait, and of those that are taken and not settled. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether there is room; else it counts as dropped. */
  hasRoom(bytes: number): boolean {
    const isRoom = this.#count < this.itemsMax && (this.#count === 0 || this.#bytes + bytes <= this.bytesMax);
    if (!isRoom) this.dropped++;
    return isRoom;
  }

  /** Behind all others; `hasRoom()` has said yes. */
  push(item: Item, bytes: number): void {
    this.#items.push({ item, bytes });
    this.#count++;
    this.#bytes += bytes;
  }

  /** The first ones, at least one if there is one. Their room is free when `settled` is called. */
  take(most: number, bytesMost: number): { readonly items: Item[]; settled(): void } {
    const items: Item[] = [];
    let taken = 0;
    for (; this.#first < this.#items.length && items.length < most; this.#first++) {
      const { item, bytes } = this.#items[this.#first]!;
      if (items.length > 0 && taken + bytes > bytesMost) break;
      items.push(item);
      taken += bytes;
    }
    if (this.#first * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    let isSettled = false;
    return {
      items,
      settled: () => {
        if (isSettled) return;
        isSettled = true;
        this.#count -= items.length;
        this.#bytes -= taken;
      },
    };
  }
}
