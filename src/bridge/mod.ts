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
import {
  Bridge,
  type BridgeEvents,
  type BridgeFigures,
  type BridgeHost,
  type BridgeOptions,
} from "./bridge.ts";
import type { BaseStore } from "./store.ts";

/** A bridge that was begun. */
export interface OpenBridge {
  /** How it is at present. */
  readonly figures: BridgeFigures;
  /** Ends it; what waits in its sessions stays there. `isForGood`: the session in this broker ends too. */
  close(isForGood?: boolean): Promise<void>;
}

/** What a program may give to a bridge. */
export interface BridgeParts {
  /** One of `openClientStore()`, say; without one nothing that it has taken outlives the process. It is closed with the bridge. */
  readonly store?: BaseStore;
  /** Is told of connections and of messages that do not arrive. */
  readonly events?: BridgeEvents;
}

/** Begins a bridge of a `Server` of `serve()`. @throws {UsageError} for a name, URL, topic or number that cannot be. */
export function openBridge(server: BridgeHost, options: BridgeOptions, parts: BridgeParts = {}): OpenBridge {
  return new Bridge(server, options, parts);
}

export type { BaseStore, BridgeEvents, BridgeFigures, BridgeHost, BridgeOptions };
export type { BridgeNumber } from "./numbers.ts";
export type { BridgeTopic } from "./routes.ts";
export type { Connected } from "../client/options.ts";
export type { MqttError } from "../client/error.ts";
export type { Login, TlsOptions } from "../client_api/options.ts";
export type { ConnackProperties, ProtocolLevel, QoS, UserProperties } from "../codec/packet.ts";
export type { Transport, TransportHandler } from "../transport/transport.ts";
