/**
 * The door for Node: this runtime's TCP and clock, without a look at which runtime it is.
 * Knows Node's adapter; refuses to know those of Bun and Deno.
 * @module
 */
export { wallClock } from "./clock.ts";
export type { Clock } from "./clock.ts";
export { type Cancel, type Loop, systemLoop } from "./loop.ts";
export type { Accept, Listener, ListenOptions, PeerInfo } from "./listen.ts";
export { ListenError } from "./listen.ts";
export { dialTcp, listenTcp } from "./tcp/node.ts";
