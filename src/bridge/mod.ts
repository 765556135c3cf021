/**
 * Bridges: a broker of ours carries messages to and from another one, over cuts and restarts of either.
 *
 * @example
 * ```ts
 * import { openBridge } from "@plumb/mqtt/bridge";
 * import { openClientStore } from "@plumb/mqtt/client/sqlite";
 * import { serve } from "@plumb/mqtt/serve";
 *
 * await using server = await serve();
 * const bridge = openBridge(server, {
 *   name: "cloud",
 *   url: "mqtts://broker.example",
 *   topics: [{ filter: "sensors/#", direction: "out", qos: 2, remotePrefix: "house/" }],
 * }, { store: openClientStore("./cloud.db") });
 * console.log(bridge.figures);
 * await bridge.close();
 * ```
 *
 * Without a store what it has taken ends with the process. It needs what its URL needs: on Deno `--allow-net=broker.example`.
 * Knows the door; refuses to know what is behind it.
 * @module
 */
import { Bridge, type BridgeAround, type BridgeHost, type BridgeOptions } from "./bridge.ts";

/** Begins a bridge of a `Server` of `serve()`. @throws {UsageError} for a name, URL, topic or number that cannot be. */
export function openBridge(server: BridgeHost, options: BridgeOptions, around: BridgeAround = {}): Bridge {
  return new Bridge(server, options, around);
}

export {
  type Bridge,
  type BridgeAround,
  type BridgeEvents,
  type BridgeFigures,
  type BridgeHost,
  type BridgeOptions,
} from "./bridge.ts";
export { BRIDGE_NUMBERS, type BridgeNumber, type BridgeNumberRow } from "./numbers.ts";
export { type BridgePlan, BridgeSet, type SetHost } from "./set.ts";
export type { BaseStore } from "./store.ts";
export type { BridgeTopic } from "./routes.ts";
export { routesOf } from "./routes.ts";
