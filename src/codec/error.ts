/**
 * §4.13 Handling errors: the side at fault, and the Reason Code for the peer.
 * Knows the kinds of error the codec and the engines throw; refuses to know how the engines react to them.
 * @module
 */
import type { StatementId } from "../../spec/statements.ts";
import type { UnnumberedId } from "../../spec/unnumbered.ts";
import type { ReasonCode } from "./reason_code.ts";

/** The id of the rule a peer broke: a normative statement, or a duty the standard leaves unnumbered. */
export type Rule = StatementId | UnnumberedId;

/** §4.13 `malformed` cannot be parsed, `protocol` must not be sent now, `refused` is against a limit or policy of ours. */
export type Fault = "malformed" | "protocol" | "refused";

/** The peer is at fault. Thrown by codec and engines; caught in one place, where it becomes CONNACK, DISCONNECT or a close. */
export class PeerError extends Error {
  /** Always "PeerError". */
  override readonly name = "PeerError";
  /** §2.4 the Reason Code for the peer. */
  readonly code: ReasonCode;
  /** The rule that was broken. */
  readonly rule: Rule;
  /** §4.13 what sort of fault it is. */
  readonly kind: Fault;

  /** Most callers use {@linkcode malformed}, {@linkcode protocolError} or {@linkcode refused}. Without a message of its own it has that of its rule, see `wordsOf()`. */
  constructor(kind: Fault, code: ReasonCode, rule: Rule, message = "") {
    super(message || rule);
    this.kind = kind;
    this.code = code;
    this.rule = rule;
  }
}

/** Our caller is at fault: a value that cannot be encoded, an option out of range. Thrown before any byte is written. */
export class UsageError extends Error {
  /** Always "UsageError". */
  override readonly name = "UsageError";
}

/** §1.2 Malformed Packet, 0x81. */
export function malformed(rule: Rule, message?: string): PeerError {
  return new PeerError("malformed", 0x81, rule, message);
}

/** §1.2 Protocol Error, 0x82 unless a more exact code is given. */
export function protocolError(rule: Rule, message?: string, code: ReasonCode = 0x82): PeerError {
  return new PeerError("protocol", code, rule, message);
}

/** A limit or policy of ours is reached; `code` says which. */
export function refused(code: ReasonCode, rule: Rule, message: string): PeerError {
  return new PeerError("refused", code, rule, message);
}

/** Our own code is at fault if `condition` does not hold. Kept in production. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${message}`);
}
