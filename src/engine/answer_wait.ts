/**
 * §4.3.2 A PUBACK that waits for the peer's next bytes, at most a moment, because a message is on its way to that peer just before it.
 * Knows positions in the outbox and times; refuses to know packets.
 *
 * A peer that sends without TCP_NODELAY, as most libraries do, and gets the message that it publishes: it acknowledges our message, then
 * takes our PUBACK and publishes the next message. Its system keeps that one back until its acknowledgement is confirmed by TCP,
 * and our system confirms what needs no answer 40 ms later. If our PUBACK leaves behind the peer's acknowledgement, it
 * carries that confirmation.
 * @module
 */
import type { Link } from "./link.ts";
import type { Deadline, Timers } from "./timers.ts";

/** The longest wait; the timer of a driver may be some milliseconds later. */
const WAIT_MS = 2;
/** A wait that the peer did not end counts for so much, and each occasion takes 1 off. */
const VAIN = 8;
/** From here on nothing waits: the peer is far away, acknowledges late, or its machine is busy. One occasion in nine is a trial then. */
const VAIN_MAX = 32;

/** The waits of one link. */
export class AnswerWait implements Deadline {
  /** For the timers. */
  heapIndex: number = -1;
  /** For the timers. */
  heapTime = 0;
  readonly #link: Link;
  readonly #timers: Timers;
  #vain = 0;

  constructor(link: Link, timers: Timers) {
    this.#link = link;
    this.#timers = timers;
  }

  /** The bytes written from `position` on wait. */
  begin(position: number, now: number): void {
    if (this.#vain > 0) this.#vain--;
    if (this.#vain >= VAIN_MAX) return;
    this.#link.waitFrom(position);
    this.#timers.schedule(this, now + WAIT_MS);
  }

  /** The peer has sent nothing meanwhile. */
  due(): void {
    if (this.#link.endWait()) this.#vain += VAIN;
  }
}
