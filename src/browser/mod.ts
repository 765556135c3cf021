/**
 * A broker in a browser: in a worker, a SharedWorker or a tab, with Clients that come by ports, and a store in IndexedDB.
 *
 * @example
 * In the worker:
 * ```ts
 * import { openBrowserStore, servePorts } from "@plumb/mqtt/browser";
 *
 * const server = await servePorts({ store: openBrowserStore("home") });
 * ```
 *
 * @example
 * On the page:
 * ```ts
 * import { dialWorker } from "@plumb/mqtt/in-process";
 * import { connect } from "@plumb/mqtt/client/browser";
 *
 * const worker = new Worker("/worker.js", { type: "module" });
 * const client = await connect("worker://home", { dial: dialWorker(worker) });
 * await client.publish("home/kitchen", "hello", { qos: 1 });
 * ```
 *
 * Knows the door; refuses to know what is behind it.
 * @module
 */
export { type ClosableStore, type PortServer, servePorts, type ServePortsOptions } from "./serve_ports.ts";
export {
  type BrowserStore,
  importSnapshot,
  openBrowserStore,
  type OpenBrowserStoreOptions,
} from "./store.ts";
export { type BrowserLoop, browserLoop } from "./loop.ts";
export { StoreError, type StoreTrouble } from "../store/error.ts";
export type { ClockJump } from "../store/deadlines.ts";
export { messagePortTransport, type PortLike } from "../runtime/message_port.ts";
export type { Loop } from "../runtime/loop.ts";
export type { Dialer } from "../client_api/options.ts";
export type { PeerInfo } from "../transport/peer.ts";
export type { Transport, TransportHandler } from "../transport/transport.ts";
export type {
  AuthenticationRequest,
  Broker,
  BrokerHooks,
  BrokerOptions,
  MessageInit,
  Redirection,
  Refusal,
  Tap,
  TappedMessage,
  Verdict,
} from "../broker/mod.ts";
