/**
 * Breaks of §2.2.1.
 * @module
 */
import { bytes, TYPE } from "../wire/bytes.ts";
import { parse } from "../wire/parse.ts";
import { afterLength } from "./changed_connack.ts";
import type { Mutant, ProxyMutant, SourceMutant } from "./mutant.ts";

const ZERO_IN_PUBLISH =
  'if (this.packetId === 0) throw protocolError("2.2.1/zero", "PUBLISH with Packet Identifier 0");';

function zeroInPublish(qos: 1 | 2): SourceMutant {
  return {
    kills: `2.2.1/zero-in-publish-qos-${qos}`,
    file: "src/codec/publish_view.ts",
    find: ZERO_IN_PUBLISH,
    replace: ZERO_IN_PUBLISH.replace("=== 0)", `=== 0 && qos !== ${qos})`),
  };
}

function zeroInRequest(name: "subscribe" | "unsubscribe"): SourceMutant {
  return {
    kills: `2.2.1/zero-in-${name}`,
    file: `src/codec/${name}.ts`,
    find: "const packetId = readPacketId(reader);",
    replace: "const packetId = reader.u16() || 1;",
  };
}

function zeroInAcknowledgement(name: string): SourceMutant {
  const find = "packetId: readPacketId(reader)";
  return {
    kills: `2.2.1/zero-in-${name}`,
    file: "src/codec/acknowledgement.ts",
    find,
    replace: `packetId: type === PacketType.${name.toUpperCase()} ? reader.u16() : readPacketId(reader)`,
  };
}

/** Packets of `type` towards the auditor under another identifier. */
function otherId(kills: string, type: number): ProxyMutant {
  return {
    kills,
    toAuditor(raw) {
      if (raw[0]! >> 4 !== type) return [raw];
      const changed = raw.slice();
      changed[afterLength(raw)]! ^= 0x40;
      return [changed];
    },
  };
}

/** Every PUBLISH of QoS 1 and 2 under identifier 1. */
function alwaysOne(kills: string): ProxyMutant {
  return {
    kills,
    toAuditor(raw, level) {
      if (raw[0]! >> 4 !== TYPE.PUBLISH || parse(raw, level).id === undefined) return [raw];
      const changed = raw.slice();
      const topic = afterLength(raw);
      changed.set([0, 1], topic + 2 + (raw[topic]! << 8 | raw[topic + 1]!));
      return [changed];
    },
  };
}

/** For the cases of `cases/2_2_packet_id.ts`. */
export const MUTANTS: readonly Mutant[] = [
  zeroInPublish(1),
  zeroInPublish(2),
  zeroInRequest("subscribe"),
  zeroInRequest("unsubscribe"),
  zeroInAcknowledgement("puback"),
  zeroInAcknowledgement("pubrec"),
  zeroInAcknowledgement("pubrel"),
  zeroInAcknowledgement("pubcomp"),
  {
    kills: "2.2.1/qos-0-has-none",
    toAuditor(raw) {
      if (raw[0] !== 0x30 || raw[1]! > 125) return [raw];
      const topicEnd = 4 + (raw[2]! << 8 | raw[3]!);
      return [bytes(0x30, raw[1]! + 2, raw.subarray(2, topicEnd), 0, 1, raw.subarray(topicEnd))];
    },
  },
  alwaysOne("2.2.1/open-ones-are-not-used-again"),
  alwaysOne("2.2.1/open-until-pubcomp"),
  otherId("2.2.1/puback-has-that-of-publish", TYPE.PUBACK),
  otherId("2.2.1/pubrec-and-pubcomp-have-that-of-publish", TYPE.PUBCOMP),
  otherId("2.2.1/pubrel-has-that-of-publish", TYPE.PUBREL),
  otherId("2.2.1/suback-has-that-of-subscribe", TYPE.SUBACK),
  otherId("2.2.1/unsuback-has-that-of-unsubscribe", TYPE.UNSUBACK),
  {
    kills: "2.2.1/in-use",
    file: "src/broker/publish.ts",
    find: 'refusePublish(parts, open, view, { code: 0x91, rule: "2.2.1/in-use", message });',
    replace: "open.link.answer(PacketType.PUBACK << 4, view.packetId, 0);",
  },
];
