/**
 * §5.4.2 Subscriptions are asked for again when rules have changed, or when their session goes on with another connection: those that
 * the Client may not have any more end. In portions; until a session has had its turn, each of its messages is asked for.
 * Why the Client is told by DISCONNECT: spec/decisions/0026-permissions.md
 * Knows which subscriptions are asked for and what ends with them; refuses to know rules.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import { parseFilter, type TopicFilter } from "../topic/filter.ts";
import { Access } from "./access.ts";
import { COST, type Postponed } from "./budget.ts";
import { passOn } from "./ending.ts";
import type { ClientPermissions } from "./options.ts";
import type { Parts } from "./parts.ts";
import type { Session, Subscription } from "./session.ts";

/** Subscriptions of a session that are asked for at once; if it has more, the others go as the budget allows. */
const FILTERS_AT_ONCE = 64;

/** One session. */
class Regranting implements Postponed {
  debt = 0;
  isPostponed = false;
  readonly #parts: Parts;
  readonly #session: Session;
  readonly #access: Access;
  #version: number;
  #subscriptions: Iterator<Subscription>;
  /** The first filter that was lost. */
  #lost: string | undefined;

  constructor(parts: Parts, session: Session, access: Access) {
    this.#parts = parts;
    this.#session = session;
    this.#access = access;
    this.#version = access.rights.version;
    this.#subscriptions = session.subscriptions.values();
  }

  goOn(): void {
    const session = this.#session;
    const { rights } = this.#access;
    if (session.ended || session.access !== this.#access) return;
    if (rights.version !== this.#version) {
      this.#version = rights.version;
      this.#subscriptions = session.subscriptions.values();
    }
    const { budget } = this.#parts.turn;
    for (let count = 1;; count++) {
      const { done, value } = this.#subscriptions.next();
      if (done === true) break;
      this.#ask(value);
      budget.spend(COST.filter);
      if (count >= FILTERS_AT_ONCE && budget.isSpent) return budget.postpone(this);
    }
    this.#access.grantedAt = this.#version;
    budget.spend(session.rise()); // it may have gone down in a group for a topic that it was not known to be granted
    if (this.#lost !== undefined) this.#tell(this.#lost);
  }

  #ask(subscription: Subscription): void {
    const { router, journal, observer } = this.#parts;
    const session = this.#session;
    const { filter, qos } = subscription;
    const code = this.#access.rights.subscribe(filter, qos);
    if (code < 0x80) {
      if (code < qos) {
        const { noLocal, retainAsPublished, retainHandling, identifier } = subscription;
        const options = { noLocal, retainAsPublished, retainHandling, identifier };
        router.subscribe(session, parseFilter(filter) as TopicFilter, {
          filter,
          qos: code as QoS,
          ...options,
        });
      }
      return;
    }
    this.#lost ??= filter;
    router.unsubscribe(session, subscription);
    journal.unsubscribed(session, filter);
    observer.hooks.revoked?.(session.clientId, filter);
    if (subscription.isShared) this.#passOn(filter);
  }

  /** §4.8.2 what waits here for the group goes to other members. */
  #passOn(filter: string): void {
    const waiting = this.#session.backlog?.extract(({ share }) => share === filter) ?? [];
    const refused = new Map<string, number>();
    for (const delivery of waiting) passOn(this.#session, this.#parts, delivery, refused);
  }

  /** No packet of a Server takes a subscription back, so the connection ends with the reason; below level 5 there is no reason to give. */
  #tell(filter: string): void {
    const { connection } = this.#session;
    if (connection?.client.level !== 5) return;
    const message = `The subscription to ${JSON.stringify(filter)} is not permitted any more`;
    connection.fail({ code: 0x87, rule: "policy/not-authorized", message });
  }
}

/** A session has other rights from now on: its subscriptions are asked for again. */
export function changeRights(parts: Parts, session: Session, rights: ClientPermissions | undefined): void {
  session.access = rights && new Access(rights, false);
  if (session.access !== undefined) new Regranting(parts, session, session.access).goOn();
}

/** The same, where many sessions have other rights at once: each has its turn as the budget allows. */
export function changeRightsLater(
  parts: Parts,
  session: Session,
  rights: ClientPermissions | undefined,
): void {
  session.access = rights && new Access(rights, false);
  if (session.access !== undefined) {
    parts.turn.budget.postpone(new Regranting(parts, session, session.access));
  }
}

/** All sessions, one after the other. */
export class RegrantingAll implements Postponed {
  debt = 0;
  isPostponed = false;
  readonly #parts: Parts;
  readonly #all: () => Iterable<Session>;
  #sessions: Iterator<Session> | undefined;

  constructor(parts: Parts, all: () => Iterable<Session>) {
    this.#parts = parts;
    this.#all = all;
  }

  /** Rules have changed: begins, or begins anew. */
  begin(): void {
    this.#sessions = this.#all()[Symbol.iterator]();
    this.#parts.turn.budget.postpone(this);
  }

  goOn(): void {
    const { budget } = this.#parts.turn;
    while (this.#sessions !== undefined) {
      if (budget.isSpent) return budget.postpone(this);
      const { done, value: session } = this.#sessions.next();
      if (done === true) this.#sessions = undefined;
      else {
        budget.spend(1);
        const { access } = session;
        if (access?.isUnsettled === true) new Regranting(this.#parts, session, access).goOn();
      }
    }
  }
}
