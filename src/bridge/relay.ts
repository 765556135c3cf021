/**
 * §4.3 One direction of a bridge: takes messages from one end and hands them to the other, in their order.
 * Knows when a message may be acknowledged; refuses to know connections and stores.
 *
 * With a store a QoS 2 message is taken in one step: it is put under its way out, and acknowledged under its way in. A QoS 1 message is
 * acknowledged when it is safe. What finds no room is not acknowledged, so it stays where it came from.
 * @module
 */
import { ClosedError, MqttError } from "../client/error.ts";
import type { MessageReader } from "../client/exchange.ts";
import type { Incoming } from "../client/incoming.ts";
import type { PublicationInit } from "../client/publication.ts";
import type { PublishProperties, QoS } from "../codec/packet.ts";
import { Queue } from "../delivery/queue.ts";
import { type Route, targetsOf } from "./routes.ts";

/** What a relay needs of the end that messages come from. */
export interface Source {
  /** Undefined while there is no connection, else whether the Server had the session. */
  readonly session: { readonly isPresent: boolean } | undefined;
}

/** What it needs of the other one. */
export interface Target {
  /** It takes messages, and keeps them while there is no connection. */
  readonly isOpen: boolean;
  readonly isConnected: boolean;
  /** §3.2.2.3.4, §3.2.2.3.5 of the present or the last connection. */
  readonly maximumQos: QoS;
  readonly retainAvailable: boolean;
  /** `over` is called once. @throws {UsageError} for a message that cannot be sent. */
  send(init: PublicationInit, over: (error?: unknown) => void): void;
}

/** How a relay works. */
export interface RelayOptions {
  readonly routes: readonly Route[];
  readonly source: Source;
  readonly target: Target;
  /** Messages of QoS 1 and 2, and bytes of them, that are taken and have not arrived. */
  readonly messagesMax: number;
  readonly bytesMax: number;
  /** What comes while there is no way on is dropped. */
  readonly isClean: boolean;
  /** Runs a function when all is safe that was sent so far; undefined without a store. */
  readonly whenSafe: ((run: () => void) => void) | undefined;
  /** A message does not arrive: the other Server refuses it, say. */
  dropped(topic: string, error: unknown): void;
}

/** One direction. */
export class Relay implements MessageReader {
  /** Messages that have arrived. */
  carried = 0;
  /** Messages that have not, and will not. */
  dropped = 0;
  readonly #options: RelayOptions;
  /** Not acknowledged. */
  readonly #waiting: Queue<Incoming> = new Queue();
  /** The same, of a connection that is lost. */
  #before: Incoming[] = [];
  /** Taken, and not arrived. */
  #messages = 0;
  #bytes = 0;
  #isPumping = false;
  #isOver = false;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** Messages that wait here, or are on their way. */
  get queued(): number {
    return this.#waiting.length + this.#before.length + this.#messages;
  }

  /** One message; it is acknowledged in this step, or later. */
  deliver(message: Incoming): void {
    if (this.#isOver) return; // the session keeps it
    this.#settle();
    if (message.publish.qos === 0) {
      this.#carry(message);
      return message.done();
    }
    this.#waiting.push(message);
    this.pump();
  }

  refused(): void {} // the end tells of it

  /** The connection to the source is over: what was not acknowledged comes again with the session, and not without. */
  lost(): void {
    this.#before.push(...this.#waiting.clear());
  }

  /** There is a connection to the source. */
  back(): void {
    this.#settle();
    this.pump();
  }

  #settle(): void {
    const { session } = this.#options.source;
    if (this.#before.length === 0 || session === undefined) return;
    const before = this.#before;
    this.#before = [];
    if (session.isPresent) return;
    const later = this.#waiting.clear();
    for (const message of [...before, ...later]) this.#waiting.push(message);
  }

  /** Takes what there is room for. */
  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    const { messagesMax, bytesMax, isClean, target } = this.#options;
    try {
      for (let next = this.#waiting.peek(); next !== undefined; next = this.#waiting.peek()) {
        const isFull = this.#messages >= messagesMax || this.#bytes >= bytesMax;
        if (this.#isOver || !target.isOpen || (isFull && !isClean)) return;
        this.#waiting.shift();
        if (isClean && (isFull || !target.isConnected)) {
          this.#drop(next, "no connection");
          next.done();
        } else this.#carry(next);
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #carry(message: Incoming): void {
    const { routes, whenSafe } = this.#options;
    const { topic, qos } = message.publish;
    const targets = targetsOf(routes, topic);
    let open = targets.size + 1;
    const arrived = (): void => {
      if (--open === 0 && qos === 1 && whenSafe === undefined) message.done();
    };
    for (const [to, most] of targets) this.#send(message, to, most, arrived);
    // In the same step: the store has both or none, and without one a repeat is known by its identifier.
    if (qos === 2) message.done();
    else if (whenSafe !== undefined) whenSafe(() => message.done());
    arrived();
  }

  #send(message: Incoming, topic: string, most: QoS, arrived: () => void): void {
    const { target } = this.#options;
    const { payload, retain, properties, qos: own } = message.publish;
    const qos = Math.min(own, most, target.maximumQos) as QoS;
    const init: PublicationInit = {
      topic,
      payload,
      qos,
      retain: retain && target.retainAvailable,
      properties: propertiesOf(properties),
      offline: qos === 0 ? "fail" : "queue",
    };
    if (qos > 0) this.#count(1, payload.length);
    const over = (error?: unknown): void => {
      if (qos > 0) this.#count(-1, -payload.length);
      if (error instanceof ClosedError) return; // the store or the session has it
      if (error === undefined) this.carried++;
      else this.#drop(message, error);
      arrived();
      this.pump();
    };
    try {
      target.send(init, over);
    } catch (error) {
      over(error);
    }
  }

  #count(messages: number, bytes: number): void {
    this.#messages += messages;
    this.#bytes += bytes;
  }

  #drop({ publish }: Incoming, error: unknown): void {
    this.dropped++;
    if (publish.qos > 0 || !(error instanceof MqttError)) this.#options.dropped(publish.topic, error);
  }

  /** Nothing is taken any more. */
  end(): void {
    this.#isOver = true;
  }
}

/** §3.3.2.3 without those that belong to one connection. */
function propertiesOf(properties: PublishProperties | undefined): PublishProperties | undefined {
  if (properties === undefined) return undefined;
  const { topicAlias: _, subscriptionIdentifiers: __, ...rest } = properties;
  return Object.keys(rest).length === 0 ? undefined : rest;
}
