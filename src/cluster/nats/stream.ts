/**
 * A stream of JetStream.
 * Knows how messages are added, fenced, read and purged there; refuses to know how it is made, and to try again.
 * @module
 */
import type { NotAdded, Stream, StreamPage } from "../stream.ts";
import type { NatsBus } from "./bus.ts";
import { NatsConsumer } from "./consumer.ts";
import { askApi, JS_ERROR, parsed, reasonOf } from "./jet_stream.ts";

/** Header, subject and numbers of a message count too. */
const OVERHEAD_BYTES = 4_096;

/** See `Stream`. */
export class NatsStream implements Stream {
  readonly #bus: NatsBus;
  readonly #name: string;
  readonly #subjectOf: (key: string | undefined) => string;
  /** Stands where the last page ended. */
  #consumer: NatsConsumer | undefined;
  #isClosed = false;

  /** The stream has this name at the server; `subjectOf` says where a message with a key goes. */
  constructor(bus: NatsBus, name: string, subjectOf: (key: string | undefined) => string) {
    this.#bus = bus;
    this.#name = name;
    this.#subjectOf = subjectOf;
  }

  get bytesMax(): number {
    return this.#bus.bytesMax - OVERHEAD_BYTES;
  }

  add(
    bytes: Uint8Array,
    key: string | undefined,
    expectedLast: number | undefined,
    answered: (sequence: number | NotAdded) => void,
  ): void {
    if (bytes.length > this.bytesMax) {
      throw new RangeError(`A message has at most ${this.bytesMax} bytes, not ${bytes.length}`);
    }
    if (!this.#bus.isConnected) {
      const reason = reasonOf("disconnected");
      return queueMicrotask(() => this.#isClosed || answered({ why: "absent", reason }));
    }
    const headers = expectedLast === undefined ? undefined : this.#bus.headers();
    headers?.set("Nats-Expected-Last-Sequence", `${expectedLast}`);
    this.#bus.ask(this.#subjectOf(key), bytes, this.#bus.answerMs, headers, (message) => {
      if (this.#isClosed) return;
      const answer = typeof message === "string" ? message : parsed(message.data);
      if (typeof answer === "string") {
        // Only of what nobody has listened to is it certain that it is not there.
        const why = answer === "nobody" || answer === "denied" ? "absent" : "unsure";
        return answered({ why, reason: reasonOf(answer) });
      }
      const { error, seq, stream } = answer;
      if (error !== undefined) {
        const why = error.err_code === JS_ERROR.wrongLastSequence ? "refused" : "unsure";
        return answered({ why, reason: reasonOf(error) });
      }
      if (seq !== undefined && stream === this.#name) return answered(seq);
      answered({ why: "unsure", reason: `stream ${stream} took what is for ${this.#name}` });
    });
  }

  read(from: number, waitMs: number, answered: (page: StreamPage | string) => void): void {
    const tell = (page: StreamPage | string): void => {
      if (!this.#isClosed) answered(page);
    };
    this.#bounds((bounds) => {
      if (typeof bounds === "string") return tell(bounds);
      const { first, last } = bounds;
      if (from > last && waitMs === 0 || from >= Number.MAX_SAFE_INTEGER) {
        return tell({ messages: [], first, last });
      }
      this.#consumerAt(from, (consumer) => {
        if (typeof consumer === "string") return tell(consumer);
        consumer.next(from > last ? waitMs : 0, (messages) => {
          if (typeof messages === "string") return tell(messages);
          // A server that lags behind has its consumers lag: the next one may be at another.
          if (messages.length === 0 && from <= last) consumer.close();
          else this.#keep(consumer);
          tell({ messages, first, last: Math.max(last, messages.at(-1)?.sequence ?? 0) });
        });
      });
    });
  }

  purge(through: number, answered: (trouble?: string) => void): void {
    const tell = (trouble?: string): void => {
      if (!this.#isClosed) answered(trouble);
    };
    this.#bounds((bounds) => {
      if (typeof bounds === "string") return tell(bounds);
      // The server would take a number beyond its last one for its last one.
      if (through > bounds.last) return tell(`${through} is beyond the last message, ${bounds.last}`);
      if (through < bounds.first) return tell();
      askApi(this.#bus, `STREAM.PURGE.${this.#name}`, { seq: through + 1 }, (answer) => {
        if (typeof answer === "string") tell(reasonOf(answer));
        else if (answer.error !== undefined) tell(reasonOf(answer.error));
        else tell();
      });
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#consumer?.close();
    this.#consumer = undefined;
  }

  #bounds(answered: (bounds: { readonly first: number; readonly last: number } | string) => void): void {
    askApi(this.#bus, `STREAM.INFO.${this.#name}`, undefined, (answer) => {
      if (typeof answer === "string") return answered(reasonOf(answer));
      if (answer.error !== undefined) return answered(reasonOf(answer.error));
      const { first_seq: first, last_seq: last } = answer.state!;
      answered({ first: Math.max(first, 1), last });
    });
  }

  /** The consumer that stands there, or a new one. */
  #consumerAt(from: number, answered: (consumer: NatsConsumer | string) => void): void {
    const kept = this.#consumer;
    if (kept?.at === from) {
      this.#consumer = undefined;
      return answered(kept);
    }
    NatsConsumer.open(this.#bus, this.#name, from, this.bytesMax + OVERHEAD_BYTES, answered);
  }

  #keep(consumer: NatsConsumer): void {
    if (this.#isClosed || consumer.isClosed) return consumer.close();
    this.#consumer?.close();
    this.#consumer = consumer;
  }
}
