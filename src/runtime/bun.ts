/**
 * The door for Bun: this runtime's TCP and clock, without a look at which runtime it is.
 * Knows Bun's adapter; refuses to know Deno's.
 * @module
 */
export { wallClock } from "./clock.ts";
export type { Clock } from "./clock.ts";
export { type Cancel, type Loop, systemLoop } from "./loop.ts";
export type { Accept, Listener, ListenOptions, PeerInfo } from "./listen.ts";
export { ListenError } from "./listen.ts";
export { dialTcp, listenTcp } from "./tcp/bun.ts";
