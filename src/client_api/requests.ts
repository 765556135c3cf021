/**
 * §3.3 Request and response: one Response Topic for each Client, one Correlation Data for each request.
 * Knows which answer belongs to which request; refuses to know payloads.
 * @module
 */
import { TimeoutError, UnsupportedError } from "../client/error.ts";
import type { Incoming } from "../client/incoming.ts";
import type { MessageReader } from "../client/exchange.ts";
import type { Message } from "./message.ts";
import type { RequestOptions } from "./options.ts";
import { bytesOf } from "./payload.ts";

const TIMEOUT_MS = 10_000;

/** What requests need of their Client. */
export interface RequestHost {
  /** §3.1.2.2 */
  readonly level: number;
  /** §3.2.2.3.15, or a text that no other Client has. */
  responseBase(): string;
  /** Subscribes; resolves with SUBACK. */
  read(filter: string, reader: MessageReader): Promise<number>;
  /** Publishes. */
  publish(topic: string, payload: Uint8Array | string, options: RequestOptions): Promise<unknown>;
  /** What a reader sees of a message. */
  message(incoming: Incoming): Message;
  /** Runs `run` at the time; returns how to cancel it. */
  after(ms: number, run: () => void): () => void;
}

/** One request under way. */
interface Waiting {
  answered(message: Message): void;
  failed(error: unknown): void;
}

/** All requests of one Client. */
export class Requests implements MessageReader {
  readonly #host: RequestHost;
  readonly #waiting: Map<string, Waiting> = new Map();
  #topic: string | undefined;
  #ready: Promise<unknown> | undefined;
  #serial = 0;

  constructor(host: RequestHost) {
    this.#host = host;
  }

  /** One answer. */
  async one(topic: string, payload: Uint8Array | string, options: RequestOptions): Promise<Message> {
    const correlation = `${++this.#serial}`;
    const answer = new Promise<Message>((resolve, reject) => {
      this.#waiting.set(correlation, { answered: resolve, failed: reject });
    });
    const stop = this.#bound(correlation, options);
    try {
      // The wait may be over while the request itself still waits for a connection.
      await Promise.race([this.#ask(correlation, topic, payload, options), answer]);
      return await answer;
    } finally {
      stop();
    }
  }

  /** Answers until the time is over, `signal` says so, or the loop ends. */
  async *many(
    topic: string,
    payload: Uint8Array | string,
    options: RequestOptions,
  ): AsyncGenerator<Message, void> {
    const correlation = `${++this.#serial}`;
    const messages: Message[] = [];
    let isOver = false;
    const faults: unknown[] = [];
    let wake = (): void => {};
    this.#waiting.set(correlation, {
      answered(message) {
        messages.push(message);
        wake();
      },
      failed() {
        isOver = true;
        wake();
      },
    });
    const stop = this.#bound(correlation, options);
    try {
      this.#ask(correlation, topic, payload, options).catch((error) => {
        faults.push(error);
        wake();
      });
      for (;;) {
        yield* messages.splice(0);
        if (isOver) return;
        if (faults.length > 0) throw faults[0];
        await new Promise<void>((resolve) => wake = resolve);
      }
    } finally {
      stop();
    }
  }

  async #ask(
    correlation: string,
    topic: string,
    payload: Uint8Array | string,
    options: RequestOptions,
  ): Promise<void> {
    if (this.#host.level < 5) throw new UnsupportedError("MQTT-3.3.2-15", "A request below MQTT 5.0");
    this.#topic ??= this.#host.responseBase();
    this.#ready ??= this.#host.read(this.#topic, this).catch((error) => {
      this.#ready = undefined;
      throw error;
    });
    await this.#ready;
    const { timeoutMs: _, ...publish } = options;
    const request = { ...publish, responseTopic: this.#topic, correlationData: bytesOf(correlation) };
    await this.#host.publish(topic, payload, request);
  }

  /** Ends the wait in time; returns how to end it before. */
  #bound(correlation: string, { timeoutMs = TIMEOUT_MS, signal }: RequestOptions): () => void {
    const aborted = () => this.#waiting.get(correlation)?.failed(signal!.reason);
    const cancel = this.#host.after(timeoutMs, () => {
      this.#waiting.get(correlation)?.failed(new TimeoutError(`No answer within ${timeoutMs} ms`));
    });
    signal?.addEventListener("abort", aborted);
    if (signal?.aborted === true) aborted();
    return () => {
      cancel();
      signal?.removeEventListener("abort", aborted);
      this.#waiting.delete(correlation);
    };
  }

  /** An answer has come. */
  deliver(incoming: Incoming): void {
    const { correlationData } = incoming.publish.properties ?? {};
    if (correlationData !== undefined) {
      this.#waiting.get(String.fromCharCode(...correlationData.subarray(0, 32)))?.answered(
        this.#host.message(incoming),
      );
    }
    incoming.done();
  }

  /** The subscription to the Response Topic is gone. */
  refused(error: unknown): void {
    this.#ready = undefined;
    this.failAll(error);
  }

  /** No answer can come any more. */
  failAll(error: unknown): void {
    for (const waiting of this.#waiting.values()) waiting.failed(error);
  }
}
