/**
 * §3.3 A message as its reader sees it.
 * Knows how it is decoded and acknowledged; refuses to know buffers.
 * @module
 */
import type { Incoming } from "../client/incoming.ts";
import type { Published } from "../client/publication.ts";
import { UsageError } from "../codec/error.ts";
import type { PublishProperties, QoS } from "../codec/packet.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import type { PublishOptions } from "./options.ts";
import type { PayloadCodec } from "./payload.ts";

/** What a message needs of its Client. */
export interface Replier {
  /** As `Client.publish()`. */
  publish(topic: string, payload: string | Uint8Array, options?: PublishOptions): Promise<Published>;
}

/** How the messages of one subscription are read. */
export interface Reading<T, Q> {
  /** Sends replies. */
  readonly replier: Replier;
  /** Decodes payloads. */
  readonly payload: PayloadCodec<T>;
  /** Finds parameters. */
  params(topic: string): Q;
}

/** One message. */
export class Message<T = Uint8Array, Q = unknown> {
  readonly #incoming: Incoming;
  readonly #reading: Reading<T, Q>;
  #isDone = false;
  #decoded: { readonly value: T } | undefined;

  /** Subscriptions make them. */
  constructor(incoming: Incoming, reading: Reading<T, Q>) {
    this.#incoming = incoming;
    this.#reading = reading;
  }

  /** §3.3.2.1 */
  get topic(): string {
    return this.#incoming.publish.topic;
  }

  /** The parameters of its topic, if the subscription is to one that has any. */
  get params(): Q {
    return this.#reading.params(this.topic);
  }

  /** Decoded at the first look. @throws {PayloadError} for one that does not decode. */
  get payload(): T {
    return (this.#decoded ??= { value: this.#reading.payload.decode(this.bytes) }).value;
  }

  /** §3.3.3 as it came: a view of up to 4 KiB that it may share with other messages; `slice()` has it alone. */
  get bytes(): Uint8Array {
    return this.#incoming.publish.payload;
  }

  /** §3.3.1.2 */
  get qos(): QoS {
    return this.#incoming.publish.qos;
  }

  /** §3.3.1.3 */
  get retain(): boolean {
    return this.#incoming.publish.retain;
  }

  /** §3.3.1.1 it may have come before. */
  get dup(): boolean {
    return this.#incoming.publish.dup;
  }

  /** §3.3.2.3 */
  get properties(): Readonly<PublishProperties> {
    return this.#incoming.publish.properties ?? {};
  }

  /**
   * Acknowledges it, if it is not: PUBACK or PUBREC leaves as soon as those of the messages before it have left [MQTT-4.6.0-2].
   * A code of 0x80 or above refuses it, at level 5.
   */
  ack(reason: ReasonCode = 0): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#incoming.done(reason);
  }

  /**
   * §4.10 publishes an answer to its Response Topic, with its Correlation Data.
   * @throws {UsageError} if it has no Response Topic.
   */
  reply(payload: Uint8Array | string, options: PublishOptions = {}): Promise<Published> {
    const { responseTopic, correlationData } = this.properties;
    if (responseTopic === undefined) throw new UsageError("The message has no Response Topic to reply to");
    return this.#reading.replier.publish(responseTopic, payload, {
      ...correlationData !== undefined && { correlationData },
      ...options,
    });
  }
}
