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
import { type Client, connectBy } from "./client.ts";
import { type ClientLoop, systemLoop } from "./loop.ts";
import type { ConnectOptions } from "./options.ts";
import { dialWebSocket } from "./web_socket.ts";

/**
 * Connects to `ws://host/path` or `wss://host/path`; path `/mqtt` if there is none. Resolves when the Server has accepted, and rejects with why
 * there is no connection. From then on the Client connects again whenever it has to. §3.1.2.10: without the option Keep Alive is 90 s,
 * since the timers of a tab in the background run once a minute.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Promise<Client> {
  return connectBy(dialWebSocket, url, { keepAlive: 90, loop: browserLoop(), ...options });
}

/**
 * A turn ends with a message to oneself, behind all promises that are settled by then: what many loops and callbacks publish because of one
 * WebSocket message leaves as one. Timers would be late in a tab in the background, messages are not.
 */
function browserLoop(): ClientLoop {
  const loop = systemLoop();
  const { MessageChannel, setImmediate } = globalThis as unknown as {
    readonly MessageChannel: new () => Record<"port1" | "port2", Port>;
    readonly setImmediate?: unknown;
  };
  if (setImmediate !== undefined) return loop;
  const { port1, port2 } = new MessageChannel();
  let runs: (() => void)[] = [];
  port1.onmessage = () => {
    const now = runs;
    runs = [];
    for (const run of now) run();
  };
  return {
    ...loop,
    endOfTurn(run) {
      if (runs.push(run) === 1) port2.postMessage(0);
    },
  };
}

interface Port {
  onmessage: () => void;
  postMessage(value: number): void;
}

export * from "./names.ts";
