/**
 * §3.8 One subscription and the messages that wait for its reader.
 * Knows buffer, overflow and acknowledgement; refuses to know filters and connections.
 * @module
 */
import type { MqttError } from "../client/error.ts";
import type { Incoming } from "../client/incoming.ts";
import type { MessageReader } from "../client/exchange.ts";
import { UsageError } from "../codec/error.ts";
import type { QoS, UserProperties } from "../codec/packet.ts";
import { Queue } from "../delivery/queue.ts";
import { Message, type Reading } from "./message.ts";
import type { SubscribeOptions, UnsubscribeOptions } from "./options.ts";

/** What a subscription needs of its Client. */
export interface SubscriptionHost {
  /** Nothing more is to be read before `readOn()`; false if something has to be at present. */
  pause(reader: object): boolean;
  /** It can be read again. */
  readOn(reader: object): void;
  /** Ends the subscription to a filter. */
  unsubscribe(filter: string, reader: MessageReader, userProperties?: UserProperties): Promise<number>;
  /** Resolves when there is no connection; `signal`: nothing waits for that any more. */
  noConnection(signal: AbortSignal): Promise<void>;
  /** Below level 5 no Receive Maximum holds the Server back. */
  readonly hasReceiveMaximum: boolean;
}

/** The `next()` that waits. */
interface Next<T, Q> {
  resolve(result: IteratorResult<Message<T, Q>, undefined>): void;
  reject(error: unknown): void;
}

/** Iterated by one loop at a time; what is not read waits. */
export class Subscription<T = Uint8Array, Q = unknown>
  implements AsyncIterable<Message<T, Q>>, AsyncDisposable {
  /** §4.7 one or more. */
  readonly filters: readonly string[];
  /** §3.9.3 what the Server grants, of several filters the least. */
  granted: QoS = 0;
  /** Messages that found the buffer full. */
  dropped = 0;
  /** @internal Called once, when it is over. */
  over: (() => void) | undefined;
  readonly #host: SubscriptionHost;
  readonly #reading: Reading<T, Q>;
  readonly #room: number;
  readonly #overflow: NonNullable<SubscribeOptions["overflow"]>;
  readonly #ack: NonNullable<SubscribeOptions["ack"]>;
  readonly #buffer: Queue<Message<T, Q>> = new Queue();
  /** `auto`: the one that the loop works on. */
  #current: Message<T, Q> | undefined;
  #next: Next<T, Q> | undefined;
  #isBehind = false;
  #end: { readonly error: unknown } | undefined;
  #unsubscribed: Promise<void> | undefined;

  /** `Client.subscribe()` makes them. */
  constructor(
    filters: readonly string[],
    host: SubscriptionHost,
    reading: Reading<T, Q>,
    room: number,
    options: SubscribeOptions,
  ) {
    this.filters = filters;
    this.#host = host;
    this.#reading = reading;
    this.#room = Math.max(1, options.buffer ?? room);
    this.#overflow = options.overflow ?? "wait";
    this.#ack = options.ack ?? "auto";
  }

  /** §4.7 the first of `filters`. */
  get filter(): string {
    return this.filters[0]!;
  }

  /** Messages that wait to be read. */
  get waiting(): number {
    return this.#buffer.length;
  }

  /** @internal A message has come. */
  deliver(incoming: Incoming): void {
    if (this.#end !== undefined) return incoming.done();
    const message = new Message(incoming, this.#reading);
    const next = this.#next;
    if (next !== undefined) {
      this.#next = undefined;
      if (this.#ack === "receipt") message.ack();
      return next.resolve({ value: this.#taken(message), done: false });
    }
    const isFull = this.#buffer.length >= this.#room;
    const waits = this.#overflow === "wait";
    if (isFull && (waits ? message.qos === 0 && !this.#pause() : this.#overflow === "dropNewest")) {
      this.dropped++;
      return message.ack();
    }
    if (isFull && !waits) {
      this.dropped++;
      this.#buffer.shift()!.ack();
    }
    this.#buffer.push(message);
    if (this.#ack === "receipt" && !(isFull && waits)) message.ack();
    const isHeldBack = message.qos > 0 && this.#host.hasReceiveMaximum;
    if (waits && !isHeldBack && this.#buffer.length >= this.#room) this.#pause();
  }

  #pause(): boolean {
    this.#isBehind = true;
    return this.#host.pause(this);
  }

  /** @internal The Server would not make it anew, or one of its filters: then it ends as a whole. */
  refused(error: MqttError): void {
    this.finish(error);
    if (this.filters.length > 1) this.#leave().catch(() => {});
  }

  /** @internal It is over: a loop ends, with an error if there is one, behind what has come. */
  finish(error?: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.over?.();
    this.#readOn();
    if (this.#next === undefined) return;
    const { resolve, reject } = this.#next;
    this.#next = undefined;
    if (error === undefined) resolve({ value: undefined, done: true });
    else reject(error);
  }

  /**
   * Ends it: UNSUBSCRIBE, for each filter that no other subscription has. What was not read is acknowledged and dropped. Rejects with a
   * `RefusedError`, or a `UsageError` for User Properties that cannot be sent.
   */
  unsubscribe({ userProperties }: UnsubscribeOptions = {}): Promise<void> {
    this.#done();
    this.#buffer.clear().forEach((message) => message.ack());
    this.finish();
    return this.#leave(userProperties);
  }

  #leave(userProperties?: UserProperties): Promise<void> {
    const leave = (filter: string) => this.#host.unsubscribe(filter, this, userProperties);
    return this.#unsubscribed ??= Promise.all(this.filters.map(leave)).then(() => {});
  }

  /** The same, for `await using`; while there is no connection it waits for none: UNSUBSCRIBE goes out with the next. */
  async [Symbol.asyncDispose](): Promise<void> {
    const isOver = new AbortController();
    await Promise.race([this.unsubscribe(), this.#host.noConnection(isOver.signal)]).finally(() =>
      isOver.abort()
    );
  }

  /** One loop. When it is left the subscription stays, and another loop goes on. */
  [Symbol.asyncIterator](): AsyncIterator<Message<T, Q>, undefined> {
    return {
      next: () => this.#nextMessage(),
      return: () => {
        this.#done();
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }

  #nextMessage(): Promise<IteratorResult<Message<T, Q>, undefined>> {
    this.#done();
    const message = this.#buffer.shift();
    if (message !== undefined) {
      if (this.#isBehind && this.#buffer.length <= this.#room / 2) this.#readOn();
      if (this.#ack === "receipt") message.ack();
      return Promise.resolve({ value: this.#taken(message), done: false });
    }
    if (this.#end !== undefined) {
      const { error } = this.#end;
      return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error);
    }
    if (this.#next !== undefined) return Promise.reject(new UsageError("A subscription has one reader"));
    return new Promise((resolve, reject) => this.#next = { resolve, reject });
  }

  #taken(message: Message<T, Q>): Message<T, Q> {
    if (this.#ack === "auto") this.#current = message;
    return message;
  }

  /** The loop is done with its message. */
  #done(): void {
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    current.ack();
  }

  #readOn(): void {
    if (!this.#isBehind) return;
    this.#isBehind = false;
    this.#host.readOn(this);
  }
}
