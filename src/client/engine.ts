/**
 * The engine of one Client: its session, one connection after another, and what its owner asks for. Bytes, time and chance come in;
 * nothing is awaited.
 *
 * Inputs are `start`, `opened`, `dialFailed`, the calls of `Connection` (`received`, `drained`, `closed`) and `Authentication`, `ticked`,
 * `committed`, `commitFailed` and the owner's wishes (`publish`, `subscribe`, …). After each of them the owner calls `flush()` when its turn ends, and
 * `ticked()` at `nextDeadline()`. Outputs are the bytes that transports are given, the calls of `ClientOwner`, and the end of each
 * publication and each waiter, once.
 *
 * Knows when there is a connection, and what a new one means for the session; refuses to know packets.
 * @module
 */
import { encodeConnect } from "../codec/connect.ts";
import { encodeDisconnect } from "../codec/disconnect.ts";
import { UsageError } from "../codec/error.ts";
import type {
  Connack,
  Connect,
  ConnectProperties,
  DisconnectProperties,
  ProtocolLevel,
  UserProperties,
} from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Writer } from "../codec/writer.ts";
import { Sender } from "../delivery/sender.ts";
import type { Transport } from "../transport/transport.ts";
import type { Authentication } from "./authentication.ts";
import { backoffMs } from "./backoff.ts";
import { Connection, type ConnectionHost } from "./connection.ts";
import {
  ClosedError,
  ConnectionError,
  type MqttError,
  RefusedError,
  TimeoutError,
  type UnsupportedError,
} from "./error.ts";
import { Inbound, type InboundOwner } from "./inbound.ts";
import type { Incoming } from "./incoming.ts";
import type { Journal } from "./journal.ts";
import { CLIENT_LIMITS, type ClientLimits } from "./limits.ts";
import type { Link } from "./link.ts";
import type { ClientOwner, Connected, Credentials, EngineOptions, Status } from "./options.ts";
import type { Exchange, MessageReader, SubscribeInit, Waiter } from "./exchange.ts";
import { Outbound } from "./outbound.ts";
import type { Publication } from "./publication.ts";
import { serverLimits } from "./server_limits.ts";
import { type SubscriptionOwner, Subscriptions } from "./subscriptions.ts";

const DEFAULT_EXPIRY_SECONDS = 3_600;
const DEFAULT_KEEP_ALIVE_SECONDS = 60;

/** Codes of a refusal that another attempt does not change: of CONNACK, and 0x8E of DISCONNECT. */
const FINAL_CODES: readonly number[] = [0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c, 0x90, 0x95, 0x99, 0x9a, 0x9b];
/** §3.2.2.3 of MQTT 3.1.1: the same. */
const FINAL_RETURN_CODES: readonly number[] = [1, 2, 4, 5];

/**
 * Whether the Client gives up, if the owner does not say otherwise: when another Client has taken over its session, and when the very
 * first connection is refused for a reason that stays.
 */
export function isFinal(error: MqttError, wasConnected: boolean): boolean {
  if (!(error instanceof RefusedError)) return false;
  const { packet, reasonCode } = error;
  if (packet === "DISCONNECT") return reasonCode === 0x8e;
  if (packet !== "CONNACK" || wasConnected) return false;
  return (reasonCode < 0x80 ? FINAL_RETURN_CODES : FINAL_CODES).includes(reasonCode);
}

/** One Client. */
export class ClientEngine implements ConnectionHost, SubscriptionOwner, InboundOwner {
  readonly limits: ClientLimits;
  readonly outbound: Outbound;
  readonly inbound: Inbound;
  readonly subscriptions: Subscriptions;
  readonly authentication: Authentication | undefined;
  readonly writer: Writer = new Writer();
  readonly #owner: ClientOwner;
  readonly #options: EngineOptions;
  readonly #journal: Journal | undefined;
  readonly #touched: Set<Link> = new Set();
  #now = 0;
  #status: Status = "closed";
  #clientId: string;
  #level: ProtocolLevel;
  /** Level 5 was refused, or met with silence; the first connection decides. */
  #isFallback = false;
  /** The one in use. */
  #connection: Connection | undefined;
  /** Those whose last bytes are on their way. */
  readonly #ending: Set<Connection> = new Set();
  /** What CONNACK said on the connection in use. */
  #connected: Connected | undefined;
  #wasConnected = false;
  #connectedAt = 0;
  #attempt = 0;
  #redirects = 0;
  /** ms since the epoch. */
  #retryAt = Infinity;
  #patienceEndsAt = Infinity;
  #closeBy = Infinity;
  #closeWithWill = false;
  #closeProperties: DisconnectProperties | undefined;
  #closedBy: MqttError | undefined;
  /** Of the last attempt. */
  #lastError: MqttError | undefined;
  /** ms since the epoch at which the owner is told of the end at the latest; Infinity if there is nothing to tell. */
  #reportBy = Infinity;
  /** Readers that are behind, on whatever connection. */
  readonly #behind: Set<object> = new Set();

