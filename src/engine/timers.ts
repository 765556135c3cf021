/**
 * Deadlines in one heap: absolute times in, the due ones out, in order.
 * Knows numbers; refuses to know a clock.
 * @module
 */

/** Something that falls due. Scheduled at most once at a time. */
export interface Deadline {
  /** Called by `Timers.run`; may schedule and cancel. */
  due(now: number): void;
  /** For `Timers` alone: its place in the heap, -1 outside. */
  heapIndex: number;
  /** For `Timers` alone: ms since the epoch. */
  heapTime: number;
}

const never = (): boolean => false;

/** A binary heap of deadlines. */
export class Timers {
  #heap: Deadline[] = [];

  /** How many are scheduled. */
  get size(): number {
    return this.#heap.length;
  }

  /** The first deadline in ms since the epoch, Infinity if there is none. */
  next(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0]!.heapTime;
  }

  /** Schedules `deadline`, or moves it if it is scheduled; Infinity cancels. */
  schedule(deadline: Deadline, at: number): void {
    if (at === Infinity) return this.cancel(deadline);
    deadline.heapTime = at;
    if (deadline.heapIndex < 0) {
      deadline.heapIndex = this.#heap.length;
      this.#heap.push(deadline);
    }
    this.#down(this.#up(deadline.heapIndex));
  }

  /** Takes `deadline` out, if it is in. */
  cancel(deadline: Deadline): void {
    const index = deadline.heapIndex;
    if (index < 0) return;
    deadline.heapIndex = -1;
    const last = this.#heap.pop()!;
    if (last === deadline) return;
    this.#heap[index] = last;
    last.heapIndex = index;
    this.#down(this.#up(index));
  }

  /**
   * Calls every deadline that is due at `now`, the earliest first, until `isEnough()`; deadlines scheduled meanwhile for later
   * stay.
   */
  run(now: number, isEnough: () => boolean = never): void {
    while (this.#heap.length > 0 && this.#heap[0]!.heapTime <= now && !isEnough()) {
      const deadline = this.#heap[0]!;
      this.cancel(deadline);
      deadline.due(now);
    }
  }

  #up(index: number): number {
    const item = this.#heap[index]!;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#heap[parent]!.heapTime <= item.heapTime) break;
      this.#put(index, this.#heap[parent]!);
      index = parent;
    }
    this.#put(index, item);
    return index;
  }

  #down(index: number): void {
    const item = this.#heap[index]!;
    const length = this.#heap.length;
    for (let child = 2 * index + 1; child < length; child = 2 * index + 1) {
      if (child + 1 < length && this.#heap[child + 1]!.heapTime < this.#heap[child]!.heapTime) child++;
      if (this.#heap[child]!.heapTime >= item.heapTime) break;
      this.#put(index, this.#heap[child]!);
      index = child;
    }
    this.#put(index, item);
  }

  #put(index: number, item: Deadline): void {
    this.#heap[index] = item;
    item.heapIndex = index;
  }
}
