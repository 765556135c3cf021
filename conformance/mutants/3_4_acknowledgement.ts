/**
 * Breaks of §3.4 to §3.7.
 * @module
 */
import { acknowledgement, property, TYPE } from "../wire/bytes.ts";
import type { Mutant } from "./mutant.ts";

const TYPES = [
  ["3.4", TYPE.PUBACK, "PUBACK"],
  ["3.5", TYPE.PUBREC, "PUBREC"],
  ["3.6", TYPE.PUBREL, "PUBREL"],
  ["3.7", TYPE.PUBCOMP, "PUBCOMP"],
] as const;

/** Every acknowledgement of one type towards the auditor in another form. */
function changed(type: number, change: (id: number) => Uint8Array) {
  return (packet: Uint8Array): readonly Uint8Array[] =>
    packet[0]! >> 4 === type ? [change(packet[2]! << 8 | packet[3]!)] : [packet];
}

/** For the cases of `cases/3_4_acknowledgement.ts`. */
export const MUTANTS: readonly Mutant[] = [
  ...TYPES.flatMap(([section, type, name]): Mutant[] => [
    {
      kills: `${section}/known-codes`,
      toAuditor: changed(type, (id) => acknowledgement(type, id, 0x05)),
    },
    {
      kills: `${section}/known-codes`,
      toAuditor: changed(
        type,
        (id) => acknowledgement(type, id, 0, [property.reasonString("a"), property.reasonString("b")]),
      ),
    },
    {
      kills: `${section}/within-maximum-packet-size`,
      toAuditor: changed(type, (id) => acknowledgement(type, id, 0, [property.reasonString("x".repeat(99))])),
    },
    {
      kills: `${section}/within-maximum-packet-size`,
      toAuditor: changed(
        type,
        (id) => acknowledgement(type, id, 0, [property.userProperty("x", "x".repeat(99))]),
      ),
    },
    {
      kills: `${section}/reason-string-twice`,
      file: "src/codec/property.ts",
      find: "if (found[row.name] !== undefined) throw",
      replace: `if (found[row.name] !== undefined && twice !== "${section}.2.2.2/twice") throw`,
    },
    {
      kills: `${section}/unknown-code`,
      file: "src/codec/acknowledgement.ts",
      find: "requireReason(type, reader.u8(), reasonRule(type))",
      replace:
        `type === PacketType.${name} ? (reader.u8(), 0) : requireReason(type, reader.u8(), reasonRule(type))`,
    },
  ]),
  {
    kills: "3.6/reserved-flags",
    file: "src/codec/acknowledgement.ts",
    find: 'if (type === PacketType.PUBREL) requireFlags2(flags, level, "MQTT-3.6.1-1");',
    replace: "if (type === PacketType.PUBREL) { /* any flags */ }",
  },
];
