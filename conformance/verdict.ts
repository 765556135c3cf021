/**
 * The findings of an audit: five verdicts, and apart from them how a connection ended.
 * Knows the words; refuses to know how they are come by.
 * @module
 */

/** `lenient`: a SHOULD is not met, or the code is not the one named. `inconclusive`: the case could not be carried out. */
export type Verdict = "pass" | "fail" | "lenient" | "unsupported" | "inconclusive";

/** How the target ended a connection that it had to end; `hang` is that it did not. */
export type Ending = "code" | "silent close" | "reset" | "hang";

/**
 * Why a target cannot be audited. `host`: no connection; `level`: it says that it does not speak this level;
 * `refused`: it does not let the auditor in; `silent`: it does not speak, or not MQTT.
 */
export type UnreachableKind = "host" | "level" | "refused" | "silent";

/** The worst first: a statement with several cases gets the worst of them. */
export const WORST_FIRST: readonly Verdict[] = ["fail", "lenient", "inconclusive", "pass", "unsupported"];

/** Ends a case with a verdict other than `pass`. */
export class Finding extends Error {
  override readonly name = "Finding";
  readonly verdict: Exclude<Verdict, "pass">;

  constructor(verdict: Exclude<Verdict, "pass">, message: string) {
    super(message);
    this.verdict = verdict;
  }
}

/** The standard is broken. */
export function fail(message: string): never {
  throw new Finding("fail", message);
}

/** Fails unless `condition` holds; `message` says what was expected and what came. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) fail(message);
}
