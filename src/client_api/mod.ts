/**
 * A Client for MQTT 5.0 and 3.1.1: publish, subscribe and request with promises and loops, over connections that come and go.
 *
 * @example
 * ```ts
 * import { connect, json, topic } from "@plumb/mqtt/client";
 *
 * const temperature = topic("home/{room}/temperature", json<{ celsius: number }>());
 *
 * await using client = await connect("mqtt://127.0.0.1:1883", { clientId: "kitchen" });
 * await using readings = await client.subscribe(temperature, { qos: 1 });
 * await client.publish(temperature, { room: "kitchen" }, { celsius: 21 }, { qos: 1 });
 * for await (const { params, payload } of readings) {
 *   console.log(params.room, payload.celsius);
 *   break;
 * }
 * ```
 *
 * Knows the door; refuses to know what is behind it.
 * @module
 */
import { type Client, connectBy } from "./client.ts";
import { dialByScheme } from "./dial.ts";
import type { ConnectOptions } from "./options.ts";

/**
 * Connects to `mqtt://host:1883`, `mqtts://host:8883`, `ws://host/path` or `wss://host/path` (path `/mqtt` if there is none); `dialers` says which schemes there are. Resolves when the Server has accepted, and
 * rejects with why there is no connection. From then on the Client connects again whenever it has to.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Promise<Client> {
  return connectBy(dialByScheme, url, options);
}

export { Client, connectBy } from "./client.ts";
export { dialers } from "./dial.ts";
export { explain } from "./explain.ts";
export type { ClientEvents } from "./events.ts";
export type { ClientLoop } from "./loop.ts";
export { Message } from "./message.ts";
export type {
  Authentication,
  ClientStore,
  ConnectOptions,
  Dialer,
  DialOptions,
  Login,
  PublishOptions,
  RequestOptions,
  SubscribeOptions,
  TlsOptions,
  WillOptions,
} from "./options.ts";
export { bytes, json, type PayloadCodec, PayloadError, type StandardSchema, text } from "./payload.ts";
export { Subscription } from "./subscription.ts";
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
