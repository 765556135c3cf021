/**
 * A reader of a stream at its server: it is asked for each page, so that no more is under way than was asked for.
 * Knows how a consumer answers; refuses to trust that nothing is lost on the way: a gap in its numbers ends it.
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers";
import type { Cancel } from "../clock.ts";
import { CLUSTER } from "../limits.ts";
import type { StreamMessage } from "../stream.ts";
import type { NatsBus } from "./bus.ts";
import type { ClientMessage } from "./client.ts";
import { askApi, reasonOf } from "./jet_stream.ts";

/** ms: the server forgets a consumer that is not asked for so long. */
const INACTIVE_MS = 60_000;
const NS = 1_000_000;

/** One page that is awaited. */
interface Page {
  readonly messages: StreamMessage[];
  /** Messages that were asked for. */
  readonly wanted: number;
  readonly end: (trouble?: string) => void;
}

/** A consumer of a stream, which stands at a number. */
export class NatsConsumer {
  readonly #bus: NatsBus;
  readonly #stream: string;
  readonly #name: string;
  readonly #inbox: string;
  readonly #bytesMax: number;
  readonly #unsubscribe: Cancel;
  readonly #unwatch: Cancel;
  /** Messages that it has delivered. */
  #delivered = 0;
  #page: Page | undefined;
  /** No message before this one is delivered any more. */
  at: number;
  isClosed = false;

  private constructor(bus: NatsBus, stream: string, name: string, from: number, bytesMax: number) {
    this.#bus = bus;
    this.#stream = stream;
    this.#name = name;
    this.#inbox = bus.inbox();
    this.#bytesMax = bytesMax;
    this.at = from;
    this.#unsubscribe = bus.listen(this.#inbox, (message) => this.#received(message));
    this.#unwatch = bus.watch((isConnected) => isConnected || this.#fail("there is no connection to NATS"));
  }

  /** Makes one that begins at a number. `bytesMax`: the largest message. */
  static open(
    bus: NatsBus,
    stream: string,
    from: number,
    bytesMax: number,
    answered: (consumer: NatsConsumer | string) => void,
  ): void {
    const config = {
      deliver_policy: "by_start_sequence",
      opt_start_seq: from,
      ack_policy: "none",
      mem_storage: true,
      num_replicas: 1,
      inactive_threshold: INACTIVE_MS * NS,
    };
    askApi(bus, `CONSUMER.CREATE.${stream}`, { stream_name: stream, config }, (answer) => {
      if (typeof answer === "string") answered(reasonOf(answer));
      else if (answer.error !== undefined) answered(reasonOf(answer.error));
      else answered(new NatsConsumer(bus, stream, answer.name!, from, bytesMax));
    });
  }

  /**
   * Asks for the messages that are there, or, with `waitMs`, waits so long for one. A string says why there are none, and that the
   * consumer is closed.
   */
  next(waitMs: number, answered: (messages: readonly StreamMessage[] | string) => void): void {
    const messages: StreamMessage[] = [];
    const wanted = waitMs > 0 ? 1 : CLUSTER.pageMessages;
    const timer = setTimeout(() => this.#fail("the server does not answer"), waitMs + this.#bus.answerMs);
    this.#page = {
      messages,
      wanted,
      end: (trouble): void => {
        this.#page = undefined;
        clearTimeout(timer);
        answered(trouble ?? messages);
      },
    };
    const body = waitMs > 0
      ? { batch: 1, expires: waitMs * NS }
      // A message larger than the limit would never be delivered, so one more than a page has room.
      : { batch: wanted, max_bytes: CLUSTER.pageBytes + this.#bytesMax, no_wait: true };
    const bytes = new TextEncoder().encode(JSON.stringify(body));
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#stream}.${this.#name}`;
    if (!this.#bus.publish(subject, bytes, this.#inbox)) {
      queueMicrotask(() => this.#fail("there is no connection to NATS"));
    }
  }

  /** Ends it, here and at the server. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#unsubscribe();
    this.#unwatch();
    this.#bus.publish(`$JS.API.CONSUMER.DELETE.${this.#stream}.${this.#name}`, new Uint8Array());
  }

  #received({ data, reply, headers }: ClientMessage): void {
    const page = this.#page;
    if (page === undefined || this.isClosed) return;
    if (!reply?.startsWith("$JS.ACK.")) {
      return this.#status(page, headers?.code ?? 0, headers?.description ?? "");
    }
    const { sequence, delivery } = numbersOf(reply);
    if (delivery !== this.#delivered + 1) {
      return this.#fail(`messages before ${sequence} were lost on the way`);
    }
    this.#delivered = delivery;
    this.at = sequence + 1;
    page.messages.push({ sequence, bytes: data.slice() });
    if (page.messages.length >= page.wanted) page.end();
  }

  /** No more for this question: nothing is there (404), the time is over or all was sent (408), or it has enough bytes (409). */
  #status(page: Page, code: number, description: string): void {
    if (code === 404 || code === 408 || code === 409 && page.messages.length > 0) page.end();
    else if (code !== 100) this.#fail(`the server says ${code} ${description}`.trim());
  }

  #fail(trouble: string): void {
    this.close();
    this.#page?.end(trouble);
  }
}

/**
 * The numbers in the subject to which a message would be acknowledged: `$JS.ACK.<stream>.<consumer>.<times>.<sequence>.<delivery>`,
 * then the time and what is left. Later servers put the domain and the account before the stream.
 */
function numbersOf(subject: string): { readonly sequence: number; readonly delivery: number } {
  const parts = subject.split(".");
  const at = parts.length >= 11 ? 7 : 5;
  return { sequence: Number(parts[at]), delivery: Number(parts[at + 1]) };
}
