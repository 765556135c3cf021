/**
 * A Client for programs: promises and loops on the engine, and a driver around it.
 * Knows the event loop, transports, signals and URLs; refuses to know packets, and how a URL is dialled.
 * @module
 */
import type { Connection } from "../client/connection.ts";
import { ClientEngine } from "../client/engine.ts";
import {
  ClosedError,
  ConnectionError,
  type MqttError,
  type RefusedError,
  TimeoutError,
  type UnsupportedError,
} from "../client/error.ts";
import type { Incoming } from "../client/incoming.ts";
import type {
  ClientOwner,
  Connected,
  Credentials,
  DialOrder,
  EngineOptions,
  Status,
} from "../client/options.ts";
import { Publication, type PublicationInit, type Published } from "../client/publication.ts";
import type { MessageReader } from "../client/exchange.ts";
import { UsageError } from "../codec/error.ts";
import type {
  ConnackProperties,
  DisconnectProperties,
  MessageProperties,
  ProtocolLevel,
  QoS,
  UserProperties,
  Will,
} from "../codec/packet.ts";
import type { TransportHandler } from "../transport/transport.ts";
import { type ClientLoop, systemLoop } from "./loop.ts";
import { Message, type Reading } from "./message.ts";
import type { ClientEvents } from "./events.ts";
import type { Authenticator } from "./authenticator.ts";
import type {
  CloseOptions,
  ConnectOptions,
  Dialer,
  PublishOptions,
  RequestOptions,
  SubscribeOptions,
  UnsubscribeOptions,
} from "./options.ts";
import type { ClientParts } from "./parts.ts";
import { bytes, bytesOf } from "./payload.ts";
import type { RequestHost, Requests } from "./requests.ts";
import { Subscription, type SubscriptionHost } from "./subscription.ts";
import type { ParamsOf, Topic } from "./topic.ts";

const CLOSE_MS = 5_000;

/** One Client. `connect()` makes it. */
export class Client implements AsyncDisposable {
  readonly #driver: ClientDriver;

  /** @internal */
  constructor(driver: ClientDriver) {
    this.#driver = driver;
  }

  /** Where it stands. */
  get status(): Status {
    return this.#driver.engine.status;
  }

  /** §3.1.3.1 the Server's, if it gave one. */
  get clientId(): string {
    return this.#driver.engine.clientId;
  }

  /** §3.1.2.2 of the present or the last connection. */
  get level(): ProtocolLevel {
    return this.#driver.level;
  }

  /** §3.2.2.3 what CONNACK said on it. */
  get server(): Readonly<ConnackProperties> {
    return this.#driver.engine.connected?.server ?? {};
  }

