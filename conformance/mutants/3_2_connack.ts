/**
 * Breaks of §3.2.
 * @module
 */
import { property } from "../wire/bytes.ts";
import { afterLength, refusing, told } from "./changed_connack.ts";
import type { Mutant } from "./mutant.ts";

const CONNECTION = "src/broker/connection.ts";

/** For the cases of `cases/3_2_connack.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.2/only-one",
    file: CONNECTION,
    find: 'throw protocolError("MQTT-3.1.0-2", "A second CONNECT");',
    replace:
      "this.#link.send({ type: PacketType.CONNACK, sessionPresent: false, reasonCode: 0 });\n        return true;",
  },
  {
    kills: "3.2.2/acknowledge-flags",
    toAuditor(raw) {
      const changed = raw.slice();
      if (raw[0] === 0x20) changed[afterLength(raw)]! |= 2;
      return [changed];
    },
  },
  refusing("3.2.2/refusal-has-session-present-0", 1),
  {
    kills: "3.2.2/refusal-closes",
    file: CONNECTION,
    find: "observer.refused(this.peer, refusal, client);\n    this.#close();",
    replace: "observer.refused(this.peer, refusal, client);",
  },
  {
    kills: "3.2.2/no-code-applies",
    file: "src/broker/connect.ts",
    find: "level === 5 ? refusal.code : RETURN_CODES[refusal.code];",
    replace: "level === 5 ? refusal.code : RETURN_CODES[refusal.code] ?? 3;",
  },
  refusing("3.2.2/reason-codes", 0, 0x92),
  told("3.2.2.3/properties-stand-once", property.receiveMaximum(10)),
  told("3.2.2.3/properties-have-values-that-may-be", property.retainAvailable(2)),
  {
    kills: "3.2.2.3/fits-the-maximum-packet-size",
    file: "src/engine/link.ts",
    find: "return bytes.length > this.maximumPacketSize ? undefined : bytes;",
    replace: "return bytes;",
  },
  {
    kills: "3.2.2.3/explanations-are-left-out",
    file: CONNECTION,
    find: "const redirect = rule ===",
    replace: "this.#link.maximumPacketSize = Infinity;\n      const redirect = rule ===",
  },
];
