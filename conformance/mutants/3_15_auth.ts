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
const TWICE = "if (found[row.name] !== undefined) throw protocolError(twice,";

function broker(kills: string, find: string, replace = ""): SourceMutant {
  return { kills, file: AUTH, find, replace };
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
  broker(
    "3.15/success-from-a-client",
    'if (reasonCode === 0) throw protocolError("MQTT-3.15.2-1", "AUTH with Success is for the Server to send");',
    "if (reasonCode === 0) return;",
  ),
  unseen("3.15/unknown-code", ({ type, code }) => type === TYPE.AUTH && code === 0x87),
  unseen("3.15/no-method", ({ type, properties }) => type === TYPE.AUTH && properties.length === 0),
  broker(
    "3.15/other-method",
    "if (properties?.authenticationMethod !== connection.authenticationMethod) {",
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
    find: "if (method !== undefined && !(options.authenticationMethods ?? []).includes(method)) {",
    replace: 'if (method === "") {',
  },
  told("4.12/none-without-method", property.authenticationMethod("any")),
  broker(
    "4.12/auth-without-method",
    'throw protocolError("MQTT-4.12.0-7", "AUTH without an Authentication Method in CONNECT");',
    "return;",
  ),
  broker(
    "4.12/method-is-repeated",
    "const properties = { authenticationMethod: connection.authenticationMethod! };",
    "const properties = { authenticationMethod: `${connection.authenticationMethod}x` };",
  ),
  broker(
    "4.12/rejected",
    "return refuseConnect(connection, refusalOf(verdict), now, verdict.serverReference);",
    "return;",
  ),
  broker(
    "4.12/continue-when-none-is-under-way",
    'throw protocolError("4.12/not-under-way", "Continue authentication while none goes on");',
    "return;",
  ),
  broker(
    "4.12.1/again",
    "  auth(connection, 0, verdict, now);",
    '  connection.send({ type: PacketType.AUTH, reasonCode: 0, properties: { authenticationMethod: "other" } });',
  ),
  broker(
    "4.12.1/again-with-wrong-data",
    "if (verdict.code !== 0) { // [MQTT-4.12.1-2]",
    "if (verdict.code !== 0) return;\n  if (verdict.code !== 0) {",
  ),
  broker(
    "4.12.1/too-early",
    'throw protocolError("4.12.1/too-early", "Re-authenticate before CONNACK");',
    "return;",
  ),
];