  /**
   * §3.3 publishes a message. Resolves at QoS 0 when its bytes have been handed to the transport (together with the others of the same
   * turn, whose promise may be the same), at QoS 1 and 2 with the end of the exchange, however many connections that takes. The payload must not be changed before. Rejects with a `RefusedError`,
   * `UnsupportedError`, `OfflineError`, `QueueFullError`, `TimeoutError` (its Message Expiry Interval has run out before it left), `ClosedError`,
   * `UsageError` for a message that cannot be sent, or the reason of `signal`.
   */
  publish(topic: string, payload: Uint8Array | string, options?: PublishOptions): Promise<Published>;
  /** The same for a topic with parameters, and a payload of its type. */
  publish<P extends string, T>(
    topic: Topic<P, T>,
    params: ParamsOf<P>,
    payload: T,
    options?: PublishOptions,
  ): Promise<Published>;
  publish(
    topic: string | Topic<string, unknown>,
    params: unknown,
    value?: unknown,
    options?: PublishOptions,
  ): Promise<Published> {
    if (typeof topic === "string") {
      return this.#driver.publish(
        topic,
        params as Uint8Array | string,
        value as PublishOptions | undefined,
      );
    }
    try {
      const { contentType } = topic.payload;
      const named = contentType === undefined ? options : { contentType, ...options };
      return this.#driver.publish(topic.name(params as ParamsOf<string>), topic.payload.encode(value), named);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * §3.8 subscribes; resolves with SUBACK. Messages wait in the subscription from the moment at which SUBSCRIBE leaves. Rejects with a
   * `RefusedError`, `UnsupportedError`, `ClosedError`, `UsageError` for what is no Topic Filter, or the reason of `signal`. Of several
   * filters all are subscribed to or none, and a message that more than one matches comes as often as the Server sends it.
   */
  subscribe(
    filter: string | readonly string[],
    options?: SubscribeOptions,
  ): Promise<Subscription<Uint8Array, unknown>>;
  /** The same for a topic with parameters: its messages have these, and payloads of its type. */
  subscribe<P extends string, T>(
    topic: Topic<P, T>,
    options?: SubscribeOptions,
  ): Promise<Subscription<T, ParamsOf<P>>>;
  subscribe(
    topic: string | readonly string[] | Topic<string, unknown>,
    options: SubscribeOptions = {},
  ): Promise<Subscription<unknown, unknown>> {
    return this.#driver.subscribe(topic, options);
  }

  /**
   * §3.10 gives up a subscription that an earlier process has made in this session; one of this Client ends by `Subscription.unsubscribe()`.
   * Resolves with the code of UNSUBACK: 0x11 if there was none (below level 5 always 0). Without a connection it waits for one. Rejects with
   * a `RefusedError`, or a `UsageError` for what is no Topic Filter, or one of this Client's.
   */
  unsubscribe(filter: string, { userProperties }: UnsubscribeOptions = {}): Promise<number> {
    return this.#driver.unsubscribe(filter, undefined, userProperties);
  }

  /** §4.10 publishes a request and resolves with the first answer. Rejects as `publish()`, and with a `TimeoutError`. */
  request(topic: string, payload: Uint8Array | string, options: RequestOptions = {}): Promise<Message> {
    return this.#driver.requests.one(topic, payload, options);
  }

  /** §4.10 the same for several answers, until `timeoutMs` or `signal` ends the iteration. */
  requestMany(
    topic: string,
    payload: Uint8Array | string,
    options: RequestOptions = {},
  ): AsyncIterable<Message> {
    return this.#driver.requests.many(topic, payload, options);
  }

  /** §4.12.1 authenticates again on the open connection, by the method of the options. */
  reauthenticate(): Promise<void> {
    return this.#driver.reauthenticate();
  }

  /** Calls `listener` with each event of a type; returns how to end that. */
  on<K extends keyof ClientEvents>(
    type: K,
    listener: (event: ClientEvents[K]) => void,
    options: { readonly signal?: AbortSignal } = {},
  ): () => void {
    return this.#driver.on(type, listener as (event: unknown) => void, options.signal);
  }

  /**
   * Waits for what is under way, `timeoutMs` at most (default 5,000), says DISCONNECT and closes; then what is still pending rejects with
   * `ClosedError`. `withWill`: the Server publishes the Will all the same, at level 5.
   */
  close(options: CloseOptions = {}): Promise<void> {
    return this.#driver.close(options);
  }

  /** The same, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Connects a Client of these parts by `dial`: resolves when the Server has accepted, rejects with why there is no connection. */
export async function connectWith(
  parts: ClientParts,
  dial: Dialer,
  url: string | URL,
  options: ConnectOptions,
): Promise<Client> {
  const { store, signal } = options;
  signal?.throwIfAborted();
  const driver = new ClientDriver(parts, dial, new URL(url), options, await store?.load());
  await driver.begin();
  return new Client(driver);
}

/** @internal The engine in an event loop. */
export class ClientDriver implements ClientOwner, SubscriptionHost, RequestHost {
  readonly engine: ClientEngine;
  readonly #parts: ClientParts;
  readonly #requests: Requests | undefined;
  readonly #authenticator: Authenticator | undefined;
  readonly #dialer: Dialer;
  readonly #loop: ClientLoop;
  readonly #options: ConnectOptions;
  readonly #random: () => number;
  readonly #listeners: Map<string, Set<(event: unknown) => void>> = new Map();
  readonly #subscriptions: Set<Subscription<unknown, unknown>> = new Set();
  /** Ends what is dialled when the Client closes. */
  readonly #dialling: AbortController = new AbortController();
  readonly #plain: Reading<Uint8Array, unknown>;
  #url: URL;
  /** Of the connection in use. */
  #presentUrl: URL;
  #isEnding = false;
  /** The time of the last call of the engine. */
  #now = 0;
  /** QoS 0: the last message of the turn, which others may join. */
  #joint: { readonly publication: Publication; readonly end: Promise<Published> } | undefined;
  #armedFor = Infinity;
  #disarm = (): void => {};
  #accepted: (() => void) | undefined;
  #refused: ((error: unknown) => void) | undefined;
  readonly #over: Promise<void>;
  #isOver!: () => void;

  /** @throws {UsageError} for options that no CONNECT can have, or whose part is not there. */
  constructor(
    parts: ClientParts,
    dialer: Dialer,
    url: URL,
    options: ConnectOptions,
    restored: Iterable<readonly [key: number, record: Uint8Array]> = [],
  ) {
    const { authentication, store, redirects } = options;
    this.#parts = parts;
    this.#authenticator = authentication && needed(parts, "authentication")(authentication, this);
    this.#dialer = options.dial ?? dialer;
    this.#url = this.#presentUrl = url;
    this.#options = options;
    this.#loop = options.loop ?? systemLoop();
    this.#random = options.random ?? (() => crypto.getRandomValues(new Uint32Array(1))[0]!);
    this.#plain = { replier: this, payload: bytes, params: () => ({}) };
    this.#over = new Promise((resolve) => this.#isOver = resolve);
    const isRedirect = redirects === false ? undefined : parts.redirection?.isOne;
    this.engine = new ClientEngine(this, {
      ...engineOptions(options, this.#random),
      ...isRedirect !== undefined && { isRedirect },
      ...store !== undefined && { journal: needed(parts, "store")(store, restored) },
      ...this.#authenticator !== undefined && { authentication: this.#authenticator.make },
    });
    this.#requests = parts.requests?.(this);
  }

  /** Resolves with the first accepted connection. */
  async begin(): Promise<void> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    const aborted = () => {
      this.#refused?.(signal!.reason);
      void this.close({ timeoutMs: 0 });
    };
    signal?.addEventListener("abort", aborted, { once: true });
    void this.#over.then(() => signal?.removeEventListener("abort", aborted));
    const wake = () =>
      this.run((engine, now) => {
        engine.retry(now);
        engine.ticked(now); // a timer may be late
      });
    for (const type of WAKING) globalThis.addEventListener?.(type, wake);
    void this.#over.then(() => WAKING.forEach((type) => globalThis.removeEventListener?.(type, wake)));
    const first = new Promise<void>((resolve, reject) => {
      this.#accepted = resolve;
      this.#refused = reject;
    });
    this.run((engine, now) => engine.start(now));
    await first;
  }

  /** §3.1.2.2 */
  get level(): ProtocolLevel {
    return this.engine.connected?.level ?? 5;
  }

  get hasReceiveMaximum(): boolean {
    return this.level === 5;
  }

  // The loop.

  /** Calls the engine, and has the turn end. */
  run<T>(action: (engine: ClientEngine, now: number) => T): T {
    try {
      return action(this.engine, this.#now = this.#loop.now());
    } finally {
      this.touched();
    }
  }

  touched(): void {
    if (!this.#isEnding && this.engine.isBehind) {
      this.#isEnding = true;
      this.#loop.endOfTurn(this.#turn);
    }
    const deadline = this.engine.nextDeadline();
    if (deadline < this.#armedFor) this.#arm(deadline);
  }

  readonly #turn = (): void => {
    this.#isEnding = false;
    this.#joint = undefined;
    this.engine.flush(this.#now = this.#loop.now());
    this.touched();
  };

  /** A turn has one time: a clock that is read for each message costs as much as its bytes. */
  #turnTime(): number {
    return this.#isEnding ? this.#now : this.#now = this.#loop.now();
  }

  #arm(deadline: number): void {
    this.#disarm();
    this.#armedFor = deadline;
    this.#disarm = deadline === Infinity ? () => {} : this.#loop.at(deadline, this.#tick);
  }

  readonly #tick = (): void => {
    this.#armedFor = Infinity;
    this.run((engine, now) => engine.ticked(now));
  };

  // The owner of the engine.

  dial(order: DialOrder): void {
    void this.#dial(order);
  }

  async #dial({ attempt, redirect }: DialOrder): Promise<void> {
    const slot: Slot = new Slot(this);
    let isLate = false;
    const cancel = this.#loop.at(this.#loop.now() + this.engine.limits.connackTimeoutMs, () => {
      isLate = true;
      this.run((engine, now) =>
        engine.dialFailed(new TimeoutError(`${this.#presentUrl.host} does not answer`), now)
      );
    });
    try {
      const url = this.#presentUrl = redirect === undefined
        ? this.#url
        : this.#parts.redirection!.urlOf(this.#url, redirect);
      if (redirect?.reasonCode === 0x9d) this.#url = url;
      const credentials = await this.#credentials(url, attempt);
      const { tls = {} } = this.#options;
      const transport = await this.#dialer(url, { tls, signal: this.#dialling.signal });
      transport.start(slot);
      if (isLate) return transport.abort();
      this.run((engine, now) => slot.connection = engine.opened(transport, credentials, now));
    } catch (error) {
      if (isLate) return;
      const message = error instanceof Error ? error.message : String(error);
      this.run((engine, now) => engine.dialFailed(new ConnectionError(message, error), now));
    } finally {
      cancel();
    }
  }

  async #credentials({ username: user, password: secret }: URL, attempt: number): Promise<Credentials> {
    const { credentials } = this.#options;
    const login = credentials === undefined ? this.#options : await credentials(attempt);
    const username = login.username ?? (user === "" ? undefined : decodeURIComponent(user));
    const password = login.password ?? (secret === "" ? undefined : decodeURIComponent(secret));
    return {
      ...username !== undefined && { username },
      ...password !== undefined && { password: bytesOf(password) },
      ...await this.#authenticator?.credentials(),
    };
  }

  refuses(server: Readonly<ConnackProperties>): MqttError | undefined {
    return this.#authenticator?.refuses(server);
  }

  connected(event: Connected): void {
    this.#accepted?.();
    this.#accepted = this.#refused = undefined;
    const { protocol, host, pathname } = this.#presentUrl;
    this.#emit("connected", { ...event, url: `${protocol}//${host}${pathname}` });
  }

  disconnected(error: MqttError, retryAt: number | undefined): void {
    this.#emit("disconnected", { error, retryAt });
  }

  unsubscribed(filter: string, error: RefusedError | UnsupportedError): void {
    this.#emit("unsubscribed", { filter, error });
  }

  unmatched(incoming: Incoming): void {
    if (this.#listeners.has("unmatched")) this.#emit("unmatched", this.message(incoming));
  }

  commit(): void {
    Promise.resolve().then(() => this.#options.store!.commit()).then(
      () => this.run((engine, now) => engine.committed(now)),
      (error) => this.run((engine, now) => engine.commitFailed(error, now)),
    );
  }

  closed(error: MqttError | undefined): void {
    this.#arm(Infinity);
    this.#dialling.abort();
    for (const subscription of this.#subscriptions) subscription.finish(error);
    this.#requests?.failAll(new ClosedError("The client is closed", error));
    this.#refused?.(error ?? new ClosedError("The client is closed"));
    this.#accepted = this.#refused = undefined;
    this.#emit("closed", { error });
    this.#isOver();
  }

  #emit<K extends keyof ClientEvents>(type: K, event: ClientEvents[K]): void {
    // Later: a listener may call the Client, and one that throws is none of the engine's business.
    for (const listener of this.#listeners.get(type) ?? []) queueMicrotask(() => listener(event));
  }

  on(type: string, listener: (event: unknown) => void, signal: AbortSignal | undefined): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    const own = (event: unknown) => listener(event);
    const off = () => void listeners.delete(own);
    if (signal?.aborted === true) return off;
    listeners.add(own);
    signal?.addEventListener("abort", off, { once: true });
    return off;
  }

  // Wishes.

  publish(
    topic: string,
    payload: Uint8Array | string,
    options: PublishOptions = NO_OPTIONS,
  ): Promise<Published> {
    let end: Promise<Published> | undefined;
    let publication: Publication | undefined;
    try {
      const { qos = 0, retain = false, signal, offline = qos === 0 ? "fail" : "queue" } = options;
      signal?.throwIfAborted();
      const properties = propertiesOf(options);
      const bytes = bytesOf(payload);
      const isPlain = qos === 0 && offline === "fail" && properties === undefined && signal === undefined;
      const joint = isPlain ? this.#joint : undefined;
      if (joint !== undefined && this.engine.join(joint.publication, topic, bytes, retain)) return joint.end;
      end = new Promise(takeEnds);
      const init = { topic, payload: bytes, qos, retain, properties, offline };
      publication = signal === undefined
        ? new Publication(init, resolveEnd, rejectEnd)
        : this.#abortable(init, signal, resolveEnd, rejectEnd);
      this.engine.publish(publication, this.#turnTime());
      if (!this.#isEnding) this.touched();
      if (isPlain && this.#isEnding) this.#joint = { publication, end };
      return end;
    } catch (error) {
      publication?.failed(error);
      return end ?? Promise.reject(error);
    }
  }

  #abortable(
    init: PublicationInit,
    signal: AbortSignal,
    resolve: (outcome: Published) => void,
    reject: (error: unknown) => void,
  ): Publication {
    const aborted = () => {
      this.engine.outbound.cancel(publication);
      publication.failed(signal.reason);
    };
    signal.addEventListener("abort", aborted, { once: true });
    const forget = () => signal.removeEventListener("abort", aborted);
    const publication = new Publication(
      init,
      (outcome) => (forget(), resolve(outcome)),
      (error) => (forget(), reject(error)),
    );
    return publication;
  }

  subscribe(
    topic: string | readonly string[] | Topic<string, unknown>,
    options: SubscribeOptions,
  ): Promise<Subscription<unknown, unknown>> {
    const isTyped = typeof topic !== "string" && "pattern" in topic;
    const reading: Reading<unknown, unknown> = isTyped
      ? { replier: this, payload: topic.payload, params: (name) => topic.match(name) }
      : this.#plain;
    const filters = new Set(isTyped ? [topic.filter] : typeof topic === "string" ? [topic] : topic);
    const { signal } = options;
    const room = this.engine.limits.bufferedMessages;
    const subscription = new Subscription([...filters], this, reading, room, options);
    const asked = this.#read(subscription, options);
    if (signal === undefined) return asked;
    return new Promise((resolve, reject) => {
      const aborted = () => {
        reject(signal.reason);
        subscription.unsubscribe().catch(() => {});
      };
      if (signal.aborted) aborted();
      signal.addEventListener("abort", aborted, { once: true });
      subscription.over = () => signal.removeEventListener("abort", aborted);
      asked.then(resolve, reject);
    });
  }

  async #read(
    reader: Subscription<unknown, unknown>,
    options: SubscribeOptions,
  ): Promise<Subscription<unknown, unknown>> {
    if (reader.filters.length === 0) throw new UsageError("A Topic Filter is missing");
    this.#subscriptions.add(reader);
    try {
      const codes = await Promise.all(reader.filters.map((filter) => this.read(filter, reader, options)));
      reader.granted = Math.min(...codes) as QoS;
      return reader;
    } catch (error) {
      reader.unsubscribe().catch(() => {}); // what was granted
      throw error;
    }
  }

  /** Subscribes; resolves with the code of SUBACK. */
  read(filter: string, reader: MessageReader, options: SubscribeOptions = {}): Promise<number> {
    const { qos = 2, noLocal = false, retainAsPublished = false, retainHandling = 0 } = options;
    const { subscriptionIdentifier, userProperties } = options;
    const init = {
      filter,
      qos,
      noLocal,
      retainAsPublished,
      retainHandling,
      ...subscriptionIdentifier !== undefined && { subscriptionIdentifier },
      ...userProperties !== undefined && { userProperties },
    };
    return new Promise((done, failed) => {
      this.run((engine, now) => engine.subscribe(init, reader, { done, failed }, now));
    });
  }

  /** Ends the subscription of a reader, or without one that of an earlier process; resolves with the code of UNSUBACK. */
  unsubscribe(
    filter: string,
    reader: MessageReader | undefined,
    userProperties?: UserProperties,
  ): Promise<number> {
    this.#subscriptions.delete(reader as Subscription<unknown, unknown>);
    return new Promise((done, failed) => {
      this.run((engine, now) => engine.unsubscribe(filter, reader, { done, failed }, now, userProperties));
    });
  }

  noConnection(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (this.engine.status !== "connected") return resolve();
      for (const type of ["disconnected", "closed"]) this.on(type, () => resolve(), signal);
    });
  }

  pause(reader: object): boolean {
    return this.engine.pause(reader);
  }

  readOn(reader: object): void {
    this.run((engine, now) => engine.readOn(reader, now));
  }

  async reauthenticate(): Promise<void> {
    if (this.#authenticator === undefined) {
      throw new UsageError("There is no authentication method [MQTT-4.12.0-7]");
    }
    await this.#authenticator.again();
  }

  async close({ timeoutMs = CLOSE_MS, withWill, ...options }: CloseOptions): Promise<void> {
    const properties = disconnectProperties(options);
    this.run((engine, now) => engine.close(now, timeoutMs, withWill, properties));
    await this.#over;
  }

  // Requests.

  /** @throws {UsageError} if they are not among the parts. */
  get requests(): Requests {
    return this.#requests ?? missing("requests");
  }

  responseBase(): string {
    const id = () => this.#random().toString(36);
    return `${this.engine.connected?.server.responseInformation ?? "reply"}/${id()}${id()}`;
  }

  message(incoming: Incoming): Message {
    return new Message(incoming, this.#plain);
  }

  after(ms: number, run: () => void): () => void {
    return this.#loop.at(this.#loop.now() + ms, run);
  }
}

