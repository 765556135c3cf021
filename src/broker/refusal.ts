/**
 * §4.13 Why something is refused, in words and numbers; and the refusals that more than one file gives.
 * Knows codes and rules; refuses to know packets.
 * @module
 */
import type { Rule } from "../codec/error.ts";
import type { ReasonCode } from "../codec/reason_code.ts";

/** Why something a peer sent was not accepted. */
export interface Refusal {
  /** §2.4 */
  readonly code: ReasonCode;
  /** The rule that was broken: a statement, a duty without a number, a limit or a policy of ours. */
  readonly rule: Rule;
  /** The fault, for a person. */
  readonly message: string;
  /** What the owner alone gets to see of it, if there is more: the `why` of a verdict. It may have texts that Clients chose. */
  readonly why?: string;
}

/** Characters of a Reason String or log line that a peer's own text may fill. */
const REASON_CHARACTERS_MAX = 240;

/** §3.2.2.3.9 the Reason String of a refusal: the rule, then the message, cut where a peer's text is long. */
export function reasonString({ rule, message }: Refusal): string {
  const text = `${rule}: ${message}`;
  return text.length <= REASON_CHARACTERS_MAX
    ? text
    : `${text.slice(0, REASON_CHARACTERS_MAX).toWellFormed()}…`;
}

/** Why a connection ends, or a packet is refused, while facts cannot be made safe. */
export const UNSAFE: Refusal = {
  code: 0x97,
  rule: "limit/store",
  message: "The Server cannot store anything at present",
};
