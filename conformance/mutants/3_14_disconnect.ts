/**
 * Breaks of §3.14.
 * @module
 */
import { bytes, disconnect, packet, property, TYPE } from "../wire/bytes.ts";
import type { Mutant } from "./mutant.ts";
import { remade } from "./changed_packet.ts";

/** For the cases of `cases/3_14_disconnect.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.14/not-before-connack",
    toAuditor: remade(TYPE.CONNACK, ({ code }) => code! < 0x80 ? undefined : disconnect(code)),
  },
  {
    kills: "3.14/reserved-flags",
    file: "src/codec/disconnect.ts",
    find: 'requireFlags(flags, 0, "MQTT-3.14.1-1");',
    replace: "",
  },
  { kills: "3.14/known-codes", toAuditor: remade(TYPE.DISCONNECT, () => disconnect(0x04)) },
  {
    kills: "3.14/known-codes",
    toAuditor: remade(TYPE.DISCONNECT, ({ code }) => disconnect(code, [property.sessionExpiry(0)])),
  },
  {
    kills: "3.14/known-codes",
    toAuditor: remade(
      TYPE.DISCONNECT,
      ({ code }) => disconnect(code, [property.reasonString("a"), property.reasonString("a")]),
    ),
  },
  {
    kills: "3.14/known-codes",
    toAuditor: remade(
      TYPE.DISCONNECT,
      ({ code }) => disconnect(code, [property.serverReference("a"), property.serverReference("a")]),
    ),
  },
  {
    kills: "3.14/within-maximum-packet-size",
    toAuditor: remade(
      TYPE.DISCONNECT,
      ({ code }) => disconnect(code, [property.reasonString("x".repeat(99))]),
    ),
  },
  {
    kills: "3.14/within-maximum-packet-size",
    toAuditor: remade(
      TYPE.DISCONNECT,
      ({ code }) => disconnect(code, [property.userProperty("x", "x".repeat(99))]),
    ),
  },
  {
    kills: "3.14/last-packet",
    toAuditor: remade(TYPE.DISCONNECT, ({ raw }) => bytes(raw, packet(TYPE.PINGRESP, 0))),
  },
  {
    kills: "3.14/last-packet",
    file: "src/engine/link.ts",
    find: "this.transport.close();",
    replace: "",
  },
  {
    kills: "3.14/will-is-discarded",
    file: "src/broker/connection.ts",
    find: "const discards = reasonCode === 0 && open.forgetWill();",
    replace: "const discards = false;",
  },
  {
    kills: "3.14/expiry-from-zero",
    file: "src/broker/connection.ts",
    find: "if (open.expiryAsked === 0 && expiry !== 0) {",
    replace: "if (session.expirySeconds > 0 && expiry < 0) {",
  },
  {
    kills: "3.14/expiry-twice",
    file: "src/codec/property.ts",
    find: "if (found[row.name] !== undefined) throw",
    replace: 'if (found[row.name] !== undefined && twice !== "3.14.2.2.2/twice") throw',
  },
  {
    kills: "3.14/reason-string-twice",
    file: "src/codec/property.ts",
    find: "if (found[row.name] !== undefined) throw",
    replace: 'if (found[row.name] !== undefined && twice !== "3.14.2.2.3/twice") throw',
  },
  ...["3.14/server-reference-twice", "3.14/server-reference-of-a-client"].map((kills): Mutant => ({
    kills,
    toBroker: (raw) => raw[0] === TYPE.DISCONNECT << 4 ? [disconnect()] : [raw],
  })),
];
