/**
 * What a running case is given to audit a Client: a listening Server that does what the case says, and the Client's end.
 * Knows one run of one case; refuses to know which Client it is.
 * @module
 */

/** One run of one case at one level. */
export interface ClientTrial {
  readonly level: 4 | 5;
}
