/**
 * The schemas of what several operations answer.
 * Knows the entries of lists; refuses to know who asks for them.
 * @module
 */
import { flag, integer, object, oneOf, orNull, type Schema, text } from "./schema.ts";

const QOS = oneOf([0, 1, 2]);
const EXPIRY = orNull(integer(), "s left; null is never");
const PUBLISHER = orNull(text(), "Client Identifier; null for the Server, or if it is not known");

/** `ClientView` of the engine. */
export const CLIENT: Schema = object({
  clientId: text(),
  user: orNull(text(), "null without a user name"),
  address: text(),
  port: integer("0 where there is none"),
  transport: oneOf(["tcp", "tls", "ws", "wss", "unix", "memory"]),
  level: oneOf([3, 4, 5], "of the protocol: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0"),
  keepAlive: integer("s; 0 is off"),
  cleanStart: flag(),
  since: integer("when it connected, ms since the epoch"),
  subscriptions: integer(),
  queued: integer("QoS 1 and 2 messages that wait for room"),
  inFlight: integer("QoS 1 and 2 messages that are sent and not acknowledged"),
  receiveMaximum: integer("messages that may be in flight"),
  bytesOut: integer("written to it since it connected"),
  waitingBytes: integer("of these, waiting for it to read them"),
});

/** `SessionView` of the engine. */
export const SESSION: Schema = object({
  clientId: text(),
  user: orNull(text(), "of the Client that connected last"),
  address: orNull(text(), "it connected from there"),
  level: oneOf([3, 4, 5], "of the protocol"),
  connected: flag(),
  expiry: orNull(integer(), "Session Expiry Interval, s; null is never"),
  expiresAt: orNull(
    integer(),
    "when it ends if its Client stays away, ms since the epoch; null while it is connected, or for never",
  ),
  subscriptions: integer(),
  queued: integer("QoS 1 and 2 messages that wait for room"),
  queuedBytes: integer("that they count for in queued-bytes-max"),
  stored: integer("how many of them are in the store alone"),
  exchanges: integer("towards the Client that are not over"),
  will: orNull(text(), "the topic of its Will; null without one"),
});

/** `SubscriptionView` of the engine. */
export const SUBSCRIPTION: Schema = object({
  clientId: text(),
  filter: text(),
  qos: QOS,
  noLocal: flag(),
  retainAsPublished: flag(),
  retainHandling: oneOf([0, 1, 2]),
  identifier: orNull(integer(), "Subscription Identifier; null without one"),
  share: orNull(text(), "the ShareName; null if it is not shared"),
});

const RETAINED_PROPERTIES = {
  topic: text(),
  qos: QOS,
  bytes: integer("of the payload"),
  expiry: EXPIRY,
  publisher: PUBLISHER,
};

/** A payload, as base64 and, if it is UTF-8, as a text. */
export const PAYLOAD: Readonly<Record<string, Schema>> = {
  payloadBase64: text(undefined, { format: "byte" }),
  text: orNull(text(), "the payload if it is UTF-8, else null"),
};

/** `RetainedView` of the engine. */
export const RETAINED: Schema = object(RETAINED_PROPERTIES);

/** The same, with what is in it. */
export const RETAINED_MESSAGE: Schema = object({ ...RETAINED_PROPERTIES, ...PAYLOAD });

/** `QueuedView` of the engine, with the payload where that is asked for. */
export const QUEUED: Schema = object({
  topic: text(),
  qos: oneOf([1, 2]),
  retain: flag(),
  bytes: integer("of the payload"),
  expiry: EXPIRY,
  publisher: PUBLISHER,
  share: orNull(text(), "the filter of the Shared Subscription that it came by"),
  state: oneOf(
    ["waiting", "sent", "again", "released"],
    "it waits for room; it is sent; it is to be sent again; PUBREL is sent",
  ),
  packetId: orNull(integer(), "null until it is sent"),
  ...PAYLOAD,
}, ["payloadBase64", "text"]);

/** `TopicLevelView` of the engine. */
export const TOPIC_LEVEL: Schema = object({
  name: text("the level alone"),
  topic: text("with all levels above it"),
  hasChildren: flag("other topics are below it"),
  retained: integer("topics with a retained message, it and those below it, counted up to a bound"),
  bytes: orNull(integer(), "the payload of its own retained message; null without one"),
});
