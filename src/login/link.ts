/**
 * §3.1.4, §4.12 One link of a login chain: it accepts a Client, refuses it, or passes on.
 * Knows the question and the answers; refuses to know how a link decides.
 * @module
 */
import type { AuthenticationRequest, Verdict } from "../broker/mod.ts";

/**
 * A verdict ends the chain. A text passes on to the next link, and says why, for the log alone: no Client gets to see it.
 * Undefined passes on a request that is not this link's business.
 */
export type LinkAnswer = Verdict | string | undefined;

/** An answer would take time. */
export const LATER: unique symbol = Symbol("later");

/** A function is a link too: a promise holds back its own Client only. */
export type LinkFunction = (request: AuthenticationRequest) => LinkAnswer | Promise<LinkAnswer>;

/** One way to be let in. */
export interface LoginLink {
  /** For the log. */
  readonly name: string;
  /** §4.12 the Authentication Methods it knows: with one, only links that list it are asked; without one, all links are. */
  readonly methods?: readonly string[];
  /** An exception, or a promise that is rejected, refuses the Client (0x88), whatever other links would say. */
  readonly ask: LinkFunction;
  /**
   * The same, if it takes no time, else `LATER`: asked in place of `ask` while too many logins wait, so that a flood of guesses does not
   * keep out Clients that are known. A link without it always takes time.
   */
  readonly atOnce?: (request: AuthenticationRequest) => LinkAnswer | typeof LATER;
  /**
   * Nobody comes in by guessing at its credentials, signed tokens or certificates: it is asked while failed logins hold a Client back, and
   * what it refuses is no failed login.
   */
  readonly unguessable?: true;
  /** §4.12 the user that a request by one of `methods` is for, if its data says so; else it is that of the CONNECT. */
  readonly userOf?: (request: AuthenticationRequest) => string | undefined;
  /** Reads its files now. */
  reload?(): Promise<void>;
  /** Ends what the link has begun: threads, timers. */
  close?(): Promise<void> | void;
}

/** Something that an owner wants to know. Never a password, a token or a key. */
export interface LoginEvent {
  /** How much it matters. */
  readonly level: "info" | "warn" | "error";
  /** In words that stay the same. */
  readonly message: string;
  /** Texts that Clients chose are as they came: who writes them to a log escapes them. */
  readonly fields: Readonly<Record<string, string | number | undefined>>;
}

/** Is told of events. */
export type LoginEvents = (event: LoginEvent) => void;

/** §2.4 Success. */
export const ACCEPTED = 0;
/** §2.4 Continue authentication. */
export const CONTINUE = 0x18;
/** §2.4 Bad User Name or Password. */
export const BAD_CREDENTIALS = 0x86;
/** §2.4 Not authorized. */
export const NOT_AUTHORIZED = 0x87;
/** §2.4 Server unavailable. */
export const UNAVAILABLE = 0x88;
/** §2.4 Server busy. */
export const BUSY = 0x89;
/** §2.4 Connection rate exceeded. */
export const TOO_OFTEN = 0x9f;
