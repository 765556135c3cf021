/**
 * Asserts that a peer is refused for one rule and no other.
 * Knows `PeerError`; refuses to know who throws it.
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import { PeerError, type Rule } from "../codec/error.ts";
import type { ReasonCode } from "../codec/reason_code.ts";

/** Fails unless `fn` throws a `PeerError` with this rule, and with this Reason Code if one is given. */
export function assertRefused(fn: () => unknown, rule: Rule, code?: ReasonCode): PeerError {
  const error = assertThrows(fn, PeerError);
  assertEquals(error.rule, rule, error.message);
  if (code !== undefined) assertEquals(error.code, code, error.message);
  return error;
}
