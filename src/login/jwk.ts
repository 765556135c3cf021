/**
 * RFC 7517: a key as JSON.
 * Knows the members that choose a key; refuses to know the numbers in it.
 * @module
 */

/** RFC 7517 §4. Written here, so that a program's types need no library. */
export interface Jwk {
  readonly kty?: string;
  readonly kid?: string;
  readonly alg?: string;
  readonly use?: string;
  readonly crv?: string;
  readonly [member: string]: unknown;
}