/** Events of browsers that say that a network may be there again. */
const WAKING = ["online", "pageshow", "visibilitychange"];

/** Hands the events of one transport to its connection. */
class Slot implements TransportHandler {
  connection: Connection | undefined;
  readonly #driver: ClientDriver;

  constructor(driver: ClientDriver) {
    this.#driver = driver;
  }

  received(chunk: Uint8Array): void {
    this.#driver.run((_engine, now) => this.connection?.received(chunk, now));
  }

  drained(): void {
    this.#driver.run((_engine, now) => this.connection?.drained(now));
  }

  closed(error?: Error): void {
    this.#driver.run((_engine, now) => this.connection?.closed(now, error));
  }
}

/** @throws {UsageError} if a part is not there that is asked for. */
function needed<K extends keyof ClientParts>(parts: ClientParts, name: K): NonNullable<ClientParts[K]> {
  return parts[name] ?? missing(name);
}

function missing(name: keyof ClientParts): never {
  throw new UsageError(`This Client has not the part ${name}`);
}

function engineOptions(options: ConnectOptions, random: () => number): EngineOptions {
  const { will, connectTimeoutMs, reconnect, offlineQueue, redirects, authentication: _, limits, ...rest } =
    options;
  const { minMs, maxMs, again } = reconnect === false ? {} : reconnect ?? {};
  return {
    ...rest,
    random,
    ...will !== undefined && { will: willOf(will) },
    ...connectTimeoutMs !== undefined && { patienceMs: connectTimeoutMs },
    reconnect: reconnect !== false,
    ...again !== undefined && { again },
    limits: {
      ...offlineQueue?.messages !== undefined && { waitingMessagesMax: offlineQueue.messages },
      ...offlineQueue?.bytes !== undefined && { waitingBytesMax: offlineQueue.bytes },
      ...minMs !== undefined && { retryMinMs: minMs },
      ...maxMs !== undefined && { retryMaxMs: maxMs },
      ...typeof redirects === "number" && { redirectsMax: redirects },
      ...limits,
    },
  };
}

