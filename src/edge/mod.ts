/**
 * Broker and Client where there are no sockets, only requests that become WebSockets: Cloudflare Workers, and runtimes like it.
 *
 * @example
 * ```ts
 * import { type EdgeBroker, edgeBroker } from "@plumb/mqtt/edge";
 *
 * export class Mqtt { // a Durable Object: all Clients of one name meet in one
 *   readonly #broker: EdgeBroker;
 *   constructor(state: { storage: { setAlarm(ms: number): Promise<void>; deleteAlarm(): Promise<void> } }) {
 *     this.#broker = edgeBroker({ alarms: state.storage });
 *   }
 *   fetch(request: Request): Response {
 *     return this.#broker.fetch(request);
 *   }
 *   alarm(): void {
 *     this.#broker.alarm();
 *   }
 * }
 * ```
 *
 * Knows the door; refuses to know what is behind it.
 * @module
 */
export { type EdgeBroker, edgeBroker, type EdgeOptions, type Upgrade } from "./broker.ts";
export type { Alarms } from "./loop.ts";
export { openStorageStore, type Storage, type StorageWriter } from "./storage_store.ts";
export type { EdgeBounds, EdgeSocket, SocketEnd } from "./socket.ts";
export { connect, type EdgeConnectOptions, type Fetch, fetchDialer } from "./dial.ts";
export type { Broker, BrokerOptions, SessionStore } from "../broker/mod.ts";
export type { Client } from "../client_api/client.ts";
export type { ConnectOptions, Dialer } from "../client_api/options.ts";
