/**
 * What `@plumb/mqtt/client` and `@plumb/mqtt/client/browser` both have, beside a `connect()` of their own.
 * Knows the names; refuses to know what is behind them, and runtimes.
 * @module
 */
export { Client } from "./client.ts";
export { explain } from "./explain.ts";
export type { ClientEvents } from "./events.ts";
export type { ClientLoop } from "./loop.ts";
export { Message } from "./message.ts";
export type {
  Authentication,
  ClientStore,
  CloseOptions,
  ConnectOptions,
  Dialer,
  DialOptions,
  Login,
  PublishOptions,
  RequestOptions,
  SubscribeOptions,
  TlsOptions,
  UnsubscribeOptions,
  WillOptions,
} from "./options.ts";
export { bytes, json, type PayloadCodec, PayloadError, type StandardSchema, text } from "./payload.ts";
export { Subscription } from "./subscription.ts";
export { connectBy } from "./whole.ts";
export { type ParamOf, type ParamsOf, type Topic, topic } from "./topic.ts";
export * from "../client/error.ts";
export { CLIENT_LIMITS, type ClientLimits } from "../client/limits.ts";
export type { Connected, Status } from "../client/options.ts";
export type { Offline, Published } from "../client/publication.ts";
export { UsageError } from "../codec/error.ts";
export type {
  ConnackProperties,
  MessageProperties,
  ProtocolLevel,
  PublishProperties,
  QoS,
  UserProperties,
  WillProperties,
} from "../codec/packet.ts";
export { ReasonCode } from "../codec/reason_code.ts";
export type { Transport } from "../transport/transport.ts";
