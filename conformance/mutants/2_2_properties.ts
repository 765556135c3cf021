/**
 * Breaks of §2.2.2 and §2.4.
 * @module
 */
import { bytes, property, TYPE } from "../wire/bytes.ts";
import type { Mutant, SourceMutant } from "./mutant.ts";
import { codesPacket, remade } from "./changed_packet.ts";
import { unseenMalformed } from "./dropped_packet.ts";

const MISPLACED = "if (row === undefined) throw misplaced(id);";
const MISPLACED_IN_PUBLISH = "    throw misplaced(id);\n  }\n\n  #sized";

/** A property that may not stand there is skipped: `skip` reads its value. */
function skipped(kills: string, place: string, test: string, skip: string): SourceMutant {
  return {
    kills,
    file: "src/codec/property.ts",
    find: MISPLACED,
    replace: `if (row === undefined && place === ${place} && ${test}) return void ${skip};\n  ${MISPLACED}`,
  };
}

function skippedInPublish(kills: string, id: number, size: number): SourceMutant {
  return {
    kills,
    file: "src/codec/publish_view.ts",
    find: MISPLACED_IN_PUBLISH,
    replace: `    if (id === ${id}) return at + ${size};\n${MISPLACED_IN_PUBLISH}`,
  };
}

function unknown(name: string, place: string): SourceMutant {
  return skipped(`2.2.2/unknown-in-${name}`, place, "!isPropertyId(id)", "reader.u16()");
}

/** Payload Format Indicator, or Subscription Identifier where the former is allowed: one byte of value both. */
function notAllowed(name: string, place: string, id = 0x01): SourceMutant {
  return skipped(`2.2.2/not-allowed-in-${name}`, place, `id === ${id}`, "reader.u8()");
}

/** For the cases of `cases/2_2_properties.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "2.2.2/length-is-written",
    toAuditor: (
      raw,
    ) => [
      raw[0] === 0xb0 && raw[4] === 0 ? bytes(0xb0, raw[1]! - 1, raw.subarray(2, 4), raw.subarray(5)) : raw,
    ],
  },
  {
    kills: "2.2.2/server-sends-what-belongs",
    toAuditor: remade(
      TYPE.SUBACK,
      (seen, level) => codesPacket(TYPE.SUBACK, level, seen.id!, seen.codes!, [property.serverKeepAlive(1)]),
    ),
  },
  unknown("connect", "PacketType.CONNECT"),
  unknown("will", "WILL"),
  skippedInPublish("2.2.2/unknown-in-publish", 0x00, 2),
  unknown("puback", "PacketType.PUBACK"),
  unknown("pubrec", "PacketType.PUBREC"),
  unknown("pubrel", "PacketType.PUBREL"),
  unknown("pubcomp", "PacketType.PUBCOMP"),
  unknown("subscribe", "PacketType.SUBSCRIBE"),
  unknown("unsubscribe", "PacketType.UNSUBSCRIBE"),
  notAllowed("connect", "PacketType.CONNECT"),
  notAllowed("will", "WILL", 0x0b),
  skippedInPublish("2.2.2/not-allowed-in-publish", 0x11, 4),
  notAllowed("puback", "PacketType.PUBACK"),
  notAllowed("pubrec", "PacketType.PUBREC"),
  notAllowed("pubrel", "PacketType.PUBREL"),
  notAllowed("pubcomp", "PacketType.PUBCOMP"),
  notAllowed("subscribe", "PacketType.SUBSCRIBE"),
  notAllowed("unsubscribe", "PacketType.UNSUBSCRIBE"),
  unseenMalformed("2.2.2/past-end-in-connect", TYPE.CONNECT),
  unseenMalformed("2.2.2/past-end-in-will", TYPE.CONNECT),
  unseenMalformed("2.2.2/past-end-in-publish", TYPE.PUBLISH),
  unseenMalformed("2.2.2/past-end-in-puback", TYPE.PUBACK),
  unseenMalformed("2.2.2/past-end-in-pubrec", TYPE.PUBREC),
  unseenMalformed("2.2.2/past-end-in-pubrel", TYPE.PUBREL),
  unseenMalformed("2.2.2/past-end-in-pubcomp", TYPE.PUBCOMP),
  unseenMalformed("2.2.2/past-end-in-subscribe", TYPE.SUBSCRIBE),
  unseenMalformed("2.2.2/past-end-in-unsubscribe", TYPE.UNSUBSCRIBE),
  unseenMalformed("2.2.2/length-past-end", TYPE.PUBACK),
  {
    kills: "2.4/code-of-another-packet",
    file: "src/codec/acknowledgement.ts",
    find: "packet.reasonCode = requireReason(type, reader.u8(), reasonRule(type));",
    replace: "packet.reasonCode = reader.u8();",
  },
];
