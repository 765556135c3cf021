/**
 * §4.8.2 Messages of Shared Subscriptions that wait at members who are away go to a member that comes back or joins, in portions.
 * Knows where they wait, and how far a portion reaches; refuses to know how a message is delivered.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import type { Deadline } from "../engine/timers.ts";
import { outgoingOf } from "./deliver.ts";
import type { Delivery } from "./delivery.ts";
import type { Parts } from "./parts.ts";
import type { Session, Subscription } from "./session.ts";

/** Subscriptions and members that one portion looks at. */
const PORTION_STEPS = 4_096;
/** Messages that one portion moves, and that may wait in the session before it moves more: what is left at once, moves in vain. */
const PORTION_MESSAGES = 512;
/** ms to the next portion; without progress they double up to the second. */
const NEXT_MS = 2;
const NEXT_MS_MAX = 1_000;

/** Begins, or begins anew, to bring a connected session what waits for its groups. */
export function gather(parts: Parts, session: Session): void {
  stopGathering(parts, session);
  if (parts.router.groups === 0) return;
  new Gathering(parts, session).due();
}

/** The session's connection is over. */
export function stopGathering({ turn }: Parts, session: Session): void {
  if (session.gathering === undefined) return;
  turn.timers.cancel(session.gathering);
  session.gathering = undefined;
}

/** The work for one session; `due()` does a portion of it. */
class Gathering implements Deadline {
  heapIndex = -1;
  heapTime = 0;
  readonly #parts: Parts;
  readonly #session: Session;
  readonly #subscriptions: Iterator<Subscription>;
  /** The Shared Subscription whose group is looked at. */
  #subscription: Subscription | undefined;
  /** Its members that are still to be looked at. */
  #members: Iterator<Subscription> | undefined;
  /** The one that is looked at. */
  #member: Subscription | undefined;
  #nextMs = NEXT_MS;

  constructor(parts: Parts, session: Session) {
    this.#parts = parts;
    this.#session = session;
    this.#subscriptions = session.subscriptions.values();
  }

  due(): void {
    const { turn } = this.#parts;
    const session = this.#session;
    session.gathering = undefined;
    if (session.connection === undefined) return;
    const found: { from: Session; delivery: Delivery; to: Subscription }[] = [];
    const isOver = this.#find(found);
    found.sort((a, b) => a.delivery.order - b.delivery.order);
    for (const { from, delivery, to } of found) this.#move(from, delivery, to);
    if (isOver) return;
    this.#nextMs = found.length > 0 ? NEXT_MS : Math.min(2 * this.#nextMs, NEXT_MS_MAX);
    session.gathering = this;
    turn.timers.schedule(this, turn.now + this.#nextMs);
  }

  /** Takes out the messages of one portion; true if there are no more. */
  #find(found: { from: Session; delivery: Delivery; to: Subscription }[]): boolean {
    const session = this.#session;
    if (session.access?.isUnsettled === true) return false; // its subscriptions are still asked for
    const { router } = this.#parts;
    let room = PORTION_MESSAGES - session.queued;
    for (let steps = 0; steps < PORTION_STEPS; steps++) {
      const to = this.#subscription ??= this.#nextShared();
      if (to === undefined) return true;
      if (to === NOT_SHARED) {
        this.#subscription = undefined;
        continue;
      }
      const members = this.#members ??= (router.group(to.filter)?.members ?? [])[Symbol.iterator]();
      const isThere = session.subscriptions.get(to.filter) === to;
      const member = isThere ? this.#member ??= members.next().value as Subscription | undefined : undefined;
      if (member === undefined) {
        this.#subscription = this.#members = this.#member = undefined;
        continue;
      }
      const from = member.session;
      if (from.connection === undefined && from.queued > (from.backlog?.paged ?? 0)) {
        if (room <= 0) return false;
        const taken = from.backlog!.extract(({ share }) => share === to.filter, room);
        for (const delivery of taken) found.push({ from, delivery, to });
        room -= taken.length;
        if (room <= 0) return false; // there may be more of them
      }
      this.#member = undefined;
    }
    return false;
  }

  /** The next subscription, if it is shared and keeps the QoS of what waits. */
  #nextShared(): Subscription | undefined {
    const { done, value } = this.#subscriptions.next();
    if (done === true) return undefined;
    return value.isShared && value.qos > 0 ? value : NOT_SHARED;
  }

  #move(from: Session, delivery: Delivery, to: Subscription): void {
    const { journal, observer, deliverer, turn } = this.#parts;
    const { message, share } = delivery;
    const { topic, view, expiresAt } = message;
    journal.finished(from, delivery);
    turn.budget.spend(from.rise());
    if (expiresAt <= turn.now) return observer.drop(topic, view, from.clientId, "expired");
    const qos = Math.min(view.qos, to.qos) as QoS; // [MQTT-4.8.2-3]
    const retain = view.retain && to.retainAsPublished;
    deliverer.deliver(outgoingOf(message), this.#session, qos, retain, to.identifiers, share);
  }
}

/** In place of a subscription that is not shared. */
const NOT_SHARED = {} as Subscription;
