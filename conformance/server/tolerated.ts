/**
 * Deviations from the standard that the owner of a target has switched on, and the verdict of a case that finds one: lenient by option, no fail.
 * Knows, for each name, the cases that must find it, and by which words; refuses to know how a Server does it.
 * @module
 */
import { AuditCallError } from "../call_error.ts";
import type { CaseResult } from "../result.ts";

/** The target took a packet that it was to refuse. */
const TAKEN = /stayed open|^CONNACK (accepts|has 0x00)/;

function cases(...ids: string[]): Readonly<Record<string, RegExp>> {
  return Object.fromEntries(ids.map((id) => [id, TAKEN]));
}

/** By name, the ids of cases, each with the form of its reason if it finds nothing but this deviation. The names are those of Plumb's `tolerate`. */
export const TOLERATED: Readonly<Record<string, Readonly<Record<string, RegExp>>>> = {
  "bytes-behind-connect": cases(
    "3.1.2/will-is-not-announced",
    "3.1.2/user-name-is-not-announced",
    "3.1.2/password-is-not-announced",
  ),
  "dup-at-qos-0": cases("3.3.1/dup-at-qos-0"),
  "empty-client-identifier": cases("3.1.3/empty-client-id-without-clean-session"),
  "empty-response-topic": cases("3.1.3.2/response-topic-is-empty", "3.3.2/response-topic-empty"),
  "packet-identifier-0": cases(
    "2.2.1/zero-in-publish-qos-1",
    "2.2.1/zero-in-subscribe",
    "2.2.1/zero-in-unsubscribe",
  ),
  "reserved-flags": {
    ...cases(
      "2.1.3/flags-of-puback",
      "2.1.3/flags-of-pubrec",
      "2.1.3/flags-of-pubcomp",
      "3.6/reserved-flags",
      "3.8/reserved-flags",
      "3.10/reserved-flags",
      "3.12/reserved-flags",
    ),
    "4.13/malformed-packets":
      /stayed open after: ((PUBREL|SUBSCRIBE|UNSUBSCRIBE) with flags 0000(; (?=\w)|$))+$/,
  },
  "trailing-nul": {
    "1.5.4/nul-in-client-id": /for the text has U\+0000 at its end/,
    "1.5.4/nul-in-user-name": /for the text has U\+0000 at its end/,
  },
};

/** @throws {AuditCallError} for a name that is not known. */
export function checkTolerated(names: readonly string[]): void {
  for (const name of names) {
    if (Object.hasOwn(TOLERATED, name)) continue;
    const known = Object.keys(TOLERATED).join(", ");
    throw new AuditCallError(`tolerates: ${JSON.stringify(name)} is not one of ${known}`);
  }
}

/** The result, or `lenient` if one of these names is all that was found. */
export function lenientByOption(result: CaseResult, names: readonly string[]): CaseResult {
  const { verdict, reason } = result;
  if (verdict !== "fail" && verdict !== "lenient") return result;
  const name = names.find((name) => TOLERATED[name]?.[result.case.id]?.test(reason));
  return name === undefined
    ? result
    : { ...result, verdict: "lenient", reason: `By option ${name}: ${reason}` };
}
