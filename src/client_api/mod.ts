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
import type { Client } from "./client.ts";
import { dialByScheme } from "./dial.ts";
import type { ConnectOptions } from "./options.ts";
import { connectBy } from "./whole.ts";

/**
 * Connects to `mqtt://host:1883`, `mqtts://host:8883`, `ws://host/path` or `wss://host/path` (path `/mqtt` if there is none), or `unix:/path`; `dialers` says which schemes there are. Resolves when the Server has accepted, and
 * rejects with why there is no connection. From then on the Client connects again whenever it has to.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Promise<Client> {
  return connectBy(dialByScheme, url, options);
}

export { dialers } from "./dial.ts";
export * from "./names.ts";
