/**
 * §4.9, §3.1.2.10 A connection whose CONNECT was accepted: its state until it ends, quotas and Keep Alive among it.
 * Knows its Client, session, quotas and aliases; refuses to know the effects of a packet.
 * @module
 */
import type { Connect } from "../codec/packet.ts";
import { AnswerWait } from "../engine/answer_wait.ts";
import type { Link } from "../engine/link.ts";
import { Outflow } from "../engine/outflow.ts";
import { TopicAliases } from "../engine/topic_aliases.ts";
import { aliasBytes } from "./alias.ts";
import { LoginEnd } from "./login_end.ts";
import type { ClientInfo } from "./options.ts";
import type { Permissions } from "./permissions.ts";
import type { Policy } from "./policy.ts";
import type { Refusal } from "./refusal.ts";
import type { Serving, Session } from "./session.ts";
import type { Turn } from "./turn.ts";
import { type ServerWill, willBytes } from "./will.ts";

/** @internal Ends the connection below. */
export interface Ending {
  /** When the last bytes came: ms since the epoch. */
  readonly heardAt: number;
  end(refusal: Refusal, serverReference?: string): void;
}

/** Everything that an accepted CONNECT decides. */
export interface OpenOptions {
  readonly link: Link;
  readonly connect: Connect;
  readonly client: ClientInfo;
  readonly session: Session;
  /** The session was there before. */
  readonly isResumed: boolean;
  readonly will: ServerWill | undefined;
  readonly policy: Policy;
  readonly permissions: Permissions;
  readonly turn: Turn;
  readonly ending: Ending;
}

/** The phase of a connection in which it does everything but begin and end. One class, since each message meets it. */
export class Open extends Outflow implements Serving {
  readonly kind = "open";
  readonly session: Session;
  /** As the listener's was at the CONNECT, but for limits that have changed since. */
  policy: Policy;
  readonly permissions: Permissions;
  /** The session was there before. */
  readonly isResumed: boolean;
  /** §3.3.4 QoS 2 identifiers that may be open from the Client: below level 5 all, since CONNACK cannot tell it of a maximum. */
  readonly receiveLimit: number;
  /** The Client is a bridge of level 3 or 4: its subscriptions are without local copies, and with RETAIN as published. */
  readonly isBridge: boolean;
  /** §3.1.2.11.2 the Session Expiry Interval of the CONNECT, whatever limit it was cut down to. */
  readonly expiryAsked: number;
  /** §3.3.2.3.4 the Client's. */
  readonly aliases: TopicAliases;
  /** §3.1.2.10 one and a half times the Keep Alive in ms, 0 is off. */
  readonly silenceMs: number;
  /** §4.12 of the CONNECT. */
  readonly authenticationMethod: string | undefined;
  /** §4.12.1 the Client is being authenticated anew; `state` of the last verdict 0x18. */
  reauthentication: { state: unknown } | undefined;
  /** §4.4 the Client may still release exchanges of an earlier connection that the Server has ended: no new one has begun. */
  isRecovering: boolean;
  #client: ClientInfo;
  #will: ServerWill | undefined;
  /** `fail()` was called. */
  #isFailing = false;
  #answerWait: AnswerWait | undefined;
  #loginEnd: LoginEnd | undefined;
  /** When its CONNECT was accepted: ms since the epoch. */
  readonly connectedAt: number;
  readonly #connackAt: number;
  readonly #turn: Turn;
  readonly #ending: Ending;