function disconnectProperties(
  { sessionExpiry: sessionExpiryInterval, reasonString, userProperties }: CloseOptions,
): DisconnectProperties | undefined {
  const given = Object.entries({ sessionExpiryInterval, reasonString, userProperties })
    .filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

function willOf(
  { topic, payload, qos = 0, retain = false, properties }: NonNullable<ConnectOptions["will"]>,
): Will {
  return { topic, payload: bytesOf(payload), qos, retain, ...properties !== undefined && { properties } };
}

const NO_OPTIONS: PublishOptions = {};

/** The two ends of the promise that was made last. A closure for each message would cost a tenth of it. */
let resolveEnd: (outcome: Published) => void;
let rejectEnd: (error: unknown) => void;

function takeEnds(resolve: (outcome: Published) => void, reject: (error: unknown) => void): void {
  resolveEnd = resolve;
  rejectEnd = reject;
}

/** The properties of a message among its options; undefined if there are none. */
function propertiesOf(options: PublishOptions): MessageProperties | undefined {
  const { payloadFormatIndicator: a, messageExpiryInterval: b, contentType: c } = options;
  const { responseTopic: d, correlationData: e, userProperties: f } = options;
  if ((a ?? b ?? c ?? d ?? e ?? f) === undefined) return undefined; // faster than to look at each by its name
  const found: Record<string, unknown> = {};
  for (const name of PROPERTIES) if (options[name] !== undefined) found[name] = options[name];
  return found;
}

const PROPERTIES: readonly (keyof MessageProperties)[] = [
  "payloadFormatIndicator",
  "messageExpiryInterval",
  "contentType",
  "responseTopic",
  "correlationData",
  "userProperties",
];
