/**
 * What the broker's HTTP API answers, as far as the page shows it. Times are ms since 1970, durations seconds, `null` is never or none.
 * Knows names; refuses to know how they are asked for.
 * @module
 */
import type {
  BrokerStats,
  ClientView,
  ExplainStep,
  QueuedView,
  RetainedView,
  SessionView,
} from "../broker/mod.ts";

/** GET /api/v1 */
export interface About {
  readonly name: string;
  readonly version: string;
}

/** A list that is read in parts. */
export interface Part<T> {
  readonly items: readonly T[];
  /** Where the next part begins; null behind the last one. */
  readonly next?: string | null;
}

/** GET /api/v1/figures */
export interface Figures extends BrokerStats {
  readonly process: {
    readonly version: string;
    readonly since: number;
    readonly residentBytes: number;
    readonly cpuSeconds: number;
  };
  readonly latencies?: Latencies;
  /** What was written to the disk; left out without a store. */
  readonly store?: { readonly batches: number; readonly bytes: number; readonly fileBytes: number };
  /** The processes that are the broker, if there are several. */
  readonly workers?: readonly { readonly number: number; readonly isUp: boolean }[];
  /** Counted since somebody looks. */
  readonly busiest?: { readonly clients: readonly BusyRow[]; readonly prefixes: readonly BusyRow[] };
}

/** One that publishes much, or that much is published to. */
export interface BusyRow {
  readonly name: string;
  readonly perSecond: number;
}

/** Histograms of times. */
export interface Latencies {
  /** Upper bounds of the buckets, seconds. */
  readonly bounds?: readonly number[];
  readonly [name: string]: Latency | readonly number[] | undefined;
}

/** One of them: how often, in each bucket and above the last one. */
export interface Latency {
  readonly counts: readonly number[];
}

/** GET /api/v1/clients/ID */
export interface OneClient {
  readonly client: ClientView;
  readonly session: SessionView;
}

/** GET /api/v1/retained/TOPIC */
export interface RetainedMessage extends RetainedView {
  readonly payloadBase64: string;
}

export type { ClientView, QueuedView, RetainedView, SessionView };
export type { SubscriptionView, TopicLevelView } from "../broker/mod.ts";

/** GET /api/v1/limits */
export interface LimitRow {
  readonly name: string;
  readonly value: number;
  readonly default: number;
  readonly unit: string;
  readonly scope: string;
  /** How often, since the start. */
  readonly reached: number;
  readonly about: string;
}

/** GET /api/v1/settings */
export interface SettingRow {
  readonly key: string;
  readonly values: readonly string[];
  readonly isDefault: boolean;
  readonly unit: string | null;
  readonly about: string;
  readonly reload: "now" | "new connections" | "restart";
}

/** GET /api/v1/listeners */
export interface ListenerRow {
  readonly url: string;
  readonly addresses: readonly string[];
  readonly login: readonly string[];
}

/** GET /api/v1/users */
export interface UserRow {
  readonly name: string;
  readonly password: boolean;
  readonly scram: boolean;
}

/** GET /api/v1/permissions */
export interface PermissionsText {
  readonly file: string;
  readonly kind: "toml" | "mosquitto-acl";
  readonly text: string;
  /** Given back with a change, so that nobody else's is lost. */
  readonly version: string;
}

/** GET /api/v1/explain */
export interface Explanation {
  /** null: it cannot be foretold. */
  readonly gets: boolean | null;
  readonly because: string;
  readonly steps: readonly ExplainStep[];
  /** Sessions that get a copy; null if there are too many to look at. */
  readonly receivers: number | null;
  /** Of the session of the Client; null without one. */
  readonly past: {
    readonly heardAt: number | null;
  } | null;
}
