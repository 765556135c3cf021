/**
 * What a Client tells while it lives.
 * Knows the events; refuses to know listeners.
 * @module
 */
import type { MqttError, RefusedError, UnsupportedError } from "../client/error.ts";
import type { Connected } from "../client/options.ts";
import type { Message } from "./message.ts";

/** What is told while a Client lives. */
export interface ClientEvents {
  /** Each time, when the subscriptions are there. After the first with `sessionPresent` false, all were made anew, and QoS 1 and 2 are sent again. */
  connected: Connected & { readonly url: string };
  /** `retryAt` (ms since the epoch) is undefined if there will be no other connection. */
  disconnected: { readonly error: MqttError; readonly retryAt: number | undefined };
  /** A subscription that could not be made anew; its iteration ends with the error. */
  unsubscribed: { readonly filter: string; readonly error: RefusedError | UnsupportedError };
  /** A message that no subscription matches: some Servers subscribe for their Clients. It is acknowledged. */
  unmatched: Message;
  /** The last one. */
  closed: { readonly error: MqttError | undefined };
}
