/**
 * Hooks of an owner in a file that `plumb serve --hooks FILE.ts` runs, in a thread of its own: what they are called with, and what they may do.
 * Knows events and calls; refuses to know threads.
 *
 * @example
 * ```ts
 * import type { Hooks } from "@plumb/mqtt/hooks";
 *
 * export default {
 *   connect: ({ client }, broker) => broker.publish({ topic: `clients/${client.clientId}`, payload: "here", retain: true }),
 *   publish: {
 *     "sensors/+/temperature": ({ topic, text }, broker) => {
 *       if (Number(text()) > 80) broker.publish({ topic: `alarms/${topic}`, payload: text(), qos: 1 });
 *     },
 *   },
 * } satisfies Hooks;
 * ```
 *
 * @module
 */
import type { MessageProperties, ProtocolLevel, QoS } from "../codec/packet.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import type { MessageInit } from "../broker/mod.ts";

/** A Client as hooks see it. */
export interface HookClient {
  /** §3.1.3.1 as sent, or as assigned. */
  readonly clientId: string;
  /** §3.1.3.5 as it was proved; undefined for none. */
  readonly username: string | undefined;
  /** §3.1.2.2 5 is MQTT 5.0, 4 is 3.1.1, 3 is 3.1. */
  readonly level: ProtocolLevel;
  /** Where it connects from: an address, or the path of a Unix socket. */
  readonly address: string;
}

/** What all events have. */
export interface HookEvent {
  /** When it happened, ms since the epoch. */
  readonly at: number;
}

/** A CONNECT was accepted. */
export interface ConnectEvent extends HookEvent {
  /** The Client that has come. */
  readonly client: HookClient;
  /** §3.2.2.1.1 whether it goes on with a session. */
  readonly sessionPresent: boolean;
}

/** An accepted connection is over. */
export interface DisconnectEvent extends HookEvent {
  /** The Client that has gone. */
  readonly client: HookClient;
  /** It said DISCONNECT. */
  readonly clean: boolean;
  /** Why the Server has ended it; undefined if it did not. */
  readonly reason: { readonly code: ReasonCode; readonly rule: string; readonly message: string } | undefined;
}

/** A subscription was made or replaced. */
export interface SubscribeEvent extends HookEvent {
  /** Whose it is. */
  readonly client: HookClient;
  /** §3.8.3 the Topic Filter, with its `$share/…/`. */
  readonly filter: string;
  /** §3.8.3.1 as it was granted. */
  readonly qos: QoS;
}

/** A message was accepted. What hooks themselves publish is not told to them. */
export interface PublishEvent extends HookEvent {
  /** §3.1.3.1 of the Client that published it; undefined for the Server's own. */
  readonly clientId: string | undefined;
  /** §3.3.2.1 Topic Name. */
  readonly topic: string;
  /** §3.3.3 a copy, which is the hook's. */
  readonly payload: Uint8Array;
  /** §3.3.1.2 */
  readonly qos: QoS;
  /** §3.3.1.3 */
  readonly retain: boolean;
  /** §3.3.2.3 empty below level 5. */
  readonly properties: MessageProperties;
  /** The payload as UTF-8. */
  readonly text: () => string;
}

/** The calls that a hook may make. They are done soon, in their order; nothing is given back. */
export interface HookBroker {
  /**
   * Publishes as the Server itself.
   * @throws {UsageError} for a topic, payload, QoS, flag or property that cannot be sent, and when too many calls wait (`hookCallsMax`).
   */
  publish(message: MessageInit): void;
  /**
   * Ends the connection that a Client has, if it has one; default 0x98, Administrative action.
   * @throws {UsageError} for a code that DISCONNECT cannot carry, and when too many calls wait.
   */
  disconnect(clientId: string, code?: ReasonCode): void;
}

/** Called for an event; a promise is waited for, up to `hookTimeoutMs`, while other hooks are called. */
export type Hook<Event> = (event: Event, broker: HookBroker) => unknown;

/** The hooks of a file: its default export, or what a function gives that is its default export. */
export interface Hooks {
  /** A CONNECT was accepted. */
  readonly connect?: Hook<ConnectEvent>;
  /** That connection is over. */
  readonly disconnect?: Hook<DisconnectEvent>;
  /** A subscription was made or replaced. */
  readonly subscribe?: Hook<SubscribeEvent>;
  /** By Topic Filter: a message was accepted that it matches. One that several match is told for each. */
  readonly publish?: Readonly<Record<string, Hook<PublishEvent>>>;
}

/** What the default export of a file may be. */
export type HooksExport = Hooks | ((broker: HookBroker) => Hooks | Promise<Hooks>);