  constructor(options: OpenOptions) {
    const { link, connect, client, session, policy, will, turn } = options;
    const { limits } = policy;
    const { properties = {} } = connect;
    super(link, {
      sendLimit: Math.min(
        connect.level === 5 ? properties.receiveMaximum ?? 65_535 : limits.inFlightMaxLevel4,
        limits.inFlightMax,
      ), // [MQTT-4.9.0-1]
      aliasesMax: Math.min(properties.topicAliasMaximum ?? 0, limits.topicAliasesOutMax),
      bytesMax: limits.outboundBytesMax,
    });
    this.session = session;
    this.policy = policy;
    this.permissions = options.permissions;
    this.isResumed = options.isResumed;
    this.isRecovering = options.isResumed;
    this.receiveLimit = connect.level === 5 ? limits.receiveMaximum + (session.received?.size ?? 0) : 65_535;
    this.isBridge = connect.bridge === true;
    this.expiryAsked = properties.sessionExpiryInterval ?? 0;
    this.aliases = new TopicAliases(limits.topicAliasMaximum);
    this.silenceMs = client.keepAlive * 1500; // [MQTT-3.2.2-22]
    this.authenticationMethod = properties.authenticationMethod;
    this.#client = client;
    this.#will = will;
    turn.ledger.wills += willBytes(will);
    this.connectedAt = turn.now;
    this.#connackAt = link.outbox.position;
    this.#turn = turn;
    this.#ending = options.ending;
  }

  /** The Client; a re-authentication may change its username, groups and claims. */
  get client(): ClientInfo {
    return this.#client;
  }

  /** §4.12.1 the Client has this username, and these groups and claims, from now on. */
  renew(login: Pick<ClientInfo, "username" | "groups" | "claims">): void {
    this.#client = { ...this.#client, ...login };
  }

  /** The login ends at that time, unless it is called again before: ms since the epoch. */
  loginEnds(at: number = Infinity): void {
    if (at === Infinity && this.#loginEnd === undefined) return;
    this.#turn.timers.schedule(this.#loginEnd ??= new LoginEnd(this), at);
  }

  /** §3.1.2.5 published unless the Client sends DISCONNECT with 0x00. */
  get will(): ServerWill | undefined {
    return this.#will;
  }

  /** The memory that would come free with the connection, the bytes of its link aside: bytes. */
  get heldBytes(): number {
    const own = aliasBytes(this.aliases) + this.aliasBytes + willBytes(this.#will);
    return this.session.persists ? own : own + this.session.contentBytes;
  }

  /** The will is not published any more; true if there was one. */
  forgetWill(): boolean {
    const had = this.#will !== undefined;
    this.#turn.ledger.wills -= willBytes(this.#will);
    this.#will = undefined;
    return had;
  }

  /** Whether CONNACK is written, or about to be: it may have been thrown away with the bytes that waited for a commit. */
  get isAccepted(): boolean {
    return this.outbox.position > this.#connackAt;
  }

  /**
   * A message that came alone was delivered from the position `begunAt` of the outbox on, and its PUBACK written from `answeredAt` on. If
   * the Client has got it, and has nothing else to acknowledge, the PUBACK waits for that, where there is TCP below.
   */
  answered(begunAt: number, answeredAt: number): void {
    if (begunAt === answeredAt || this.session.sender?.inFlight !== 1) return;
    const { transport } = this.#client.peer;
    if (transport === "memory" || transport === "unix") return;
    this.#answerWait ??= new AnswerWait(this.link, this.#turn.timers);
    this.#answerWait.begin(answeredAt, this.#turn.now);
  }

  /** When the last bytes came from the Client: ms since the epoch. */
  get heardAt(): number {
    return this.#ending.heardAt;
  }

  /** Nothing waits for the Client any more. */
  ended(): void {
    this.#turn.ledger.aliases -= aliasBytes(this.aliases);
    this.#turn.ledger.wills -= willBytes(this.#will);
    this.forgetAliases();
    if (this.#answerWait !== undefined) this.#turn.timers.cancel(this.#answerWait);
    if (this.#loginEnd !== undefined) this.#turn.timers.cancel(this.#loginEnd);
  }

  /** Ends the connection: DISCONNECT where the level has it, then the close. */
  end(refusal: Refusal, serverReference?: string): void {
    this.#ending.end(refusal, serverReference);
  }

  /** The same at the end of the turn: for a fault that is found in the middle of routing. */
  fail(refusal: Refusal): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#turn.fail(this, refusal);
  }
}
