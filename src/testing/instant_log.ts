/**
 * A log in memory that answers at once, for tests of who uses one; it can lose its end, and be away.
 * Knows fences and pages; refuses to know what goes wrong on the way.
 * @module
 */
import type { Appended, Entry, Log, LogPage, Reading, ReadTrouble } from "../cluster/log.ts";

/** Entries of one page. */
const PAGE = 100;

/** See the module. */
export class InstantLog implements Log {
  entries: Entry[] = [];
  /** The last position. */
  end = 0;
  /** Nobody answers: appends and reads fail. */
  isAway = false;
  /** Called before each append: what it does happens first. */
  onAppend: (batch: Uint8Array) => void = () => {};
  #purged = 0;

  append(batch: Uint8Array, expectedLast: number, answered: (outcome: Appended) => void): void {
    queueMicrotask(() => {
      this.onAppend(batch);
      if (this.isAway) return answered({ kind: "failed", reason: "nobody answers" });
      if (expectedLast !== this.end) return answered({ kind: "fenced" });
      this.end += 1;
      this.entries.push({ position: this.end, batch: batch.slice() });
      answered({ kind: "appended", last: this.end });
    });
  }

  read(after: number): Reading {
    let at = after;
    return {
      next: (answered: (page: LogPage | ReadTrouble) => void) =>
        queueMicrotask(() => {
          if (this.isAway) return answered({ trouble: "failed", reason: "nobody answers" });
          if (at > 0 && at < this.#purged) return answered({ trouble: "purged", reason: "it was purged" });
          const entries = this.entries.filter(({ position }) => position > at).slice(0, PAGE);
          at = entries.at(-1)?.position ?? Math.max(at, this.end);
          answered({ entries, isEnd: at === this.end, last: at });
        }),
    };
  }

  last(answered: (last: number | ReadTrouble) => void): void {
    queueMicrotask(() => answered(this.isAway ? { trouble: "failed", reason: "nobody answers" } : this.end));
  }

  purge(through: number, answered: (trouble?: ReadTrouble) => void): void {
    this.#purged = Math.max(this.#purged, through);
    this.entries = this.entries.filter(({ position }) => position > through);
    queueMicrotask(() => answered());
  }

  /** All servers have lost its last entries. */
  lose(count: number): void {
    this.entries.splice(-count, count);
    this.end = this.entries.at(-1)?.position ?? 0;
  }
}
