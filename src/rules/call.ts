/**
 * §3.14 Why a hook ends a connection.
 * Knows the code that a hook names; refuses to know who asks for it.
 * @module
 */
import type { Refusal } from "../broker/mod.ts";
import type { ReasonCode } from "../codec/reason_code.ts";

/** The reason for a DISCONNECT with this code. */
export function ownReason(code: ReasonCode): Refusal {
  return { code, rule: "policy/administrative", message: "A hook has ended the connection" };
}
