/**
 * The memory that a broker holds, in bytes, under names: what peers cause and what parts keep for them.
 * Knows counts; refuses to know the limit's consequences. Why, and how exact it is: spec/decisions/0022-memory-is-counted.md
 *
 * Counts change by differences where things come and go; nothing is added up anew but in `assertInvariants()` of the broker.
 * @module
 */
import type { Message } from "../delivery/message.ts";
import { SHARED_PAYLOAD_BYTES } from "../delivery/message.ts";
import type { LinkLedger } from "../engine/link.ts";
import { BufferPool } from "../engine/outbox.ts";

/**
 * Bytes of the objects around each thing, its own bytes aside: the means of what Deno and Bun take, measured by
 * `deno task bench:memory`.
 */
export const OBJECT_BYTES = {
  /** A Network Connection; its transport says what the runtime takes beside that. */
  connection: 2_560,
  /** A session without subscriptions and messages. */
  session: 640,
  /** A user who has sessions, beside the user name in each of these. */
  user: 96,
  /** A subscription beside its Topic Filter. */
  subscription: 340,
  /** §4.8.2 A group of a Shared Subscription, its members aside. */
  group: 640,
  /** A message in memory, its frame aside, however many sessions it waits for. */
  message: 560,
  /** What each of these sessions has of it. */
  delivery: 144,
  /** A Topic Alias of a Client beside its Topic Name. */
  alias: 640,
  /** A Will beside its frame. */
  will: 512,
  /** A Topic Name whose subscribers are remembered, beside the name. */
  topic: 320,
} as const;

/** A look at the ledger: bytes. */
export interface MemoryStats {
  /** On their way to Clients: the buffers of all outboxes. */
  readonly outgoing: number;
  /** Payloads of 16 KiB and more, once each, wherever they wait: in outboxes, in queues, retained. */
  readonly payloads: number;
  /** Kept of packets that are incomplete or wait for a verdict or for a later turn. */
  readonly incoming: number;
  /** QoS 1 and 2 messages in memory, once each, in queues and in flight. */
  readonly messages: number;
  /** §3.3.1.3 retained messages. */
  readonly retained: number;
  /** §3.3.2.3.4 Topic Aliases, both ways. */
  readonly aliases: number;
  /** §3.1.2.5 Wills. */
  readonly wills: number;
  /** §3.8 subscriptions and groups. */
  readonly subscriptions: number;
  /** §4.1 sessions without their content. */
  readonly sessions: number;
  /** §4.2 Network Connections without their bytes. */
  readonly connections: number;
  /** Topic Names that are remembered. */
  readonly topics: number;
  /** Facts that the store has not made safe yet. */
  readonly facts: number;
  /** Buffers without content, kept for the next packets. */
  readonly pool: number;
  /** All of these. */
  readonly total: number;
}

/** A connection, counted anew: to be compared with the counts. */
export interface Counted {
  /** The memory that it takes without the bytes on their way. */
  readonly ownBytes: number;
  /** Bytes, and payloads that are in its outbox and elsewhere. */
  counted(): { incoming: number; outgoing: number; aliases: number; wills: number; sharedPieces: number };
}

/** The counts of one broker. */
export class Ledger implements LinkLedger {
  outgoing = 0;
  incoming = 0;
  messages = 0;
  retained = 0;
  aliases = 0;
  wills = 0;
  subscriptions = 0;
  sessions = 0;
  connections = 0;
  topics = 0;
  facts = 0;
  /** No bytes: QoS 1 and 2 messages that wait in sessions, once for each, in memory and in the store alone. */
  queuedMessages = 0;
  /** More is held than `memoryBytesMax`: whatever would be kept is refused where it can be. */
  isAbove = false;
  readonly #pool: BufferPool;

  constructor(pool: BufferPool = new BufferPool()) {
    this.#pool = pool;
  }

  /** A session holds a message from now on: in its backlog, or in flight. */
  hold(message: Message): void {
    this.messages += OBJECT_BYTES.delivery;
    if (message.holders! > 0) {
      message.holders!++;
      return;
    }
    const { view } = message;
    const bytes = OBJECT_BYTES.message + view.end - view.at;
    message.holders = 1;
    message.counted = bytes;
    if (bytes < SHARED_PAYLOAD_BYTES) this.messages += bytes;
    else {
      this.messages += OBJECT_BYTES.message;
      this.#pool.hold(view.bytes.buffer);
    }
  }

  /** It does no longer. */
  release(message: Message): void {
    this.messages -= OBJECT_BYTES.delivery;
    if (--message.holders! > 0) return;
    const bytes = message.counted!;
    if (bytes < SHARED_PAYLOAD_BYTES) this.messages -= bytes;
    else {
      this.messages -= OBJECT_BYTES.message;
      this.#pool.release(message.view.bytes.buffer);
    }
  }

  /** A large message is retained (true), or is not any more. */
  retains({ view }: Message, isRetained: boolean): void {
    if (isRetained) this.#pool.hold(view.bytes.buffer);
    else this.#pool.release(view.bytes.buffer);
  }

  /** The part that is no copy of the bytes of shared payloads that outboxes hold: 0 to 1. */
  get shareOfPayloads(): number {
    const { payloadBytes, sharedBytes } = this.#pool;
    return sharedBytes === 0 ? 0 : Math.min(1, payloadBytes / sharedBytes);
  }

  /** All bytes. */
  get total(): number {
    return this.outgoing + this.incoming + this.messages + this.retained + this.aliases + this.wills +
      this.subscriptions + this.sessions + this.connections + this.topics + this.facts +
      this.#pool.payloadBytes + this.#pool.keptBytes;
  }

  /** How it is at present. */
  get stats(): MemoryStats {
    return {
      outgoing: this.outgoing,
      payloads: this.#pool.payloadBytes,
      incoming: this.incoming,
      messages: this.messages,
      retained: this.retained,
      aliases: this.aliases,
      wills: this.wills,
      subscriptions: this.subscriptions,
      sessions: this.sessions,
      connections: this.connections,
      topics: this.topics,
      facts: this.facts,
      pool: this.#pool.keptBytes,
      total: this.total,
    };
  }
}
