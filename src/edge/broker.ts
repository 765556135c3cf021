/**
 * A broker that answers requests for a WebSocket: what a Durable Object or another `fetch` handler is made of.
 * Knows upgrades, the broker and its driver; refuses to know storage, routes and deployments.
 * @module
 */
import { Broker, type BrokerOptions } from "../broker/mod.ts";
import { systemRandom } from "../runtime/random.ts";
import { Driver } from "../server/driver.ts";
import { mayConnect, SUBPROTOCOLS } from "../transport/websocket_upgrade.ts";
import { type Alarms, EdgeLoop } from "./loop.ts";
import { type EdgeBounds, type EdgeSocket, edgeTransport } from "./socket.ts";

/** Takes a request over: our end of its WebSocket, and the answer to it. */
export type Upgrade = (
  request: Request,
  protocol: string,
) => { readonly socket: EdgeSocket; readonly response: Response };

/** How a broker answers requests. */
export interface EdgeOptions extends BrokerOptions, EdgeBounds {
  /** What wakes it at its deadlines: the storage of a Durable Object, whose `alarm()` then calls ours. Default: timers. */
  readonly alarms?: Alarms;
  /** The address of a Client, of a field that the runtime sets: `cf-connecting-ip`, say. Default: none. */
  readonly address?: (request: Request) => string;
  /** Origins of pages that may connect besides those of the same host: `https://example.org`, or `*` for all. Default: none. */
  readonly origins?: readonly string[];
  /** Default: by `WebSocketPair`, as Cloudflare's runtime has it. */
  readonly upgrade?: Upgrade;
  /** For tests: ms since the epoch. */
  readonly clock?: () => number;
}

/** A broker behind a `fetch` handler. */
export interface EdgeBroker {
  /** §6 answers a request: 101 with a WebSocket, or a refusal in words. */
  fetch(request: Request): Response;
  /** The alarm has gone off. */
  alarm(): void;
  /** Calls `action` with the broker and the time: to publish, say. */
  run<T>(action: (broker: Broker, now: number) => T): T;
  /** Sends every Client DISCONNECT (0x8B); resolves when all connections are over and all facts are safe. */
  close(): Promise<void>;
}

/** Begins a broker. Its state is that of this process: what outlives it is in the `store` of the options. */
export function edgeBroker(options: EdgeOptions = {}): EdgeBroker {
  const { alarms, clock, address, origins = [], upgrade = byWebSocketPair, ...others } = options;
  const { unheardBytesMax, heldBytesMax, ...rest } = others;
  const bounds = {
    ...unheardBytesMax !== undefined && { unheardBytesMax },
    ...heldBytesMax !== undefined && { heldBytesMax },
  };
  const broker = new Broker({ random: systemRandom(), ...rest });
  const loop = new EdgeLoop(alarms, (error) => broker.failed(error), clock);
  const driver = new Driver(broker, loop);
  return {
    fetch(request) {
      const refusal = refusalOf(request, origins);
      if (refusal !== undefined) return refusal;
      const protocol = protocolOf(request);
      if (protocol === undefined) {
        return refused(400, "Sec-WebSocket-Protocol offers neither mqtt nor mqttv3.1 [MQTT-6.0.0-3]");
      }
      const from = address?.(request) ?? "";
      const { socket, response } = upgrade(request, protocol);
      const transport = edgeTransport(socket, `websocket ${from}`.trim(), bounds);
      const kind = new URL(request.url).protocol === "https:" ? "wss" : "ws";
      driver.accept(transport, { address: from, port: 0, transport: kind });
      return response;
    },
    alarm: () => loop.alarm(),
    run: (action) => driver.run(action),
    close: () => driver.close(),
  };
}

/** What is wrong with a request for a WebSocket, but for its subprotocol. */
function refusalOf({ method, headers, url }: Request, origins: readonly string[]): Response | undefined {
  if (headers.get("upgrade")?.toLowerCase() !== "websocket") {
    return refused(426, "Here is MQTT over WebSocket, and nothing else", { upgrade: "websocket" });
  }
  if (method !== "GET") return refused(405, "An upgrade is asked for by GET", { allow: "GET" });
  const origin = headers.get("origin")?.toLowerCase();
  const { host, protocol } = new URL(url);
  const rules = { paths: [], origins, isLocal: false, isNameProved: protocol === "https:" };
  if (origin !== undefined && !mayConnect(origin, host.toLowerCase(), rules)) {
    return refused(403, "Pages of this Origin may not connect (origins)");
  }
  return undefined;
}

function protocolOf({ headers }: Request): string | undefined {
  const offered = (headers.get("sec-websocket-protocol") ?? "").split(",").map((one) => one.trim());
  return SUBPROTOCOLS.find((one) => offered.includes(one));
}

function refused(status: number, message: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(`${message}\n`, { status, headers: { "content-type": "text/plain", ...headers } });
}

/** [MQTT-6.0.0-4] Cloudflare's way: one end of a pair goes with the answer, the other one is ours. */
const byWebSocketPair: Upgrade = (_request, protocol) => {
  const { WebSocketPair } = globalThis as unknown as {
    readonly WebSocketPair?: new () => readonly [theirs: unknown, ours: EdgeSocket];
  };
  if (WebSocketPair === undefined) {
    throw new TypeError(
      "There is no WebSocketPair here: the option upgrade says how requests are taken over",
    );
  }
  const { 0: webSocket, 1: socket } = new WebSocketPair();
  const headers = { "sec-websocket-protocol": protocol };
  const init: ResponseInit & { readonly webSocket: unknown } = { status: 101, headers, webSocket };
  return { socket, response: new Response(null, init) };
};
