/**
 * The parts of a Client that a bundle can leave out.
 * Knows what each is for; refuses to know which of them a program wants.
 * @module
 */
import type { RefusedError } from "../client/error.ts";
import { Journal, type Records } from "../client/journal.ts";
import { isRedirect } from "../client/redirect.ts";
import type { MqttError } from "../client/error.ts";
import { Authenticator, type AuthenticatorHost } from "./authenticator.ts";
import type { Authentication } from "./options.ts";
import { redirected } from "./redirected.ts";
import { type RequestHost, Requests } from "./requests.ts";

/** @internal What a Client can do besides messages and subscriptions, each if it is there. */
export interface ClientParts {
  /** §4.10 `client.request()` and `client.requestMany()`. */
  readonly requests?: (host: RequestHost) => Requests;
  /** §4.1 the option `store`. */
  readonly store?: (
    records: Records,
    restored: Iterable<readonly [key: number, record: Uint8Array]>,
  ) => Journal;
  /** §4.12 the option `authentication`, and `client.reauthenticate()`. */
  readonly authentication?: (method: Authentication, host: AuthenticatorHost) => Authenticator;
  /** §4.11 another Server is used where the Server says so. */
  readonly redirection?: Redirection;
}

/** §4.11 how a redirection is followed. */
export interface Redirection {
  /** Whether an error is one. */
  isOne(error: MqttError): boolean;
  /** The URL of the other Server. Throws for what is none. */
  urlOf(from: URL, error: RefusedError): URL;
}

/** §4.10 Request and response. */
export const requests = (host: RequestHost): Requests => new Requests(host);

/** §4.1 Messages of QoS 1 and 2 over the end of a process that publishes. */
export const store = (
  records: Records,
  restored: Iterable<readonly [key: number, record: Uint8Array]>,
): Journal => new Journal(records, restored);

/** §4.12 Enhanced authentication. */
export const authentication = (method: Authentication, host: AuthenticatorHost): Authenticator =>
  new Authenticator(method, host);

/** §4.11 Redirection. */
export const redirection: Redirection = { isOne: isRedirect, urlOf: redirected };

/** A whole Client. */
export const ALL_PARTS: Required<ClientParts> = { requests, store, authentication, redirection };
