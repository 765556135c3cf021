/**
 * §4.1, §4.8.2 What is left of a session when its connection ends, or the session itself, in portions: subscriptions go, shared messages go
 * to other members, and the store forgets an ended session.
 * Knows how far an end has come; refuses to know its cause.
 *
 * Each message leaves the session for the store in the commit in which it comes to its next member: a crash in between loses none. What is
 * not passed on by then goes on when the store has brought the session back.
 * @module
 */
import { Step } from "../delivery/sender.ts";
import { COST, type Postponed } from "./budget.ts";
import type { Delivery } from "./delivery.ts";
import type { Parts } from "./parts.ts";
import type { Session } from "./session.ts";

/** Subscriptions and messages that go at once; if there are more, the others go as the budget allows. */
const AT_ONCE = 64;

/** An end that goes on. */
export class Ending implements Postponed {
  debt = 0;
  isPostponed = false;
  readonly session: Session;
  readonly #parts: Parts;
  readonly #steps: Iterator<void>;

  /** Does `steps` one by one. */
  constructor(session: Session, parts: Parts, steps: Iterator<void>) {
    this.session = session;
    this.#parts = parts;
    this.#steps = steps;
  }

  goOn(): void {
    const { turn: { budget }, journal } = this.#parts;
    for (let count = 1; this.#steps.next().done !== true; count++) {
      if (count < AT_ONCE) continue;
      if (journal.isFull) return journal.postpone(this);
      if (budget.isSpent) return budget.postpone(this);
    }
  }

  /** Comes to the end at once: its Client is back. */
  finish(): void {
    while (this.#steps.next().done !== true);
  }
}

/** §4.8.2 Messages that wait at a member that has disconnected go to a connected one, if there is one; exchanges stay [MQTT-4.8.2-4]. */
export function* disconnecting(session: Session, parts: Parts): Generator<void> {
  const { router, turn } = parts;
  const waiting =
    session.backlog?.extract(({ share }) =>
      share !== undefined && router.group(share)?.isConnected === true
    ) ?? [];
  if (waiting.length === 0) return;
  turn.budget.spend(session.rise());
  yield* passingOn(session, parts, waiting);
}

/** The session ends. */
export function* ending(session: Session, parts: Parts): Generator<void> {
  const { router, journal, turn } = parts;
  for (const subscription of session.subscriptions.values()) {
    router.unsubscribe(session, subscription);
    turn.budget.spend(COST.filter);
    yield;
  }
  yield* passingOn(session, parts, begunOf(session));
  yield* passingOn(session, parts, session.backlog?.extract(({ share }) => share !== undefined) ?? []);
  session.clear();
  journal.dropped(session);
}

/** §4.8.2 The shared messages that were sent and not acknowledged, in order, without QoS 2 messages [MQTT-4.8.2-5]. */
export function begunOf(session: Session): Delivery[] {
  const begun: Delivery[] = [];
  session.sender?.each((_id, step, delivery) => {
    if (delivery?.share !== undefined && (step === Step.PUBACK || step === Step.RESEND_1)) {
      begun.push(delivery);
    }
  });
  return begun.sort((a, b) => a.order - b.order);
}

/** What waited in this session goes to another member; `refused` as for `toOtherMember()`. Sent to a node, it stays in the store until that has it. */
export function passOn(
  session: Session,
  { router, journal, nodes, turn }: Parts,
  delivery: Delivery,
  refused: Map<string, number>,
): void {
  const sent = nodes?.sent;
  router.toOtherMember(delivery, turn.now, refused);
  if (nodes === undefined || nodes.sent === sent) journal.finished(session, delivery);
  else nodes.movedOn(session, delivery);
}

function* passingOn(session: Session, parts: Parts, deliveries: readonly Delivery[]): Generator<void> {
  const refused = new Map<string, number>();
  for (const delivery of deliveries) {
    passOn(session, parts, delivery, refused);
    yield;
  }
}
