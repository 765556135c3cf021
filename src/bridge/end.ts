/**
 * One end of a bridge: a Client that comes back for ever, and tells of its connections in the step in which they begin and end.
 * Knows what both ends have in common; refuses to know which of them it is.
 * @module
 */
import type { Connected, EngineOptions } from "../client/options.ts";
import type { MessageReader } from "../client/exchange.ts";
import type { MqttError } from "../client/error.ts";
import { Publication, type PublicationInit } from "../client/publication.ts";
import { ClientDriver } from "../client_api/client.ts";
import type { ConnectOptions, Dialer } from "../client_api/options.ts";
import { ALL_PARTS } from "../client_api/parts.ts";
import type { QoS } from "../codec/packet.ts";

/** What happens to an end. */
export interface EndEvents {
  /** The Server has accepted it, and nothing has been sent to it on this connection yet. */
  connected(event: Connected): void;
  /** Its subscriptions are there too. */
  ready(event: Connected): void;
  /** There is no connection, or no longer. */
  disconnected(error: MqttError, retryAt: number | undefined): void;
  /** A subscription was refused. */
  refused(filter: string, error: MqttError): void;
}

/** Options of an end. */
export interface EndOptions extends ConnectOptions, Pick<EngineOptions, "amend"> {
  readonly clientId: string;
  /** CONNACK has come: why this connection is not to be used. */
  refuses?(): MqttError | undefined;
}

/** What a Client of a bridge does in any case. */
const ALWAYS = {
  connectTimeoutMs: Infinity,
  // What waits is bounded by the relay: it takes no message that it cannot keep.
  limits: { waitingMessagesMax: Infinity, waitingBytesMax: Infinity, strayMessagesMax: 0 },
} as const;

/** A Client at one end. */
export class End extends ClientDriver {
  readonly #events: EndEvents;
  readonly #refuses: (() => MqttError | undefined) | undefined;
  /** Subscriptions that were never answered. */
  #asked = 0;
  /** Connected, and not told to be ready. */
  #present: Connected | undefined;

  constructor(
    url: URL,
    dial: Dialer,
    options: EndOptions,
    restored: Iterable<readonly [key: number, record: Uint8Array]>,
    events: EndEvents,
  ) {
    const { minMs, maxMs } = options.reconnect === false ? {} : options.reconnect ?? {};
    const reconnect = { ...minMs && { minMs }, ...maxMs && { maxMs }, again: () => true };
    const all: ConnectOptions & Pick<EngineOptions, "amend"> = {
      ...options,
      ...ALWAYS,
      reconnect,
    };
    super(ALL_PARTS, dial, url, all, restored);
    this.engine.inbound.redelivers = true;
    this.#events = events;
    this.#refuses = options.refuses;
  }

  /** Begins to connect, and to subscribe: before anything that an earlier process's session has can come. */
  open(filters: ReadonlyMap<string, QoS>, reader: MessageReader, left: readonly string[]): void {
    this.begin().catch(() => {}); // it ends with `close()` alone
    this.#asked = filters.size;
    const answered = (): void => {
      this.#asked--;
      this.#tellReady();
    };
    for (const [filter, qos] of filters) this.#subscribe(filter, qos, reader, 1, answered);
    for (const filter of left) {
      if (!filters.has(filter)) this.unsubscribe(filter, undefined).catch(() => {});
    }
  }

  /** Has all retained messages of the filters sent again. */
  retainedAgain(filters: ReadonlyMap<string, QoS>): void {
    for (const [filter, qos] of filters) {
      // Another reader of the subscription, which is made anew for it; the first one gets the messages too.
      const reader: MessageReader = { deliver: (message) => message.done(), refused() {} };
      this.#subscribe(filter, qos, reader, 0, () => this.unsubscribe(filter, reader).catch(() => {}));
    }
  }

  #subscribe(
    filter: string,
    qos: QoS,
    reader: MessageReader,
    retainHandling: 0 | 1,
    over: () => void,
  ): void {
    const options = { qos, noLocal: true, retainAsPublished: true, retainHandling };
    this.read(filter, reader, options).catch((error: MqttError) => {
      if (this.engine.status !== "closed") this.#events.refused(filter, error);
    }).finally(over);
  }

  /** §3.3 `over` is called once, perhaps before this returns. @throws {UsageError} for a message that cannot be sent. */
  send(init: PublicationInit, over: (error?: unknown) => void): void {
    this.run((engine, now) => engine.publish(new Publication(init, () => over(), over), now));
  }

  override refuses(server: Connected["server"]): MqttError | undefined {
    return super.refuses(server) ?? this.#refuses?.();
  }

  override connected(event: Connected): void {
    super.connected(event);
    this.#events.connected(event);
    this.#present = event;
    this.#tellReady();
  }

  #tellReady(): void {
    const present = this.#present;
    if (present === undefined || this.#asked > 0) return;
    this.#present = undefined;
    this.#events.ready(present);
  }

  override disconnected(error: MqttError, retryAt: number | undefined): void {
    super.disconnected(error, retryAt);
    this.#present = undefined;
    this.#events.disconnected(error, retryAt);
  }
}
