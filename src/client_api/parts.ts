/**
 * The parts of a Client that a bundle can leave out.
 * Knows what each is for; refuses to know which of them a program wants.
 * @module
 */
import type { MqttError, RefusedError } from "../client/error.ts";
import { Journal, type Records } from "../client/journal.ts";
import { isRedirect } from "../client/redirect.ts";
import { Authenticator, type AuthenticatorHost } from "./authenticator.ts";
import type { Authentication } from "./options.ts";
import { redirected } from "./redirected.ts";
import { type RequestHost, Requests } from "./requests.ts";

/**
 * What a Client can do besides messages and subscriptions, each if it is there: `requests` for `client.request()` and `client.requestMany()`
 * (§4.10), `store` for the option `store` (§4.1), `authentication` for the option `authentication` and `client.reauthenticate()` (§4.12), and
 * `redirection` to use another Server where the Server says so (§4.11).
 */
export interface ClientParts {
  /** @internal */
  readonly requests?: (host: RequestHost) => Requests;
  /** @internal */
  readonly store?: (
    records: Records,
    restored: Iterable<readonly [key: number, record: Uint8Array]>,
  ) => Journal;
  /** @internal */
  readonly authentication?: (method: Authentication, host: AuthenticatorHost) => Authenticator;
  /** @internal */
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

/** §4.1 What `store` of the options keeps: messages of QoS 1 and 2 over the end of a process. */
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
