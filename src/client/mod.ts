/**
 * The engine of a Client, for those who bring their own event loop. Most programs want `@plumb/mqtt/client`.
 * Knows what is public; refuses to know how it is done.
 * @module
 */
export { ClientEngine, isFinal } from "./engine.ts";
export { Authentication, type AuthenticationHost, type AuthenticationOwner } from "./authentication.ts";
export type { Connection } from "./connection.ts";
export * from "./error.ts";
export { Incoming } from "./incoming.ts";
export { Journal, type Records } from "./journal.ts";
export { CLIENT_LIMITS, type ClientLimits } from "./limits.ts";
export type { ClientOwner, Connected, Credentials, DialOrder, EngineOptions, Status } from "./options.ts";
export { isRedirect } from "./redirect.ts";
export { type Offline, Publication, type PublicationInit, type Published } from "./publication.ts";
export type { MessageReader, SubscribeInit, Waiter } from "./exchange.ts";
