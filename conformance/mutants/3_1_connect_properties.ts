/**
 * Breaks of §3.1.2.11 and §3.1.3.2 in what is refused, and in what a Server is bound to.
 * @module
 */
import { property } from "../wire/bytes.ts";
import { told } from "./changed_connack.ts";
import type { Mutant, SourceMutant } from "./mutant.ts";

const PROPERTY = "src/codec/property.ts";
const TWICE = "if (found[row.name] !== undefined) throw protocolError(twice,";
const RANGE = "if (value > 1) throw outOfRange(row, place, value);";
const ZERO = "if (value === 0 && row.range[place] !== undefined) throw outOfRange(row, place, value);";
const WILDCARD =
  "if (row.range[place] !== undefined && hasWildcard(text)) throw outOfRange(row, place, text);";

/** A property that may come twice. */
function twice(kills: string, rule: string): SourceMutant {
  const replace = TWICE.replace("!== undefined", `!== undefined && twice !== "${rule}"`);
  return { kills, file: PROPERTY, find: TWICE, replace };
}

/** A value that is taken for 0. */
function range(kills: string, rule: string): SourceMutant {
  return {
    kills,
    file: PROPERTY,
    find: RANGE,
    replace:
      `if (row.range[place] === "${rule}" && value > 1) return row.kind === "bit" ? 0 : false;\n      ${RANGE}`,
  };
}

/** A 0 that is taken for another value. */
function zero(kills: string, rule: string): SourceMutant {
  const replace = `if (row.range[place] === "${rule}") return value || 1000;\n  ${ZERO}`;
  return { kills, file: PROPERTY, find: ZERO, replace };
}

/** For the cases of `cases/3_1_connect_properties.ts`. */
export const MUTANTS: readonly Mutant[] = [
  twice("3.1.2.11/session-expiry-twice", "3.1.2.11.2/twice"),
  twice("3.1.2.11/receive-maximum-twice", "3.1.2.11.3/twice"),
  twice("3.1.2.11/maximum-packet-size-twice", "3.1.2.11.4/twice"),
  twice("3.1.2.11/topic-alias-maximum-twice", "3.1.2.11.5/twice"),
  twice("3.1.2.11/request-response-information-twice", "3.1.2.11.6/twice"),
  twice("3.1.2.11/request-problem-information-twice", "3.1.2.11.7/twice"),
  twice("3.1.2.11/authentication-method-twice", "3.1.2.11.9/twice"),
  twice("3.1.2.11/authentication-data-twice", "3.1.2.11.10/twice"),
  {
    kills: "3.1.2.11/authentication-data-without-method",
    file: "src/codec/connect.ts",
    find:
      "if (properties.authenticationData !== undefined && properties.authenticationMethod === undefined) {",
    replace: "if (properties.authenticationData === undefined && properties.authenticationMethod === null) {",
  },
  told("3.1.2.11/no-response-information-unless-asked-for", property.responseInformation("answers")),
  {
    kills: "3.1.2.11/no-problem-information-unless-asked-for",
    file: "src/broker/subscribe.ts",
    find: "link.level === 5 && link.explains",
    replace: "link.level === 5",
  },
  zero("3.1.2.11/receive-maximum-0", "3.1.2.11.3/zero"),
  zero("3.1.2.11/maximum-packet-size-0", "3.1.2.11.4/zero"),
  range("3.1.2.11/request-response-information-2", "3.1.2.11.6/range"),
  range("3.1.2.11/request-problem-information-2", "3.1.2.11.7/range"),
  twice("3.1.3.2/will-delay-twice", "3.1.3.2.2/twice"),
  twice("3.1.3.2/payload-format-twice", "3.1.3.2.3/twice"),
  twice("3.1.3.2/message-expiry-twice", "3.1.3.2.4/twice"),
  twice("3.1.3.2/content-type-twice", "3.1.3.2.5/twice"),
  twice("3.1.3.2/response-topic-twice", "3.1.3.2.6/twice"),
  twice("3.1.3.2/correlation-data-twice", "3.1.3.2.7/twice"),
  range("3.1.3.2/payload-format-2", "3.1.3.2.3/range"),
  {
    kills: "3.1.3.2/response-topic-is-empty",
    file: PROPERTY,
    find: 'if (row.range[place] !== undefined && text === "") throw emptyTopic(row);',
    replace: "",
  },
  {
    kills: "3.1.3.2/response-topic-has-wildcards",
    file: PROPERTY,
    find: WILDCARD,
    replace:
      `if (row.range[place] === "3.1.3.2.6/wildcard") return text.replace(/[+#]/g, "x");\n      ${WILDCARD}`,
  },
];
