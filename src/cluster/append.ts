/**
 * One fenced append: its parts are sent, looked for when their fate is unclear, and sent again.
 * Knows what each answer says about what is in the stream; refuses to know servers.
 *
 * Each part is fenced to the one place where it belongs. So a copy that was on its way for long, and comes when the part has
 * been sent again, finds the place taken: nothing is ever there twice, and what stands in a place says for good whose it is.
 * @module
 */
import type { Clock } from "./clock.ts";
import type { Appended } from "./log.ts";
import { isSameBatch, readPart } from "./part.ts";
import { Retry } from "./retry.ts";
import type { NotAdded, Stream, StreamPage } from "./stream.ts";

/** What is appended. */
export interface Batch {
  readonly writer: Uint8Array;
  readonly number: number;
  readonly parts: readonly Uint8Array[];
  readonly expectedLast: number;
  /** It was `unsure` before: it may be there. */
  readonly isAgain: boolean;
}

/** Runs one append. */
export class Append {
  readonly #stream: Stream;
  readonly #batch: Batch;
  readonly #answered: (outcome: Appended) => void;
  readonly #retry: Retry;
  /** Parts that are in the stream for certain. */
  #done = 0;
  /** A part may be in the stream, or still on its way there. */
  #isUnsure: boolean;

  constructor(stream: Stream, clock: Clock, batch: Batch, answered: (outcome: Appended) => void) {
    this.#stream = stream;
    this.#batch = batch;
    this.#answered = answered;
    this.#retry = new Retry(clock);
    this.#isUnsure = batch.isAgain;
    if (batch.isAgain) this.#look("it was not known whether it is there");
    else this.#send();
  }

  /** The number that the next part has in the stream. */
  get #place(): number {
    return this.#batch.expectedLast + this.#done + 1;
  }

  #send(): void {
    const { parts } = this.#batch;
    const from = this.#done;
    const place = this.#place;
    let waiting = parts.length - from;
    let first: NotAdded | undefined;
    let firstAt = Infinity;
    for (let i = from; i < parts.length; i++) {
      const at = place + i - from;
      this.#stream.add(parts[i]!, undefined, at - 1, (answer) => {
        if (typeof answer !== "number" && at < firstAt) {
          first = answer;
          firstAt = at;
        }
        if (typeof answer !== "number" && answer.why === "unsure") this.#isUnsure = true;
        if (--waiting > 0) return;
        this.#done = Math.min(from + firstAt - place, parts.length);
        if (first === undefined) this.#end();
        else if (first.why === "absent" && !this.#isUnsure) this.#pause(first.reason, () => this.#send());
        else if (first.why === "unsure") this.#pause(first.reason, () => this.#look(first!.reason));
        else this.#look(first.reason);
      });
    }
  }

  /** Reads what is in the places of the parts that are not known to be there. */
  #look(reason: string): void {
    this.#stream.read(this.#place, 0, (page) => {
      if (typeof page === "string") return this.#pause(page, () => this.#look(reason));
      if (this.#isTaken(page)) return this.#answered({ kind: "fenced" });
      if (this.#done === this.#batch.parts.length) return this.#end();
      if (page.messages.length > 0) return this.#look(reason); // all of them were ours
      // Nothing of another writer is seen there. If something is there all the same, the next try is refused, and looks again.
      this.#pause(reason, () => this.#send());
    });
  }

  /** Counts our parts of a page; true when a place of ours is another's. */
  #isTaken({ messages, first, last }: StreamPage): boolean {
    for (const { sequence, bytes } of messages) {
      if (this.#done === this.#batch.parts.length) return false;
      const part = sequence === this.#place ? readPart(bytes) : undefined;
      const { writer, number } = this.#batch;
      if (part?.part !== this.#done || !isSameBatch(part, writer, number)) return true;
      this.#done++;
    }
    return messages.length === 0 && last >= this.#place && first > this.#place;
  }

  #end(): void {
    const { expectedLast, parts } = this.#batch;
    this.#answered({ kind: "appended", last: expectedLast + parts.length });
  }

  #pause(reason: string, then: () => void): void {
    if (this.#retry.later(then)) return;
    const { number } = this.#batch;
    this.#answered(
      this.#isUnsure || this.#done > 0 ? { kind: "unsure", reason, number } : { kind: "failed", reason },
    );
  }
}
