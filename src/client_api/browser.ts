/**
 * The Client for browsers: the same as `@plumb/mqtt/client`, by their WebSocket object, and without a line for another runtime.
 *
 * @example
 * ```ts
 * import { connect } from "@plumb/mqtt/client/browser";
 *
 * const client = await connect("wss://broker.example/mqtt");
 * const news = await client.subscribe("news/#");
 * for await (const { topic, bytes } of news) console.log(topic, new TextDecoder().decode(bytes));
 * ```
 *
 * Knows the door; refuses to know what is behind it.
 * @module
 */
import { browserLoop } from "./browser_loop.ts";
import type { Client } from "./client.ts";
import type { ConnectOptions } from "./options.ts";
import { dialWebSocket } from "./web_socket.ts";
import { connectBy } from "./whole.ts";

/**
 * Connects to `ws://host/path` or `wss://host/path`; path `/mqtt` if there is none. Resolves when the Server has accepted, and rejects with why
 * there is no connection. From then on the Client connects again whenever it has to. §3.1.2.10: without the option Keep Alive is 90 s,
 * since the timers of a tab in the background run once a minute.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Promise<Client> {
  return connectBy(dialWebSocket, url, { keepAlive: 90, loop: browserLoop(), ...options });
}

export * from "./names.ts";
