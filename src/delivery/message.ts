/**
 * §4.5 An Application Message that outlives the call that brought it.
 * Knows its frame and when it expires; refuses to know who gets it.
 * @module
 */
import type { PublishView } from "../codec/publish_view.ts";

/** Bytes that a message costs beside its frame. */
const OVERHEAD_BYTES = 256;

/** One message, shared by all queues that hold it. Never changed once made. */
export interface Message {
  readonly topic: string;
  /** The frame as published, with bytes of its own, without Topic Alias. */
  readonly view: PublishView;
  /** §3.3.2.3.3 ms since the epoch, Infinity if it does not expire. */
  readonly expiresAt: number;
  /** Client Identifier of the publisher, for No Local; undefined if the Server itself published. */
  readonly publisher: string | undefined;
}

/** What a message, kept or still in its chunk, counts for in the limits on bytes. */
export function messageBytes({ view }: { readonly view: PublishView }): number {
  return view.end - view.at + OVERHEAD_BYTES;
}

/** §3.3.2.3.3 whole seconds left at `now`, never below 0; 0 too if the message does not expire. */
export function secondsLeft(expiresAt: number, now: number): number {
  if (expiresAt === Infinity) return 0;
  return Math.max(0, Math.ceil((expiresAt - now) / 1000));
}
