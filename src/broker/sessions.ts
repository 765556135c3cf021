/**
 * §4.1, §3.1.2.4, §3.1.2.11.2, §3.1.3.2.2 All sessions of a Server: found or made at CONNECT (Clean Start), left when the connection ends,
 * ended by the Session Expiry Interval; the Will Delay Interval runs and is cancelled here.
 * Knows the session of each Client, and the wills and shared messages that an end sets free; refuses to know packets.
 * @module
 */
import { invariant } from "../codec/error.ts";
import type { ProtocolLevel } from "../codec/packet.ts";
import { expiryOf, type Message } from "../delivery/message.ts";
import type { Random } from "../engine/random.ts";
import { type Outgoing, outgoingOf } from "./deliver.ts";
import { disconnecting, Ending, ending } from "./ending.ts";
import { stopGathering } from "./gather.ts";
import type { Limits } from "./limits.ts";
import type { Tap } from "./match.ts";
import { messageInfo } from "./observer.ts";
import type { Open } from "./open.ts";
import type { Parts } from "./parts.ts";
import type { Refusal } from "./refusal.ts";
import { RegrantingAll } from "./regrant.ts";
import { intervalMs, Session, type SessionOwner } from "./session.ts";
import { Users } from "./users.ts";
import { PendingWill, type ServerWill } from "./will.ts";

/** §3.1.4 the Client has connected again. */
const TAKEN_OVER: Refusal = { code: 0x8e, rule: "MQTT-3.1.4-3", message: "The Client has connected again" };

/** The sessions of one broker. */
export class Sessions implements SessionOwner {
  readonly #parts: Parts;
  readonly #random: Random;
  readonly #byClientId: Map<string, Session> = new Map();
  /** By Client Identifier, sessions that have ended, or lost their connection, and of which something is still to be dealt with. */
  readonly #endings: Map<string, Ending> = new Map();
  readonly #regranting: RegrantingAll;
  readonly #users: Users;

  constructor(parts: Parts, random: Random) {
    this.#parts = parts;
    this.#random = random;
    this.#users = new Users(parts.turn.ledger);
    this.#regranting = new RegrantingAll(parts, () => this.#byClientId.values());
  }

  /** How many there are, connected or not. */
  get size(): number {
    return this.#byClientId.size;
  }

