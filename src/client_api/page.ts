/**
 * The Client for pages that pay for each byte: that of `@plumb/mqtt/client/browser` without what is not handed in.
 *
 * Without parts it connects (and again), publishes and subscribes at every QoS, with properties, Will and credentials. `requests`, `store`,
 * `authentication` and `redirection` are parts; `explain()`, `topic()` and `json()` are imported as everywhere.
 *
 * @example
 * ```ts
 * import { connect, requests } from "@plumb/mqtt/client/page";
 *
 * const client = await connect("wss://broker.example/mqtt", { parts: { requests } });
 * const { bytes } = await client.request("time/now", "");
 * ```
 *
 * Knows the door; refuses to know what is behind it.
 * @module
 */
import { browserLoop } from "./browser_loop.ts";
import { type Client, connectWith } from "./client.ts";
import type { ConnectOptions } from "./options.ts";
import type { ClientParts } from "./parts.ts";
import { dialWebSocket } from "./web_socket.ts";

/** How a Client of a page connects. */
export interface PageOptions extends ConnectOptions {
  /** What it can do besides; default: nothing. */
  readonly parts?: ClientParts;
}

/**
 * As `connect()` of `@plumb/mqtt/client/browser`, with the given parts alone.
 * Rejects with a `UsageError` for an option whose part is not there; so does a method of the Client.
 */
export function connect(url: string | URL, { parts = {}, ...options }: PageOptions = {}): Promise<Client> {
  return connectWith(parts, dialWebSocket, url, { keepAlive: 90, loop: browserLoop(), ...options });
}

export { authentication, type ClientParts, type Redirection, redirection, requests, store } from "./parts.ts";
export * from "./names.ts";
