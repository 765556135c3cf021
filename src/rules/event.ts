/**
 * What happens in a broker, as hooks and the webhook hear of it.
 * Knows how an event is made of what the engine tells; refuses to know who hears it.
 * @module
 */
import type { BrokerHooks, ClientInfo, TappedMessage } from "../broker/mod.ts";
import type { ConnectEvent, DisconnectEvent, HookClient, SubscribeEvent } from "./hooks.ts";

/** The events that may be heard, but for messages. */
export type RareEvent =
  | { readonly kind: "connect" } & ConnectEvent
  | { readonly kind: "disconnect" } & DisconnectEvent
  | { readonly kind: "subscribe" } & SubscribeEvent;

/** A message that was accepted, with bytes of its own. */
export interface Published {
  readonly kind: "publish";
  readonly at: number;
  readonly clientId: string | undefined;
  readonly topic: string;
  readonly qos: number;
  readonly retain: boolean;
  /** §3.3.2.3 in the form of the wire, without their length. */
  readonly properties: Uint8Array;
  readonly payload: Uint8Array;
}

/** An event. */
export type RuleEvent = RareEvent | Published;

/** What kind an event is. */
export type EventKind = RuleEvent["kind"];

/** Hears events: which ones, and of which topics. */
export interface Listener {
  /** Whether it wants to hear of these. */
  hears(kind: RareEvent["kind"]): boolean;
  heard(event: RareEvent): void;
  /** What it wants of messages. */
  readonly taps: readonly ListenerTap[];
}

/** Messages that a filter matches. */
export interface ListenerTap {
  readonly filter: string;
  received(message: TappedMessage): void;
}

/** About what an event takes besides the bytes that belong to Clients. */
const EVENT_BYTES = 200;

/** The bytes that an event takes while it waits. */
export function eventBytes(event: RareEvent): number {
  return EVENT_BYTES + event.client.clientId.length + (event.kind === "subscribe" ? event.filter.length : 0);
}

/** The same of a message, before it is copied. */
export function messageBytes({ topic, view }: TappedMessage): number {
  return EVENT_BYTES + topic.length + (view.propertiesEnd - view.propertiesAt) + view.payloadLength;
}

const NONE = new Uint8Array(0);

/** The message with bytes of its own. */
export function publishedOf({ topic, view, publisher }: TappedMessage, at: number): Published {
  return {
    kind: "publish",
    at,
    clientId: publisher,
    topic,
    qos: view.qos,
    retain: view.retain,
    properties: view.propertiesAt === view.propertiesEnd
      ? NONE
      : view.bytes.slice(view.propertiesAt, view.propertiesEnd),
    payload: view.bytes.slice(view.payloadAt, view.end),
  };
}

function clientOf({ clientId, username, level, peer }: ClientInfo): HookClient {
  return { clientId, username, level, address: peer.address };
}

/** Hooks of the engine that tell a listener. */
export function hooksOf(
  listeners: () => Iterable<Listener>,
  clock: () => number = Date.now,
): Pick<Required<BrokerHooks>, "connected" | "disconnected" | "subscribed"> {
  const tell = (kind: RareEvent["kind"], eventOf: () => RareEvent): void => {
    for (const listener of listeners()) if (listener.hears(kind)) listener.heard(eventOf());
  };
  return {
    connected: (client, sessionPresent) =>
      tell("connect", () => ({ kind: "connect", at: clock(), client: clientOf(client), sessionPresent })),
    disconnected: (client, clean, refusal) =>
      tell("disconnect", () => ({
        kind: "disconnect",
        at: clock(),
        client: clientOf(client),
        clean,
        reason: refusal && { code: refusal.code, rule: refusal.rule, message: refusal.message },
      })),
    subscribed: (client, filter, { qos }) =>
      tell("subscribe", () => ({ kind: "subscribe", at: clock(), client: clientOf(client), filter, qos })),
  };
}
