/**
 * Breaks of §3.9.
 * @module
 */
import { property, TYPE } from "../wire/bytes.ts";
import type { Mutant } from "./mutant.ts";
import { codesPacket, remade } from "./changed_packet.ts";

/** For the cases of `cases/3_9_suback.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.9/one-code-for-each-filter",
    toAuditor: remade(
      TYPE.SUBACK,
      ({ id, codes }, level) => codesPacket(TYPE.SUBACK, level, id!, [...new Set(codes)]),
    ),
  },
  {
    kills: "3.9/codes-in-order",
    toAuditor: remade(
      TYPE.SUBACK,
      ({ id, codes }, level) => codesPacket(TYPE.SUBACK, level, id!, [...codes!].reverse()),
    ),
  },
  {
    kills: "3.9/known-codes",
    toAuditor: remade(
      TYPE.SUBACK,
      ({ id, codes }, level) =>
        codesPacket(TYPE.SUBACK, level, id!, codes!.map((code) => code < 0x80 ? code : 0x8e)),
    ),
  },
  {
    kills: "3.9/known-codes",
    levels: [5],
    toAuditor: remade(
      TYPE.SUBACK,
      ({ id, codes }) =>
        codesPacket(TYPE.SUBACK, 5, id!, codes!, [property.reasonString("a"), property.reasonString("b")]),
    ),
  },
  {
    kills: "3.9/within-maximum-packet-size",
    toAuditor: remade(
      TYPE.SUBACK,
      ({ id, codes }) => codesPacket(TYPE.SUBACK, 5, id!, codes!, [property.reasonString("x".repeat(99))]),
    ),
  },
  {
    kills: "3.9/within-maximum-packet-size",
    toAuditor: remade(
      TYPE.SUBACK,
      ({ id, codes }) =>
        codesPacket(TYPE.SUBACK, 5, id!, codes!, [property.userProperty("x", "x".repeat(99))]),
    ),
  },
];
