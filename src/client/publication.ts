/**
 * §3.3 One message on its way to the Server, from `publish()` until its promise is settled.
 * Knows the message and where it stands; refuses to know connections.
 * @module
 */
import type { PublishProperties, QoS } from "../codec/packet.ts";

/** What becomes of a message while there is no connection. */
export type Offline = "queue" | "fail" | "drop";

/** §4.3 the end of it: QoS 0 is handed to the transport, QoS 1 and 2 have ended their exchange. */
export interface Published {
  /** 0x10 says that there are no subscribers. */
  readonly reasonCode: number;
  /** The Server's words, if it has any. */
  readonly reasonString?: string;
}

/** The commonest end: one object for all. */
const SUCCESS: Published = /* @__PURE__ */ Object.freeze({ reasonCode: 0 });

/** What is published. */
export interface PublicationInit {
  /** A Topic Name. */
  readonly topic: string;
  /** Not changed before the end. */
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  /** Without Topic Alias and Subscription Identifiers. */
  readonly properties: PublishProperties | undefined;
  readonly offline: Offline;
}

/** One message. */
export class Publication {
  readonly topic: string;
  /** Empty once the Server has it. */
  payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly properties: PublishProperties | undefined;
  readonly offline: Offline;
  /** §2.2.1 0 while it has none. */
  packetId = 0;
  /** Its place among all messages, and its key in the store. */
  order = 0;
  /** §4.6 its place among all PUBREC packets. */
  releasedAt = 0;
  /** QoS 0: the position in the outbox behind its bytes. */
  position = 0;
  /** §3.3.2.3.3 ms since the epoch, Infinity if it does not expire. */
  expiresAt: number = Infinity;
  /** Of PUBREC. */
  reasonCode = 0;
  /** The caller has given it up while it waited. */
  isCancelled = false;
  #done: ((outcome: Published) => void) | undefined;
  #failed: ((error: unknown) => void) | undefined;

  /** `done` or `failed` is called, once; without them it is a message that the store had. */
  constructor(
    init: PublicationInit,
    done?: (outcome: Published) => void,
    failed?: (error: unknown) => void,
  ) {
    this.topic = init.topic;
    this.payload = init.payload;
    this.qos = init.qos;
    this.retain = init.retain;
    this.properties = init.properties;
    this.offline = init.offline;
    this.#done = done;
    this.#failed = failed;
  }

  /** Its bytes, where they are counted. */
  get bytes(): number {
    return this.topic.length + this.payload.length;
  }

  /** It has come to its end. */
  done(reasonCode: number, reasonString?: string): void {
    const done = this.#done;
    this.#done = this.#failed = undefined;
    done?.(
      reasonString !== undefined ? { reasonCode, reasonString } : reasonCode === 0 ? SUCCESS : { reasonCode },
    );
  }

  /** It has come to a bad one. */
  failed(error: unknown): void {
    const failed = this.#failed;
    this.#done = this.#failed = undefined;
    failed?.(error);
  }
}
