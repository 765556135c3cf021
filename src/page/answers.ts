/**
 * What the broker's HTTP API answers, as far as the page shows it. Times are ms since 1970, durations seconds, `null` is never or none.
 * Knows names; refuses to know how they are asked for.
 * @module
 */
import type { BrokerStats } from "../broker/mod.ts";

/** GET /api/v1 */
export interface About {
  readonly name: string;
  readonly version: string;
  /** Who is signed in; null by the token. */
  readonly user?: string | null;
}

/** A list that is read in parts. */
export interface Part<T> {
  readonly items: readonly T[];
  /** Where the next part begins; null behind the last one. */
  readonly next?: string | null;
}

/** GET /api/v1/figures */
export interface Figures {
  readonly broker: BrokerStats;
  readonly process: {
    readonly version: string;
    readonly since: number;
    readonly residentBytes: number;
    readonly cpuSeconds: number;
  };
  readonly queued?: number;
  readonly queuedBytes?: number;
  readonly latencies?: Readonly<Record<string, Latency>>;
}

/** A histogram of seconds. */
export interface Latency {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

/** GET /api/v1/clients, and one of them */
export interface ClientRow {
  readonly clientId: string;
  readonly user: string | null;
  readonly address: string;
  readonly listener?: string | null;
  readonly level: number;
  readonly keepAlive: number;
  readonly since: number;
  readonly subscriptions: number;
  readonly queued: number;
  readonly inFlight?: number;
  readonly receiveMaximum?: number;
  readonly bytesIn?: number;
  readonly bytesOut?: number;
}

/** GET /api/v1/sessions */
export interface SessionRow {
  readonly clientId: string;
  readonly user: string | null;
  readonly connected: boolean;
  readonly expiry: number | null;
  readonly subscriptions: number;
  readonly queued: number;
  readonly queuedBytes?: number;
  readonly will?: unknown;
}

/** GET /api/v1/sessions/ID/subscriptions */
export interface SubscriptionRow {
  readonly filter: string;
  readonly qos: number;
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly retainHandling?: number;
  readonly identifier?: number | null;
  readonly share?: string | null;
}

/** GET /api/v1/sessions/ID/queue */
export interface QueuedRow {
  readonly topic: string;
  readonly qos: number;
  readonly bytes: number;
  readonly age?: number | null;
  readonly expiry?: number | null;
  readonly state?: string;
}

/** GET /api/v1/topics */
export interface TopicRow {
  readonly name: string;
  readonly hasChildren: boolean;
  readonly count?: number;
  readonly retained?: boolean;
  readonly bytes?: number;
}

/** GET /api/v1/retained */
export interface RetainedRow {
  readonly topic: string;
  readonly qos: number;
  readonly bytes: number;
  readonly age?: number | null;
  readonly expiry?: number | null;
}

/** GET /api/v1/retained/TOPIC */
export interface RetainedMessage extends RetainedRow {
  readonly payloadBase64: string;
  readonly payload?: string | null;
  readonly truncated?: boolean;
}

/** GET /api/v1/limits */
export interface LimitRow {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** How often it was reached since the start. */
  readonly bit: number;
  readonly about?: string;
}

/** GET /api/v1/settings */
export interface SettingRow {
  readonly key: string;
  readonly value: unknown;
  readonly about?: string;
}

/** GET /api/v1/listeners */
export interface ListenerRow {
  readonly url: string;
  readonly connections?: number;
}

/** GET /api/v1/users */
export interface UserRow {
  readonly name: string;
}

/** GET /api/v1/permissions */
export interface PermissionsText {
  readonly text: string;
  readonly path?: string | null;
}

/** GET /api/v1/explain */
export interface Explanation {
  readonly gets: boolean;
  readonly because: string;
  readonly steps: readonly {
    readonly what: string;
    readonly result: string;
    readonly detail?: string | null;
  }[];
}
