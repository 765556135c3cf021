/**
 * Breaks of §3.15 and §4.12. Most need a broker that knows an Authentication Method.
 * @module
 */
import { auth, property, TYPE } from "../wire/bytes.ts";
import { told } from "./changed_connack.ts";
import type { Mutant, SourceMutant } from "./mutant.ts";
import { remade } from "./changed_packet.ts";
import { unseen } from "./dropped_packet.ts";

const AUTH = "src/broker/auth.ts";
const CONNECTION = "src/broker/connection.ts";
const KIND = "const kind = authKind(packet,";
const TWICE = "if (found[row.name] !== undefined) throw protocolError(twice,";

function broker(kills: string, file: string, find: string, replace = ""): SourceMutant {
  return { kills, file, find, replace };
}

/** An AUTH that is passed over, under a condition. */
function passedOver(kills: string, condition: string): SourceMutant {
  return broker(kills, CONNECTION, KIND, `if (${condition}) return;\n    ${KIND}`);
}

function twice(name: string, rule: string): SourceMutant {
  const replace = TWICE.replace("!== undefined", `!== undefined && twice !== "${rule}"`);
  return { kills: `3.15/${name}`, file: "src/codec/property.ts", find: TWICE, replace };
}

/** For the cases of `cases/3_15_auth.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.15/reserved-flags",
    file: "src/codec/auth.ts",
    find: 'requireFlags(flags, 0, "MQTT-3.15.1-1");',
    replace: "",
  },
  passedOver("3.15/success-from-a-client", "packet.reasonCode === 0"),
  unseen("3.15/unknown-code", ({ type, code }) => type === TYPE.AUTH && code === 0x87),
  unseen("3.15/no-method", ({ type, properties }) => type === TYPE.AUTH && properties.length === 0),
  broker(
    "3.15/other-method",
    AUTH,
    "if (properties?.authenticationMethod !== method) {",
    "if (properties?.authenticationMethod === undefined) {",
  ),
  twice("method-twice", "3.15.2.2.2/twice"),
  twice("data-twice", "3.15.2.2.3/twice"),
  twice("reason-string-twice", "3.15.2.2.4/twice"),
  {
    kills: "3.15/explanations-are-left-out",
    toAuditor: remade(
      TYPE.AUTH,
      ({ code = 0 }) =>
        auth(code, property.authenticationMethod("x".repeat(99)), property.reasonString("because")),
    ),
  },
  {
    kills: "4.12/unknown-method",
    file: "src/broker/connect.ts",
    find: "if (method !== undefined && !policy.authenticationMethods.includes(method)) {",
    replace: 'if (method === "") {',
  },
  told("4.12/none-without-method", property.authenticationMethod("any")),
  passedOver("4.12/auth-without-method", "method === undefined"),
  broker(
    "4.12/method-is-repeated",
    CONNECTION,
    "{ authenticationMethod: method }",
    "{ authenticationMethod: `${method}x` }",
  ),
  broker(
    "4.12/rejected",
    CONNECTION,
    "this.#refuse(refusalOf(verdict), verdict.serverReference);",
  ),
  passedOver(
    "4.12/continue-when-none-is-under-way",
    "packet.reasonCode === CONTINUE && isOpen && !isReauthenticating",
  ),
  broker(
    "4.12.1/again",
    CONNECTION,
    "this.#sendAuth(0, open.authenticationMethod, verdict);",
    'this.#sendAuth(0, "other", verdict);',
  ),
  broker(
    "4.12.1/again-with-wrong-data",
    CONNECTION,
    "if (code !== 0) { // [MQTT-4.12.1-2]",
    "if (code !== 0) return;\n    if (code !== 0) {",
  ),
  passedOver("4.12.1/too-early", "packet.reasonCode !== CONTINUE && !isOpen"),
];
