/**
 * The webhook: events go to a service by HTTP, in batches and in their order, again and again until it has them.
 * Knows requests, waits and what an answer means; refuses to know settings.
 *
 * Requests are signed as Standard Webhooks has it: `webhook-id`, `webhook-timestamp` (s) and `webhook-signature`, `v1,` and the base64 of
 * HMAC-SHA256 over `ID.TIMESTAMP.BODY`.
 * @module
 */
import { Buffer } from "node:buffer";
import { createHmac, randomUUID } from "node:crypto";
import { clearTimeout, setTimeout } from "node:timers";
import type { TappedMessage } from "../broker/mod.ts";
import { UsageError } from "../codec/error.ts";
import { fetchBounded } from "../login/fetch.ts";
import { matches, parseFilter } from "../topic/filter.ts";
import {
  eventBytes,
  type EventKind,
  type Listener,
  type ListenerTap,
  messageBytes,
  publishedOf,
  type RareEvent,
  type RuleEvent,
} from "./event.ts";
import type { WebhookFigures } from "./figures.ts";
import type { RuleLog } from "./log.ts";
import type { WebhookNumbers } from "./numbers.ts";
import { BoundedQueue } from "./queue.ts";

/** The kinds of events that a webhook may hear. */
export const WEBHOOK_EVENTS: readonly EventKind[] = ["connect", "disconnect", "subscribe", "publish"];

/** A webhook. */
export interface WebhookOptions {
  readonly url: string;
  readonly events: readonly EventKind[];
  /** Topic Filters of the messages. */
  readonly topics: readonly string[];
  /** Without one requests have no signature. `whsec_` and base64, or a text. */
  readonly secret: string | undefined;
  /** `text`: as text if it is UTF-8, else base64. */
  readonly payload: "text" | "base64";
  readonly numbers: WebhookNumbers;
  readonly log: RuleLog;
  /** From 0 to 1, for tests. */
  readonly random?: () => number;
}

/** Answers that a later attempt may change: too early, too many, and the timeout of a service. */
const AGAIN: readonly number[] = [408, 421, 425, 429];
/** Of an answer, which is thrown away. */
const ANSWER_BYTES = 64 * 1024;

/**
 * The address of a webhook.
 * @throws {UsageError}
 */
export function webhookUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError("it is no URL: it begins with https:// or http://");
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new UsageError(`it begins with https:// or http://, not ${url.protocol}//`);
  }
  if (url.username !== "" || url.password !== "") {
    throw new UsageError("it has a password in it: sign the requests with webhook.secret-file instead");
  }
  return url;
}

/**
 * Topic Filters of a webhook.
 * @throws {UsageError} for what is none, or is shared.
 */
export function checkTopics(topics: readonly string[]): void {
  for (const topic of topics) {
    const parsed = parseFilter(topic);
    if (typeof parsed !== "string" && parsed.share === undefined) continue;
    throw new UsageError(`${JSON.stringify(topic)} is not a Topic Filter for a webhook`);
  }
}

/** Requests to one address. */
export class Webhook implements Listener {
  readonly taps: readonly ListenerTap[];
  readonly #options: WebhookOptions;
  readonly #queue: BoundedQueue<{ readonly seq: number; readonly event: RuleEvent }>;
  readonly #key: Uint8Array | string | undefined;
  readonly #counts = { delivered: 0, lost: 0, deadLetters: 0, requests: 0, failedRequests: 0 };
  #seq = 0;
  #since = 0;
  #attempts = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isSending = false;
  #sent: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;
  #endsAt: number | undefined;
  #isClosed = false;

  /** @throws {UsageError} */
  constructor(options: WebhookOptions) {
    const { url, topics, events, numbers, secret } = options;
    webhookUrl(url);
    checkTopics(topics);
    this.#options = options;
    this.#queue = new BoundedQueue(numbers.eventsMax, numbers.eventsBytesMax);
    this.#key = secret === undefined ? undefined : keyOf(secret);
    this.taps = !events.includes("publish") ? [] : topics.map((filter, i) => ({
      filter,
      received: (message) => {
        // A message that several filters match is told once.
        for (let before = 0; before < i; before++) if (matches(topics[before]!, message.topic)) return;
        this.#received(message);
      },
    }));
  }

  get figures(): WebhookFigures {
    const { lost, ...counts } = this.#counts;
    return {
      ...counts,
      waiting: this.#queue.count,
      dropped: this.#queue.dropped + lost,
      isFailing: this.#attempts > 0,
    };
  }

  hears(kind: RareEvent["kind"]): boolean {
    return this.#options.events.includes(kind);
  }

