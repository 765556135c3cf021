/**
 * How a Client under audit is brought to do something: an order in, a running Client out.
 * Knows what can be ordered; refuses to know any Client, and what is right.
 * @module
 */
import type { Level } from "../bytes.ts";

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
  "any text",
] as const;

/** One of them. */
export type Skill = typeof SKILLS[number];

/** A subscription to be made. */
export interface OrderedSubscription {
  readonly filter: string;
  readonly qos: 0 | 1 | 2;
  readonly noLocal?: true;
}

/** A message to be published. */
export interface OrderedMessage {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 0 | 1 | 2;
  readonly retain?: true;
  /** Level 5. */
  readonly properties?: {
    readonly topicAlias?: number;
    readonly responseTopic?: string;
    readonly contentType?: string;
    readonly messageExpiry?: number;
    readonly userProperty?: readonly [name: string, value: string];
  };
}

/** A will to be left. */
export interface OrderedWill {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

/**
 * What the Client is to do: connect; then, once it is accepted, subscribe and wait for the SUBACKs, publish all without
 * waiting in between, and unsubscribe when all that is acknowledged; then stay, and come back when the connection is lost
 * if `reconnect` says so. `RunningClient.leave()` ends it.
 */
export interface ClientOrder {
  readonly level: Level;
  readonly clientId: string;
  readonly cleanStart: boolean;
  /** Seconds. */
  readonly keepAlive: number;
  readonly reconnect: boolean;
  readonly will?: OrderedWill;
  readonly username?: string;
  readonly password?: string;
  /** §3.1.2.11 seconds; level 5. */
  readonly sessionExpiry?: number;
  readonly receiveMaximum?: number;
  readonly topicAliasMaximum?: number;
  readonly maximumPacketSize?: number;
  readonly authenticationMethod?: string;
  /** What it sends with the method, in CONNECT and in each AUTH. */
  readonly authenticationData?: string;
  readonly subscribe?: readonly OrderedSubscription[];
  readonly publish?: readonly OrderedMessage[];
  readonly unsubscribe?: readonly string[];
}

/** Where the auditor listens. */
export interface Where {
  readonly host: string;
  readonly port: number;
}

/** What was handed to the application. `topic` only where the driver sees it. */
export interface Heard {
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
  readonly skills: ReadonlySet<Skill>;
  /** Where the Client expects the Server; 0 for any port. A fixed port means one case at a time. */
  readonly port: number;
  /** ms that the Client may take to connect. */
  readonly connectMs: number;
  /** Words after `plumb audit` that audit the same again. */
  readonly flags: string;
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
  ];
  return wanted.filter(([, needed]) => needed).map(([skill]) => skill);
}
