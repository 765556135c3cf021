/**
 * One round of a thread's event loop: what its sockets bring is read first, then answered, each connection with one write.
 * Knows when; refuses to know what is written.
 * @module
 */
import { setImmediate } from "node:timers";
import { nowUs } from "./clock.ts";

/** Has something to write. */
export interface Writing {
  flush(): void;
}

/** The turns of one thread. */
export class Turn {
  /** µs, when the last chunk came. */
  nowUs = 0;
  /** Chunks so far: tells whether a turn was idle. */
  chunks = 0;
  /** Done at the end of each turn, before anything is written. */
  atEnd: () => void = () => {};
  #ending = false;
  #writing: Writing[] = [];

  /** A chunk has come. */
  began(): void {
    this.nowUs = nowUs();
    this.chunks++;
    this.endSoon();
  }

  /** This one has something to write at the end of the turn. */
  flushes(writing: Writing): void {
    this.#writing.push(writing);
    this.endSoon();
  }

  /** There will be an end of the turn. */
  endSoon(): void {
    if (this.#ending) return;
    this.#ending = true;
    setImmediate(this.end);
  }

  /** The end of the turn, now. */
  readonly end = (): void => {
    this.#ending = false;
    this.atEnd();
    const writing = this.#writing;
    if (writing.length === 0) return;
    this.#writing = [];
    for (const each of writing) each.flush();
  };
}