  heard(event: RareEvent): void {
    const bytes = eventBytes(event);
    if (this.#hasRoom(bytes)) this.#push(event, bytes);
  }

  /** What waits is sent, once and for no longer than `ms`; what is left then is lost, and told. */
  async close(ms = 1_000): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#endsAt = performance.now() + ms;
    this.#wake?.();
    this.#flush();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
    await Promise.race([this.#sent, late]);
    clearTimeout(timer);
    const left = this.#queue.count;
    if (left === 0) return;
    this.#counts.lost += left;
    this.#options.log.warn("the webhook ends, events are lost", { ...this.#where, lost: left });
  }

  #received(message: TappedMessage): void {
    const bytes = messageBytes(message);
    if (this.#hasRoom(bytes)) this.#push(publishedOf(message, Date.now()), bytes);
  }

  #hasRoom(bytes: number): boolean {
    if (this.#isClosed) return false;
    if (this.#queue.hasRoom(bytes)) return true;
    this.#options.log.warnSeldom("webhook dropped", "the webhook is too slow: events are dropped", {
      ...this.#where,
      dropped: this.#queue.dropped,
      limit: `webhook.${this.#queue.count >= this.#queue.itemsMax ? "events-max" : "events-bytes-max"}`,
    });
    return false;
  }

  #push(event: RuleEvent, bytes: number): void {
    this.#queue.push({ seq: ++this.#seq, event }, bytes);
    if (this.#isSending) return;
    const { batchEventsMax, batchMs } = this.#options.numbers;
    if (this.#queue.waiting >= batchEventsMax) return this.#flush();
    this.#timer ??= setTimeout(() => this.#flush(), batchMs);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isSending || this.#queue.waiting === 0) return;
    this.#isSending = true;
    this.#sent = this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    const { batchEventsMax, batchBytesMax } = this.#options.numbers;
    while (this.#queue.waiting > 0 && !this.#isOver) {
      const { items, settled } = this.#queue.take(batchEventsMax, batchBytesMax);
      const id = randomUUID();
      const body = JSON.stringify({
        id,
        events: items.map(({ seq, event }) => jsonOf(event, seq, this.#options.payload)),
      });
      if (!await this.#sendOne(id, body, items.length)) break;
      settled();
    }
    this.#isSending = false;
  }

  /** Whether the batch is dealt with: taken, or refused for good. */
  async #sendOne(id: string, body: string, events: number): Promise<boolean> {
    const { log } = this.#options;
    for (;;) {
      const why = await this.#attempt(id, body);
      if (why === undefined) {
        this.#counts.delivered += events;
        if (this.#attempts > 0) {
          const seconds = Math.round((performance.now() - this.#since) / 1_000);
          log.info("the webhook answers again", { ...this.#where, attempts: this.#attempts, seconds });
        }
        this.#attempts = 0;
        return true;
      }
      this.#counts.failedRequests++;
      if (why.isFinal) {
        this.#counts.deadLetters += events;
        const told = { ...this.#where, why: why.text, events, deadLetters: this.#counts.deadLetters };
        log.warnSeldom("webhook refused", "the webhook refuses events, which are thrown away", told);
        this.#attempts = 0;
        return true;
      }
      if (this.#attempts++ === 0) {
        this.#since = performance.now();
        log.warn("the webhook fails, requests are sent again", { ...this.#where, why: why.text });
      }
      if (this.#isClosed) return false;
      await this.#pause();
      if (this.#isOver) return false;
    }
  }

  /** Why it has failed, if it has. */
  async #attempt(id: string, body: string): Promise<{ text: string; isFinal: boolean } | undefined> {
    const { url, numbers } = this.#options;
    const left = this.#endsAt === undefined ? Infinity : Math.max(1, this.#endsAt - performance.now());
    this.#counts.requests++;
    try {
      const { status } = await fetchBounded(url, {
        method: "POST",
        headers: { "content-type": "application/json", "user-agent": "plumb", ...this.#signed(id, body) },
        body,
        timeoutMs: Math.min(numbers.timeoutMs, left),
        bytesMax: ANSWER_BYTES,
      });
      if (status >= 200 && status < 300) return undefined;
      const isFinal = status >= 400 && status < 500 && !AGAIN.includes(status);
      return { text: `status ${status}`, isFinal };
    } catch (error) {
      return { text: (error as Error).message, isFinal: false };
    }
  }

  #signed(id: string, body: string): Record<string, string> {
    const timestamp = String(Math.floor(Date.now() / 1_000));
    const signed = { "webhook-id": id, "webhook-timestamp": timestamp };
    if (this.#key === undefined) return signed;
    const hmac = createHmac("sha256", this.#key).update(`${id}.${timestamp}.${body}`).digest("base64");
    return { ...signed, "webhook-signature": `v1,${hmac}` };
  }

  /** The wait before the next attempt; ends when the webhook does. */
  #pause(): Promise<void> {
    const { numbers: { retryMs, retryMaxMs }, random = Math.random } = this.#options;
    const whole = Math.min(retryMaxMs, retryMs * 2 ** Math.min(this.#attempts - 1, 30));
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), whole * (0.5 + random() / 2));
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
    });
  }

  get #isOver(): boolean {
    return this.#endsAt !== undefined && performance.now() >= this.#endsAt;
  }

  /** What a log may say of the address: its path is often a secret. */
  get #where(): { readonly to: string } {
    return { to: new URL(this.#options.url).origin };
  }
}

function keyOf(secret: string): Uint8Array | string {
  return secret.startsWith("whsec_") ? Buffer.from(secret.slice("whsec_".length), "base64") : secret;
}

/** An event as it is sent. */
function jsonOf(event: RuleEvent, seq: number, payload: WebhookOptions["payload"]): unknown {
  const head = { seq, kind: event.kind, at: new Date(event.at).toISOString() };
  if (event.kind === "publish") {
    const { clientId, topic, qos, retain } = event;
    return { ...head, clientId, topic, qos, retain, ...payloadOf(event.payload, payload) };
  }
  const { kind: _, at: __, client, ...rest } = event;
  return { ...head, ...client, ...rest };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function payloadOf(
  payload: Uint8Array,
  form: WebhookOptions["payload"],
): { readonly payload: string } | { readonly payloadBase64: string } {
  if (form === "text") {
    try {
      return { payload: utf8.decode(payload) };
    } catch { // it is no text
    }
  }
  return {
    payloadBase64: Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString("base64"),
  };
}
