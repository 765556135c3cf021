/**
 * §4.1, §4.8.2 The end of a session, in portions: its subscriptions go, its shared messages go to other members, then the store forgets it.
 * Knows how far an end has come; refuses to know its cause.
 *
 * Each message leaves the session for the store as it comes to its next member: a crash in between loses none. What is not passed on by
 * then ends with the session's record, or comes to its turn again when the store brings the session back.
 * @module
 */
import { Step } from "../delivery/sender.ts";
import { COST, type Postponed } from "./budget.ts";
import type { Delivery } from "./delivery.ts";
import type { Parts } from "./parts.ts";
import type { Session, Subscription } from "./session.ts";

/** Subscriptions and messages that go at once; if there are more, the others go as the budget allows. */
const AT_ONCE = 64;

/** One session that has ended. */
export class Ending implements Postponed {
  debt = 0;
  isPostponed = false;
  readonly session: Session;
  readonly #parts: Parts;
  readonly #done: () => void;
  readonly #subscriptions: Iterator<Subscription>;
  #shared: Iterator<Delivery> | undefined;
  /** §4.8.2 of each group, the bytes of the smallest message that none of its members could take. */
  readonly #refused: Map<string, number> = new Map();
  #isDone = false;

  constructor(session: Session, parts: Parts, done: () => void) {
    this.session = session;
    this.#subscriptions = session.subscriptions.values();
    this.#parts = parts;
    this.#done = done;
  }

  goOn(): void {
    if (this.#isDone) return;
    const { turn: { budget }, journal } = this.#parts;
    for (let count = 1; this.#next(); count++) {
      if (count < AT_ONCE) continue;
      if (journal.isFull) return journal.postpone(this);
      if (budget.isSpent) return budget.postpone(this);
    }
  }

  /** Comes to the end at once: the Client makes a new session. */
  finish(): void {
    while (this.#next());
  }

  /** One step; false if there is none. */
  #next(): boolean {
    if (this.#isDone) return false;
    const { session } = this;
    const { router, journal, turn } = this.#parts;
    const subscription = this.#subscriptions.next().value as Subscription | undefined;
    if (subscription !== undefined) {
      router.unsubscribe(session, subscription);
      turn.budget.spend(COST.filter);
      return true;
    }
    const delivery = (this.#shared ??= sharedOf(session)).next().value as Delivery | undefined;
    if (delivery !== undefined) {
      journal.finished(session, delivery);
      router.toOtherMember(delivery, turn.now, this.#refused);
      return true;
    }
    this.#isDone = true;
    session.clear();
    journal.dropped(session);
    this.#done();
    return false;
  }
}

/** §4.8.2 The messages that go to other members, in order, without QoS 2 messages already begun [MQTT-4.8.2-5]. */
function* sharedOf(session: Session): Iterator<Delivery> {
  const begun: Delivery[] = [];
  session.sender?.each((_id, step, delivery) => {
    if (delivery?.share !== undefined && (step === Step.PUBACK || step === Step.RESEND_1)) {
      begun.push(delivery);
    }
  });
  yield* begun.sort((a, b) => a.order - b.order);
  yield* session.backlog?.extract(({ share }) => share !== undefined) ?? [];
}
