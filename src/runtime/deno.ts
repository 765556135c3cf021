/**
 * The door for Deno: the broker with this runtime's TCP, without a look at which runtime it is.
 * Knows Deno's adapter; refuses to know Bun's.
 * @module
 */
export { wallClock } from "./clock.ts";
export type { Clock } from "./clock.ts";
export { Driver, type DriverOptions } from "./driver.ts";
export type { Accept, Listener, ListenOptions, PeerInfo } from "./listen.ts";
export { ListenError } from "./listen.ts";
export { dialTcp, listenTcp } from "./tcp_deno.ts";
