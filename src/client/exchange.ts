/**
 * §2.2.1 What a Packet Identifier of a Client can stand for: a message, or a subscription that is asked for or given up.
 * Knows what belongs together; refuses to know how it goes on.
 * @module
 */
import type { SubscriptionOptions, UserProperties } from "../codec/packet.ts";
import type { RefusedError, UnsupportedError } from "./error.ts";
import type { Incoming } from "./incoming.ts";
import type { Publication } from "./publication.ts";

/** One pool of identifiers for PUBLISH, SUBSCRIBE and UNSUBSCRIBE [MQTT-2.2.1-3]. */
export type Exchange = Publication | Asking;

/** Gets the messages of a subscription. */
export interface MessageReader {
  /** A message has come; `message.done()` is to be called once. */
  deliver(message: Incoming): void;
  /** The Server would not make the subscription anew. */
  refused(error: RefusedError | UnsupportedError): void;
}

/** Waits for a SUBACK or an UNSUBACK. */
export interface Waiter {
  /** It says yes. */
  done(reasonCode: number): void;
  /** It says no, or will never come. */
  failed(error: unknown): void;
}

/** A Topic Filter with its options. */
export interface SubscribeInit extends Partial<SubscriptionOptions> {
  /** §4.7 a Topic Filter, perhaps of a Shared Subscription. */
  readonly filter: string;
  /** §3.8.2.1.2 default: one that the Client chooses. */
  readonly subscriptionIdentifier?: number;
  /** §3.8.2.1.3 */
  readonly userProperties?: UserProperties;
}

/** A call of `subscribe()` or `unsubscribe()` that is not answered. */
export interface Waiting {
  /** Undefined: a subscription of an earlier process is given up. */
  readonly reader: MessageReader | undefined;
  readonly waiter: Waiter;
}

/** One Topic Filter, however many readers it has. */
export interface Entry {
  readonly filter: string;
  /** What Topic Names are matched against. */
  readonly match: string;
  readonly isShared: boolean;
  readonly isWildcard: boolean;
  /** §3.8.2.1.2 */
  identifier: number;
  options: SubscribeInit;
  readonly readers: MessageReader[];
  /** Those for which no SUBSCRIBE is on its way. */
  waiting: Waiting[];
  /** The Server has it. */
  isMade: boolean;
}

/** A SUBSCRIBE or UNSUBSCRIBE that is not acknowledged. */
export interface Asking {
  /** Undefined for UNSUBSCRIBE. */
  readonly entry: Entry | undefined;
  readonly filter: string;
  readonly waiting: readonly Waiting[];
  /** It has readers that do not wait for it: the session was lost. */
  readonly isAnew: boolean;
  /** §3.10.2.1.2 of UNSUBSCRIBE. */
  readonly userProperties?: UserProperties | undefined;
}