  /** Every session, also if it has ended and is not at its end yet. */
  *all(): Iterable<Session> {
    yield* this.#byClientId.values();
    yield* this.#parts.nodes?.sessions ?? [];
    for (const { session } of this.#endings.values()) if (session.ended) yield session;
  }

  /** Every session that has not ended. */
  open(): Iterable<Session> {
    return this.#byClientId.values();
  }

  /** Limits have changed: each session has those that `limitsOf` gives for its own. */
  limit(limitsOf: (limits: Limits) => Limits): void {
    for (const session of this.#byClientId.values()) session.limits = limitsOf(session.limits);
  }

  /** Whether so many sessions are all that this user may have, and that of the Client is not among them. */
  isUserFull(clientId: string, user: string | undefined, most: number): boolean {
    if (user === undefined || most === 0 || this.#byClientId.get(clientId)?.user === user) return false;
    return this.#users.sessionsOf(user) >= most;
  }

  /** The session is that of a Client of this user, who has connected from this address. */
  assign(session: Session, user: string | undefined, address: string | undefined): void {
    session.belongsTo(user, address);
    this.#users.charge(session, user);
  }

  /** §5.4.2 rules have changed. */
  regrant(): void {
    this.#regranting.begin();
  }

  /** The Client Identifiers of all sessions. */
  clientIds(): Iterable<string> {
    return this.#byClientId.keys();
  }

  /** The session of a Client. */
  get(clientId: string): Session | undefined {
    return this.#byClientId.get(clientId);
  }

  /** The session of a Client that connects. Its deadlines up to the present time run first, although no timer has run since. */
  getUpToDate(clientId: string): Session | undefined {
    const session = this.#byClientId.get(clientId);
    if (session !== undefined) this.#catchUp(session);
    return this.#byClientId.get(clientId);
  }

  #catchUp(session: Session): void {
    const { now, timers } = this.#parts.turn;
    const will = session.pendingWill;
    // A will without a deadline comes from before a crash: the Client was connected, and no timer has run since.
    const dueAt = will === undefined
      ? Infinity
      : will.heapIndex >= 0
      ? will.heapTime
      : now + will.will.delaySeconds * 1000;
    if (will !== undefined && dueAt <= now) {
      timers.cancel(will);
      will.due();
    }
    if (session.heapIndex >= 0 && session.heapTime <= now) this.end(session);
  }

  /** §3.1.2.4 the session that goes on, or a new one; another connection of the Client ends. */
  take(
    clientId: string,
    cleanStart: boolean,
    level: ProtocolLevel,
    limits: Limits,
  ): { session: Session; isPresent: boolean } {
    const { timers } = this.#parts.turn;
    this.#byClientId.get(clientId)?.connection?.end(TAKEN_OVER);
    const known = this.#byClientId.get(clientId);
    if (known !== undefined && !cleanStart) { // [MQTT-3.1.2-5]
      this.#endings.get(clientId)?.finish();
      timers.cancel(known);
      if (known.pendingWill !== undefined) timers.cancel(known.pendingWill); // [MQTT-3.1.3-9]
      known.pendingWill = undefined;
      known.level = level;
      return { session: known, isPresent: true };
    }
    if (known !== undefined) this.end(known); // [MQTT-3.1.2-4] [MQTT311-3.1.2-6]
    return { session: this.make(clientId, level, limits), isPresent: false }; // [MQTT-3.1.2-6] [MQTT-3.2.2-2]
  }

  /** A new session, which no connection serves yet. */
  make(clientId: string, level: ProtocolLevel, limits: Limits): Session {
    this.#endings.get(clientId)?.finish(); // the store knows one session of each Client
    const { ledger } = this.#parts.turn;
    const session = new Session(this, clientId, level, limits, ledger);
    ledger.sessions += session.ownBytes;
    this.#byClientId.set(clientId, session); // [MQTT-3.1.3-2]
    return session;
  }

  /** A Client Identifier that no session has [MQTT-3.2.2-16]. */
  newClientId(): string {
    for (;;) {
      let id = "auto-";
      for (let i = 0; i < 4; i++) id += this.#random().toString(36).padStart(7, "0");
      const { nodes } = this.#parts;
      if (!this.#byClientId.has(id) && (nodes === undefined || nodes.isHome(id))) return id;
    }
  }

  /** The connection of a session has ended, cleanly (by the Client's DISCONNECT), by us (`refusal`), or it is lost. */
  left(open: Open, isClean: boolean, refusal: Refusal | undefined): void {
    const { turn, router, observer, journal, deliverer } = this.#parts;
    const { session, client, will } = open;
    session.connection = undefined;
    session.resend = undefined;
    if (session.isNode) return this.#parts.nodes!.left(open);
    router.disconnected(session);
    router.retainedDeliveries.connectionLost(session);
    stopGathering(this.#parts, session);
    if (will !== undefined) this.#loseWill(session, will); // [MQTT311-3.1.2-12]
    observer.disconnected(client, isClean, refusal);
    if (!session.persists) return this.end(session);
    session.access?.rights.forget?.();
    turn.timers.schedule(session, turn.now + intervalMs(session.expirySeconds)); // [MQTT-3.1.2-23]
    journal.saved(session);
    this.#inPortions(session, disconnecting(session, this.#parts));
    if (session.durable) session.backlog?.pageOutAll();
    deliverer.watchExpiry(session);
  }

  /** §3.1.2.5 the will of a connection that ended without a DISCONNECT of 0x00. */
  #loseWill(session: Session, will: ServerWill): void {
    if (will.delaySeconds === 0 || !session.persists) return this.publishWill(will); // [MQTT-3.1.2-8]
    this.#parts.turn.timers.schedule(this.delayWill(session, will), this.#willDueAt(session, will));
  }

  /** A will waits; it is not scheduled yet. */
  delayWill(session: Session, will: ServerWill): PendingWill {
    return session.pendingWill = new PendingWill(will, () => {
      session.pendingWill = undefined; // [MQTT-3.1.2-10]
      this.publishWill(will);
      this.#parts.journal.saved(session);
    });
  }

  #willDueAt({ expirySeconds }: Session, { delaySeconds }: ServerWill): number {
    return this.#parts.turn.now + Math.min(delaySeconds, expirySeconds) * 1000;
  }

  /** A connection that was open when the Server ended is lost: its intervals begin at the first input of the new Server. */
  lostWithServer(session: Session): void {
    const { timers, now } = this.#parts.turn;
    if (session.connection !== undefined || session.ended) return;
    if (session.heapIndex < 0) timers.schedule(session, now + intervalMs(session.expirySeconds));
    const { pendingWill } = session;
    if (pendingWill !== undefined && pendingWill.heapIndex < 0) {
      timers.schedule(pendingWill, this.#willDueAt(session, pendingWill.will));
    }
    this.#parts.journal.saved(session);
  }

  /** Publishes a will; its expiry counts from now. */
  publishWill({ message }: ServerWill): void {
    if (!this.#mayPublish(message)) return;
    const expiresAt = expiryOf(message.view, this.#parts.turn.now);
    this.publish(outgoingOf({ ...message, expiresAt, holders: 0 }));
  }

  /** §5.4.2 rules may have changed since the CONNECT. */
  #mayPublish({ topic, view, publisher = "" }: Message): boolean {
    const access = this.get(publisher)?.access;
    if (access === undefined || access.rights.publish(topic, view.qos, view.retain) === 0) {
      return true;
    }
    const { observer } = this.#parts;
    observer.drop(topic, view, publisher, "not permitted");
    return false;
  }

  /** [MQTT-3.1.4-3] [MQTT-3.1.2-4] The Client has a session at another node: what it has here ends. */
  yield(clientId: string): void {
    this.get(clientId)?.connection?.end(TAKEN_OVER);
    const session = this.#byClientId.get(clientId);
    if (session !== undefined) this.end(session);
  }

  /** Publishes for the Server's owner, or for a Client that is gone. `origin` does not get it. */
  publish(outgoing: Outgoing, origin?: Tap): void {
    const { router, observer } = this.#parts;
    if (outgoing.view.retain) { // else nothing is retained: [MQTT-3.1.2-14] [MQTT-3.3.1-8]
      const limit = router.retain(outgoing); // [MQTT-3.1.2-15]
      if (limit !== undefined) {
        observer.limited(limit, outgoing.publisher ?? "the Server");
        router.unretain(outgoing.topic); // the message goes on, so an older one is not the topic's last any more
      }
    }
    this.route(outgoing, origin);
  }

  /** Brings a message to its subscribers, whatever is retained of its topic. */
  route(outgoing: Outgoing, origin?: Tap): void {
    const { router, observer } = this.#parts;
    const { bytes, at, topicAt, topicEnd } = outgoing.view;
    const topic = router.find(bytes, topicAt, topicEnd);
    const publisher = outgoing.publisher === undefined ? undefined : this.get(outgoing.publisher);
    const receivers = router.route(outgoing, router.match(topic), publisher, origin);
    observer.hooks.published?.(messageInfo(topic.name, outgoing.view, bytes[at]!), undefined, receivers);
  }

  /** The Session Expiry Interval has run out [MQTT-4.1.0-2]. */
  expired(session: Session): void {
    this.#parts.turn.traffic.sessionsExpired++;
    this.end(session);
  }

  /** §4.1 a session is over. */
  end(session: Session): void {
    if (session.ended) return;
    invariant(session.connection === undefined, "a session ends after its connection"); // [MQTT-4.1.0-1]
    const { turn, observer } = this.#parts;
    session.ended = true;
    turn.timers.cancel(session);
    if (session.expiry !== undefined) turn.timers.cancel(session.expiry);
    const will = session.pendingWill;
    if (will !== undefined) {
      turn.timers.cancel(will);
      session.pendingWill = undefined;
      this.publishWill(will.will); // [MQTT-3.1.2-8]
    }
    turn.ledger.sessions -= session.ownBytes;
    this.#users.charge(session, undefined);
    this.#byClientId.delete(session.clientId); // retained messages belong to no session: [MQTT311-3.1.2-7]
    this.#inPortions(session, ending(session, this.#parts));
    this.#parts.nodes?.sessionEnded(session.clientId);
    observer.hooks.sessionEnded?.(session.clientId);
  }

  /** Does the steps in portions, behind those that are still to be done for this Client. */
  #inPortions(session: Session, steps: Iterable<void>): void {
    const { clientId } = session;
    this.#endings.get(clientId)?.finish();
    const portions = new Ending(session, this.#parts, this.#untilDone(clientId, steps));
    this.#endings.set(clientId, portions);
    portions.goOn();
  }

  /** Comes to its end once, though a finished `Ending` may still wait to go on: a later one of this Client is not to be forgotten. */
  *#untilDone(clientId: string, steps: Iterable<void>): Generator<void> {
    yield* steps;
    this.#endings.delete(clientId);
  }

  /** Compares the map and its sessions. */
  assertInvariants(): void {
    for (const [clientId, session] of this.#byClientId) {
      invariant(session.clientId === clientId && !session.ended, "a session that is there has not ended");
      session.assertInvariants();
      invariant(session.account?.name === session.user, "the user of a session");
    }
    this.#users.assertInvariants(this.#byClientId.values());
  }
}
