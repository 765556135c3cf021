/**
 * What a broker says of itself at one moment.
 * Knows the figures; refuses to know how they are counted.
 * @module
 */
import type { Rule } from "../codec/error.ts";
import type { MemoryStats } from "./ledger.ts";
import type { LimitName } from "./limits.ts";
import type { TrafficStats } from "./traffic.ts";

/** A Server at one moment: gauges, and counts since the start. */
export interface BrokerStats {
  /** PUBLISH packets from Clients, since the start. */
  readonly received: number;
  /** Copies that did not reach a session, since the start. */
  readonly dropped: number;
  /** How often each limit was reached, since the start; a limit that was not is left out. */
  readonly limits: Readonly<Partial<Record<LimitName, number>>>;
  /** Connections, packets and filters that were refused, and connections that the Server has ended, for each rule, since the start. */
  readonly refusals: Readonly<Partial<Record<Rule, number>>>;
  /** Connections that are not over, with or without an accepted CONNECT. */
  readonly connections: number;
  /** Connections with an accepted CONNECT. */
  readonly connected: number;
  /** Sessions, of connected and of disconnected Clients. */
  readonly sessions: number;
  /** Subscriptions of all sessions. */
  readonly subscriptions: number;
  /** §4.8.2 Shared Subscriptions, each counted once however many members it has. */
  readonly sharedSubscriptions: number;
  /** §3.3.1.3 */
  readonly retainedMessages: number;
  /** The bytes that they count for in `retainedBytesMax`. */
  readonly retainedBytes: number;
  /** QoS 1 and 2 messages that wait in sessions, once for each, in memory or in the store. */
  readonly queuedMessages: number;
  /** Topics at which retained messages on their way to a new subscription stand. */
  readonly retainedDeliveries: number;
  /** What has gone through, since the start. */
  readonly traffic: TrafficStats;
  /** The memory that is held, for `memoryBytesMax`. */
  readonly memory: MemoryStats;
  /** Facts recorded for the store, since the start. */
  readonly facts: number;
  /** Batches of facts that were given to the store, since the start. */
  readonly commits: number;
  /** Of these, batches that the store could not make safe. */
  readonly failedCommits: number;
  /** Connections, sessions and wills for which something falls due. */
  readonly deadlines: number;
  /** The store cannot make facts safe at present: packets that need that are refused. */
  readonly isFailing: boolean;
  /** Facts are recorded that are not safe yet. */
  readonly isUnsafe: boolean;
}