  /** @throws {UsageError} for options that no CONNECT can have. @throws {PeerError} for records that cannot be read. */
  constructor(owner: ClientOwner, options: EngineOptions) {
    const { level = "auto", clientId = "", journal } = options;
    this.#owner = owner;
    this.#options = options;
    this.#clientId = clientId;
    this.#level = level === "auto" ? 5 : level;
    this.limits = { ...CLIENT_LIMITS, ...options.limits };
    const sender = new Sender<Exchange>();
    this.#journal = journal;
    this.outbound = new Outbound(sender, journal, this.limits);
    this.subscriptions = new Subscriptions(sender, this, this.limits.knownTopicsMax);
    this.inbound = new Inbound(this.subscriptions, journal, this.limits, this);
    this.authentication = options.authentication?.(this);
    journal?.restore(this.outbound, this.inbound);
    encodeConnect(this.writer, this.#connectPacket({}));
  }

  // State.

  /** The time of the input that goes on: ms since the epoch. */
  get now(): number {
    return this.#now;
  }

  /** Where it stands. */
  get status(): Status {
    return this.#status;
  }

  /** §3.1.3.1 the Server's, if it gave one. */
  get clientId(): string {
    return this.#clientId;
  }

  /** §3.2 of the present connection; of the last one if there is none. */
  get connected(): Connected | undefined {
    return this.#connected;
  }

  /** Whether `flush()` has something to do. */
  get isBehind(): boolean {
    return this.#touched.size > 0 || this.#journal?.isDue === true ||
      (this.#closeBy !== Infinity && this.outbound.isIdle);
  }

  /** The one in use. */
  get connection(): Connection | undefined {
    return this.#connection;
  }

  /** When `ticked()` is to be called: ms since the epoch, Infinity for never. */
  nextDeadline(): number {
    let first = Math.min(
      this.#retryAt,
      this.#patienceEndsAt,
      this.#closeBy,
      this.#reportBy,
      this.inbound.deadline,
    );
    if (this.#connection !== undefined) first = Math.min(first, this.#connection.deadline);
    for (const connection of this.#ending) first = Math.min(first, connection.deadline);
    return first;
  }

  // Inputs: connections.

  /** Begins to connect. */
  start(now: number): void {
    this.begin(now);
    this.#patienceEndsAt = now + (this.#options.patienceMs ?? Infinity);
    this.#dial();
  }

  /** An input begins. */
  begin(now: number): void {
    this.#now = now;
  }

  /** The Network Connection that `dial()` asked for. Its driver starts the transport then, if there is a result; else it is not wanted any more. */
  opened(transport: Transport, credentials: Credentials, now: number): Connection | undefined {
    this.#now = now;
    if (this.#status !== "connecting" || this.#connection !== undefined) {
      transport.abort();
      return undefined;
    }
    this.#journal?.goOn(); // it may have failed while it was dialled
    try {
      return this.#connection = new Connection(this, transport, this.#connectPacket(credentials));
    } catch (error) {
      transport.abort();
      this.#down(new ConnectionError("CONNECT cannot be sent", error));
      return undefined;
    }
  }

  /** The Network Connection that `dial()` asked for cannot be opened. */
  dialFailed(error: MqttError, now: number): void {
    this.#now = now;
    if (this.#status === "connecting" && this.#connection === undefined) this.#down(error);
  }

  /** Connects at once instead of waiting: there is a network again, say. */
  retry(now: number): void {
    this.#now = now;
    if (this.#status === "waiting") this.#dial();
  }

  /** Time has come to `now`. */
  ticked(now: number): void {
    this.#now = now;
    if (this.#closeBy <= now) this.#closeUp(undefined);
    if (this.#patienceEndsAt <= now && !this.#wasConnected && this.#status !== "closed") {
      this.#closeUp(new TimeoutError("No connection in time", this.#lastError));
    }
    if (this.#retryAt <= now) this.#dial();
    this.#connection?.ticked(now);
    for (const connection of [...this.#ending]) connection.ticked(now);
    this.inbound.ticked(now);
    this.#reportClosed();
  }

  /** The end of a turn: writes what is to be written. */
  flush(now: number): void {
    this.#now = now;
    const begins = this.#journal?.begins() === true;
    if (begins) { for (const link of this.#links) link.commitBegins(); }
    for (const link of this.#touched) {
      this.#touched.delete(link);
      link.endTurn();
    }
    if (begins) this.#owner.commit();
    this.#reportClosed();
    if (this.#closeBy !== Infinity && this.outbound.isIdle) this.#closeUp(undefined);
  }

  /** What the last `commit()` was for is safe. */
  committed(now: number): void {
    this.#now = now;
    this.#journal!.ends(true);
    for (const link of this.#links) link.committed();
    this.#reportClosed();
  }

  /** It is not: the connection ends, and the next attempt to connect, if there is one, begins with another commit. */
  commitFailed(error: unknown, now: number): void {
    this.#now = now;
    this.#journal!.ends(false);
    this.#reportClosed();
    for (const link of this.#links) link.commitFailed();
    this.#connection?.fail(new ConnectionError("The store has failed", error));
  }

  // Inputs: wishes.

  /**
   * Publishes a message; its `done()` or `failed()` is called once.
   * @throws {UsageError} for one that cannot be sent.
   */
  publish(publication: Publication, now: number): void {
    this.#now = now;
    if (this.#isClosing) return publication.failed(this.#closedError());
    this.outbound.publish(publication, now);
    if (this.#behind.size > 0) this.adjustReading();
  }

  /** Publishes a QoS 0 message without properties that ends together with `publication`, the last one of this turn; false if it cannot. */
  join(publication: Publication, topic: string, payload: Uint8Array, retain: boolean): boolean {
    return !this.#isClosing && this.outbound.join(publication, topic, payload, retain);
  }

  /** Has `reader` get the messages of a Topic Filter. @throws {UsageError} for what is no filter. */
  subscribe(init: SubscribeInit, reader: MessageReader, waiter: Waiter, now: number): void {
    this.#now = now;
    if (this.#isClosing) return waiter.failed(this.#closedError());
    this.subscriptions.subscribe(init, reader, waiter);
    this.adjustReading();
  }

  /**
   * Ends that; without a reader, the subscription that an earlier process has made.
   * @throws {UsageError} as `Subscriptions.unsubscribe()`.
   */
  unsubscribe(
    filter: string,
    reader: MessageReader | undefined,
    waiter: Waiter,
    now: number,
    userProperties?: UserProperties,
  ): void {
    this.#now = now;
    if (this.#isClosing) return waiter.done(0);
    this.subscriptions.unsubscribe(filter, reader, waiter, userProperties);
    this.adjustReading();
  }

  /** A reader can keep no more: nothing is read before `readOn()`, but while an answer of the Server is awaited. True if nothing is read now. */
  pause(reader: object): boolean {
    this.#behind.add(reader);
    this.adjustReading();
    return this.#connection?.link.isPaused === true;
  }

  /** It can again. */
  readOn(reader: object, now: number = this.#now): void {
    this.#now = now;
    if (this.#behind.delete(reader)) this.adjustReading();
  }

  /**
   * A program that waits for an answer in its reader's loop must get it. Where the transport reads on all the same, only the few messages
   * that a Server sends above Receive Maximum are kept here: there is no bound to the others.
   */
  adjustReading(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const { link } = connection;
    const isUnbounded = link.transport.isUnpausable === true && !this.#behind.has(this.inbound);
    if (this.#behind.size === 0 || this.outbound.isAwaiting || isUnbounded) return connection.readOn();
    link.pause();
  }

  /**
   * Waits for what is under way, `timeoutMs` at most, and closes; `properties` are those of DISCONNECT.
   * @throws {UsageError} for properties that it cannot have.
   */
  close(now: number, timeoutMs: number, withWill = false, properties?: DisconnectProperties): void {
    this.#now = now;
    if (this.#isClosing) return;
    if (properties !== undefined) {
      encodeDisconnect(this.writer, { type: PacketType.DISCONNECT, reasonCode: 0, properties }, 5);
      if (properties.sessionExpiryInterval! > 0 && this.#sessionExpiry === 0) {
        throw new UsageError("A session that ends with its connection [3.14.2.2.2/expiry-from-zero]");
      }
    }
    this.#closeWithWill = withWill;
    this.#closeProperties = properties;
    if (timeoutMs <= 0 || this.#connection?.isOpen !== true || this.outbound.isIdle) this.#closeUp(undefined);
    else this.#closeBy = now + timeoutMs;
  }

  get #isClosing(): boolean {
    return this.#status === "closed" || this.#closeBy !== Infinity;
  }

  #closedError(): ClosedError {
    return new ClosedError("The client is closed", this.#closedBy);
  }

  // Links.

  /** All that may have bytes to write: a connection that ends has what waits for a commit leave before its DISCONNECT. */
  get #links(): Link[] {
    const { link } = this.#connection ?? {};
    return [...link === undefined ? [] : [link], ...[...this.#ending].map(({ link }) => link)];
  }

  touched(link: Link): void {
    this.#touched.add(link);
    this.#owner.touched();
  }

  // Connections.

  #connectPacket({ username, password, authenticationMethod, authenticationData }: Credentials): Connect {
    const { keepAlive = DEFAULT_KEEP_ALIVE_SECONDS, will, userProperties } = this.#options;
    const { receiveMaximum = this.limits.receiveMaximum, maximumPacketSize } = this.#options;
    const { topicAliasMaximum = this.limits.topicAliasMaximum, requestResponseInformation } = this.#options;
    const { requestProblemInformation } = this.#options;
    const sessionExpiryInterval = this.#sessionExpiry;
    const properties: ConnectProperties = {
      ...sessionExpiryInterval > 0 && { sessionExpiryInterval },
      ...receiveMaximum < 65_535 && { receiveMaximum },
      ...maximumPacketSize !== undefined && { maximumPacketSize },
      ...topicAliasMaximum > 0 && { topicAliasMaximum },
      ...requestResponseInformation === true && { requestResponseInformation },
      ...requestProblemInformation === false && { requestProblemInformation },
      ...userProperties !== undefined && { userProperties },
      ...authenticationMethod !== undefined && { authenticationMethod },
      ...authenticationData !== undefined && { authenticationData },
    };
    const connect: Connect = {
      type: PacketType.CONNECT,
      level: this.#level,
      cleanStart: this.#cleanStart,
      keepAlive,
      clientId: this.#clientId,
      ...will !== undefined && { will },
      ...username !== undefined && { username },
      ...password !== undefined && { password },
      properties,
    };
    return this.#options.amend?.(connect) ?? connect;
  }

  get #sessionExpiry(): number {
    const { sessionExpiry, clientId = "" } = this.#options;
    return sessionExpiry ?? (clientId === "" ? 0 : DEFAULT_EXPIRY_SECONDS);
  }

  /** §3.1.2.4 a session that outlives its connection is asked for again. */
  get #cleanStart(): boolean {
    const { cleanStart = (this.#options.clientId ?? "") === "" } = this.#options;
    if (!this.#wasConnected || this.#level < 5) return cleanStart;
    const expiry = this.#connected?.server.sessionExpiryInterval ?? this.#sessionExpiry;
    return cleanStart && expiry === 0;
  }

  #dial(redirect?: RefusedError): void {
    this.#retryAt = Infinity;
    this.#status = "connecting";
    this.#journal?.goOn();
    this.#owner.dial({ attempt: this.#attempt, redirect });
  }

  /** §3.2 */
  accepted(connection: Connection, connack: Connack): void {
    const { sessionPresent, properties = {} } = connack;
    const refusal = this.#owner.refuses(properties);
    if (refusal !== undefined) return connection.fail(refusal);
    const { receiveMaximum = this.limits.receiveMaximum, topicAliasMaximum = this.limits.topicAliasMaximum } =
      this.#options;
    const isFirst = !this.#wasConnected;
    const { link } = connection;
    this.#clientId = properties.assignedClientIdentifier ?? this.#clientId;
    this.#connected = { sessionPresent, level: this.#level, server: properties };
    this.#connectedAt = this.#now;
    this.#wasConnected = true;
    this.#patienceEndsAt = Infinity;
    this.#redirects = 0;
    this.#status = "connected";
    const server = serverLimits(connack, this.#level, this.limits);
    this.inbound.opened(
      link,
      this.#level,
      { receiveMaximum, topicAliasMaximum },
      sessionPresent,
      isFirst,
      this.#now,
    );
    this.subscriptions.opened(link, server, sessionPresent);
    this.outbound.opened(link, server, sessionPresent, this.#now);
    this.subscriptions.begun();
    this.adjustReading();
  }

  /** A chunk has been dealt with. */
  chunkDone(): void {
    if (this.#behind.size > 0) this.adjustReading();
  }

  /** The subscriptions are there. */
  restored(): void {
    this.#owner.connected(this.#connected!);
  }

  unsubscribed(filter: string, error: RefusedError | UnsupportedError): void {
    this.#owner.unsubscribed(filter, error);
  }

  unmatched(message: Incoming): void {
    this.#owner.unmatched(message);
  }

  lost(connection: Connection, error: MqttError, isUnheard: boolean): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (!connection.isClosed) this.#ending.add(connection);
    if (this.#status === "connected") {
      this.inbound.closed();
      this.subscriptions.closed();
      this.outbound.closed(!connection.isClosed);
      this.authentication?.ended(error);
      if (this.#now - this.#connectedAt >= this.limits.stableMs) this.#attempt = 0;
    } else if (this.#triesLevel4(error, isUnheard)) return this.#dial();
    if (
      this.#options.isRedirect?.(error) === true && this.#closeBy === Infinity &&
      this.#redirects < this.limits.redirectsMax
    ) {
      this.#redirects++;
      if (this.#status === "connected") this.#owner.disconnected(error, this.#now);
      return this.#dial(error as RefusedError);
    }
    this.#down(error);
  }

  /** §3.1.2.2 a Server that does not know level 5 says so, or closes; one that is only silent at level 4 too is asked at level 5 again. */
  #triesLevel4(error: MqttError, isUnheard: boolean): boolean {
    if (this.#wasConnected || (this.#options.level ?? "auto") !== "auto") return false;
    const isRefused = error instanceof RefusedError && (error.reasonCode === 0x84 || error.reasonCode === 1);
    const isSilence = isUnheard && error instanceof ConnectionError;
    // [MQTT311-3.1.3-7]
    const mayBe4 = !this.#isFallback && (this.#clientId !== "" || this.#cleanStart);
    if (this.#level === 5 && mayBe4 && (isRefused || isSilence)) {
      this.#level = 4;
      return this.#isFallback = true;
    }
    if (this.#level === 4 && isUnheard) {
      this.#level = 5;
      this.#isFallback = false;
    }
    return false;
  }

  ended(connection: Connection): void {
    this.#ending.delete(connection);
    this.#touched.delete(connection.link);
    this.#reportClosed();
  }

  /** There is no connection: waits for the next attempt, or gives up. */
  #down(error: MqttError): void {
    const wasConnected = this.#status === "connected";
    this.#lastError = error;
    if (this.#closeBy !== Infinity) return this.#closeUp(undefined);
    const waitMs = this.#waitMs(error);
    if (waitMs === undefined) {
      if (wasConnected) this.#owner.disconnected(error, undefined);
      return this.#closeUp(error);
    }
    this.#status = "waiting";
    this.#retryAt = this.#now + waitMs;
    this.#owner.disconnected(error, this.#retryAt);
  }

  #waitMs(error: MqttError): number | undefined {
    const { reconnect = true, patienceMs } = this.#options;
    const attempt = this.#attempt++;
    if (!this.#wasConnected ? patienceMs === undefined : !reconnect) return undefined;
    const again = this.#options.again?.(error, attempt) ?? !isFinal(error, this.#wasConnected);
    if (again === false) return undefined;
    if (typeof again === "number") return again;
    return backoffMs(attempt, this.limits.retryMinMs, this.limits.retryMaxMs, this.#options.random);
  }

  // The end.

  /** Says DISCONNECT and closes; all that is pending fails. */
  #closeUp(error: MqttError | undefined): void {
    this.#status = "closed";
    this.#closedBy = error;
    this.#closeBy = this.#retryAt = this.#patienceEndsAt = Infinity;
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection !== undefined) {
      this.#ending.add(connection);
      connection.disconnect(this.#closeWithWill ? 0x04 : 0, this.#closeProperties);
      this.outbound.written();
    }
    this.inbound.closed();
    this.subscriptions.closed();
    const closed = this.#closedError();
    this.authentication?.ended(closed);
    this.outbound.failAll(closed);
    this.subscriptions.failAll(closed);
    this.#reportBy = this.#now + this.limits.closeTimeoutMs;
    this.#reportClosed();
  }

  /** Tells the owner of the end when the last bytes are gone and the store is done, which is waited for so long. */
  #reportClosed(): void {
    if (this.#reportBy === Infinity || this.#ending.size > 0) return;
    if (this.#journal?.isBusy === true && this.#now < this.#reportBy) return;
    this.#reportBy = Infinity;
    this.#owner.closed(this.#closedBy);
  }
}
