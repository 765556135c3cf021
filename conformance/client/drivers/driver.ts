/**
 * How a Client under audit is brought to do something: an order in, a running Client out.
 * Knows what can be ordered; refuses to know any Client, and what is right.
 * @module
 */
import type { Level } from "../../wire/bytes.ts";

/** What a Client can be brought to do. A case that needs more than its Client has is `unsupported`. */
export const SKILLS = [
  "level 4",
  "level 5",
  "subscribe",
  "several subscriptions",
  "no local",
  "unsubscribe",
  "publish",
  "several messages",
  "retain",
  "message properties",
  "will",
  "user name",
  "password",
  "client id",
  "session",
  "keep alive",
  "receive maximum",
  "topic alias maximum",
  "maximum packet size",
  "authentication method",
  "re-authentication",
  "any text",
] as const;

/** One of them. */
export type Skill = typeof SKILLS[number];

/** A subscription to be made. */
export interface OrderedSubscription {
  /** A Topic Filter. */
  readonly filter: string;
  /** The Maximum QoS that is asked for. */
  readonly qos: 0 | 1 | 2;
  /** Level 5. */
  readonly noLocal?: true;
}

/** A message to be published. */
export interface OrderedMessage {
  /** A Topic Name. */
  readonly topic: string;
  /** As UTF-8. */
  readonly payload: string;
  /** That it is published with. */
  readonly qos: 0 | 1 | 2;
  /** Kept by the Server. */
  readonly retain?: true;
  /** Level 5. */
  readonly properties?: {
    /** §3.3.2.3.4 */
    readonly topicAlias?: number;
    /** §3.3.2.3.5 */
    readonly responseTopic?: string;
    /** §3.3.2.3.9 */
    readonly contentType?: string;
    /** §3.3.2.3.3 seconds. */
    readonly messageExpiry?: number;
    /** §3.3.2.3.7 */
    readonly userProperty?: readonly [name: string, value: string];
  };
}

/** A will to be left. */
export interface OrderedWill {
  /** A Topic Name. */
  readonly topic: string;
  /** As UTF-8. */
  readonly payload: string;
  /** That it is published with. */
  readonly qos: 0 | 1 | 2;
  /** Kept by the Server. */
  readonly retain: boolean;
}

/**
 * What the Client is to do: connect; then, once it is accepted, subscribe and wait for the SUBACKs, publish all without
 * waiting in between, and unsubscribe when all that is acknowledged; then stay, and come back when the connection is lost
 * if `reconnect` says so. `RunningClient.leave()` ends it.
 */
export interface ClientOrder {
  /** The protocol level in CONNECT. */
  readonly level: Level;
  /** The Client Identifier. */
  readonly clientId: string;
  /** Clean Start, or Clean Session at level 4. */
  readonly cleanStart: boolean;
  /** Seconds. */
  readonly keepAlive: number;
  /** Whether it comes back by itself. */
  readonly reconnect: boolean;
  /** Left with CONNECT. */
  readonly will?: OrderedWill;
  /** Sent with CONNECT. */
  readonly username?: string;
  /** Sent with CONNECT, as UTF-8. */
  readonly password?: string;
  /** §3.1.2.11 seconds; level 5. */
  readonly sessionExpiry?: number;
  /** §3.1.2.11.3; level 5. */
  readonly receiveMaximum?: number;
  /** §3.1.2.11.5; level 5. */
  readonly topicAliasMaximum?: number;
  /** §3.1.2.11.4; level 5. */
  readonly maximumPacketSize?: number;
  /** §4.12; level 5. */
  readonly authenticationMethod?: string;
  /** What it sends with the method, in CONNECT and in each AUTH. */
  readonly authenticationData?: string;
  /** §4.12.1: it authenticates again when it is accepted; level 5. */
  readonly reauthenticate?: true;
  /** What it subscribes to. */
  readonly subscribe?: readonly OrderedSubscription[];
  /** What it publishes. */
  readonly publish?: readonly OrderedMessage[];
  /** What it unsubscribes from. */
  readonly unsubscribe?: readonly string[];
}

/** Where the auditor listens. */
export interface Where {
  /** An address. */
  readonly host: string;
  /** A TCP port. */
  readonly port: number;
  /** The same as a URL: `mqtt://127.0.0.1:1883`, or `ws://127.0.0.1:8083/mqtt` where WebSockets are waited for; `mqtts:` and `wss:` over TLS. */
  readonly url: string;
}

/** What was handed to the application. `topic` only where the driver sees it. */
export interface Heard {
  /** Undefined where the driver does not see it. */
  readonly topic?: string;
  /** For a command, one line of what it printed. */
  readonly payload: string;
}

/** One Client at work. */
export interface RunningClient {
  /** What it has handed to the application so far; undefined if the driver does not see that. */
  readonly heard: readonly Heard[] | undefined;
  /** Resolves when the Client will do nothing more of its own accord. */
  readonly gone: Promise<void>;
  /** Why it is gone or what it complains of, in its words; empty if it says nothing. */
  readonly words: string;
  /** What it broke down with, as a program that ends with an exception; undefined or absent if it did not. */
  readonly broken?: string | undefined;
  /** Says good-bye: the Client is to send DISCONNECT and to close. */
  leave(): void;
  /** Ends it at once. */
  stop(): Promise<void>;
}

/** Starts Clients of one kind. */
export interface Driver {
  /** As it stands in reports. */
  readonly name: string;
  /** What its Clients can be brought to do. */
  readonly skills: ReadonlySet<Skill>;
  /** Where the Client expects the Server; 0 for any port. A fixed port means one case at a time. */
  readonly port: number;
  /** ms that the Client may take to connect. */
  readonly connectMs: number;
  /** Words after `plumb audit` that audit the same again. */
  readonly flags: string;
  /** Starts one Client; rejects if it cannot be started at all. */
  start(order: ClientOrder, where: Where): Promise<RunningClient>;
}

/** What an order needs of its Client. */
export function skillsFor(order: ClientOrder): Skill[] {
  const { subscribe = [], publish = [], unsubscribe = [] } = order;
  const wanted: readonly (readonly [Skill, boolean])[] = [
    [`level ${order.level}`, true],
    ["subscribe", subscribe.length > 0],
    ["several subscriptions", subscribe.length > 1],
    ["no local", subscribe.some(({ noLocal }) => noLocal === true)],
    ["unsubscribe", unsubscribe.length > 0],
    ["publish", publish.length > 0],
    ["several messages", publish.length > 1],
    ["retain", publish.some(({ retain }) => retain === true)],
    ["message properties", publish.some(({ properties }) => properties !== undefined)],
    ["will", order.will !== undefined],
    ["user name", order.username !== undefined],
    ["password", order.password !== undefined],
    ["session", !order.cleanStart || order.sessionExpiry !== undefined],
    ["receive maximum", order.receiveMaximum !== undefined],
    ["topic alias maximum", order.topicAliasMaximum !== undefined],
    ["maximum packet size", order.maximumPacketSize !== undefined],
    ["authentication method", order.authenticationMethod !== undefined],
    ["re-authentication", order.reauthenticate === true],
  ];
  return wanted.filter(([, needed]) => needed).map(([skill]) => skill);
}
