/**
 * §6 A Client of a runtime whose WebSockets come by `fetch()`.
 * Knows how such a request is made; refuses to know what is sent on the WebSocket.
 * @module
 */
import type { Client } from "../client_api/client.ts";
import type { ConnectOptions, Dialer } from "../client_api/options.ts";
import { connectBy } from "../client_api/whole.ts";
import { type EdgeSocket, edgeTransport } from "./socket.ts";

/** Sends a request: the global one, or that of a service or a Durable Object. */
export type Fetch = (
  url: string,
  init: { readonly headers: Readonly<Record<string, string>>; readonly signal: AbortSignal },
) => Response | Promise<Response>;

/** Opens WebSockets by `fetch()`. A name and a password in the URL are for MQTT, and not sent; the path `/` means `/mqtt`. */
export function fetchDialer(fetch: Fetch = (url, init) => globalThis.fetch(url, init)): Dialer {
  return async (url, { signal }) => {
    const target = new URL(url);
    target.protocol = target.protocol === "ws:" ? "http:" : "https:";
    target.username = target.password = target.hash = "";
    if (target.pathname === "/") target.pathname = "/mqtt";
    const headers = { Upgrade: "websocket", "Sec-WebSocket-Protocol": "mqtt" }; // [MQTT-6.0.0-3]
    const response = await fetch(target.href, { headers, signal });
    const { webSocket } = response as Response & { readonly webSocket?: EdgeSocket | null };
    if (!webSocket) throw new Error(`${target.host}: no WebSocket (status ${response.status})`);
    const transport = edgeTransport(webSocket, `websocket ${target.host}`);
    if (response.headers.get("sec-websocket-protocol") === "mqtt") return transport;
    transport.abort();
    throw new Error(`${target.host}: the server does not choose the subprotocol mqtt`); // [MQTT-6.0.0-4]
  };
}

/** How a Client connects by `fetch()`. */
export interface EdgeConnectOptions extends ConnectOptions {
  /** Sends the request. Default: the global `fetch()`. */
  readonly fetch?: Fetch;
}

/** Connects to `wss://host/path` or `ws://host/path`. As `connect()` of `@plumb/mqtt/client`, for as long as the runtime lets it live. */
export function connect(url: string | URL, { fetch, ...options }: EdgeConnectOptions = {}): Promise<Client> {
  return connectBy(fetchDialer(fetch), url, options);
}
