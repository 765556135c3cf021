/**
 * Breaks of §3.10 and §3.11.
 * @module
 */
import { property, TYPE } from "../wire/bytes.ts";
import type { Mutant } from "./mutant.ts";
import { codesPacket, remade } from "./changed_packet.ts";

const CODEC = "src/codec/unsubscribe.ts";
const BROKER = "src/broker/subscribe.ts";
const TAKEN_OUT = "router.unsubscribe(session, subscription);";

/** For the cases of `cases/3_10_unsubscribe.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.10/reserved-flags",
    file: CODEC,
    find: 'requireFlags2(flags, level, "MQTT-3.10.1-1");',
    replace: "",
  },
  {
    kills: "3.10/no-filter",
    file: CODEC,
    find: 'if (reader.left === 0) throw protocolError("MQTT-3.10.3-2");',
    replace: "if (reader.left === 0) break;",
  },
  {
    kills: "3.10/compared-literally",
    file: BROKER,
    find: "const subscription = session.subscriptions.get(filter); // [MQTT-3.10.4-1]",
    replace: "const subscription = [...session.subscriptions.values()]\n" +
      "      .find((one) => one.filter.toLowerCase() === filter.toLowerCase());",
  },
  {
    kills: "3.10/compared-literally",
    file: BROKER,
    find: "const subscription = session.subscriptions.get(filter); // [MQTT-3.10.4-1]",
    replace: "const subscription = [...session.subscriptions.values()]\n" +
      '      .find((one) => one.filter.startsWith(filter.replace(/[+#]$/, "")));',
  },
  {
    kills: "3.10/wildcards-compared-literally",
    file: BROKER,
    find: "const subscription = session.subscriptions.get(filter); // [MQTT-3.10.4-1]",
    replace: "const subscription = [...session.subscriptions.values()]\n" +
      '      .find((one) => filter.startsWith(one.filter.replace(/[+#]$/, "")));',
  },
  {
    kills: "3.10/no-new-messages",
    file: BROKER,
    find: TAKEN_OUT,
    replace: "",
  },
  {
    kills: "3.10/begun-qos-2-is-completed",
    file: BROKER,
    find: TAKEN_OUT,
    replace: `${TAKEN_OUT}\n    session.sender?.each((id) => session.sender!.end(id));`,
    levels: [5],
  },
  {
    kills: "3.10/begun-qos-2-is-completed",
    toAuditor: remade(TYPE.PUBREL, () => new Uint8Array()),
  },
  {
    kills: "3.10/begun-qos-1-is-completed",
    file: BROKER,
    find: TAKEN_OUT,
    replace: `${TAKEN_OUT}\n    session.sender?.each((id) => session.sender!.end(id));`,
  },
  {
    kills: "3.10/answered",
    toAuditor: remade(
      TYPE.UNSUBACK,
      ({ id, codes }, level) => codesPacket(TYPE.UNSUBACK, level, id! === 1 ? 2 : id!, codes ?? []),
    ),
  },
  {
    kills: "3.10/answered-for-nothing",
    file: BROKER,
    find: "link.send({ type: PacketType.UNSUBACK,",
    replace: "if (!reasonCodes.includes(0)) return;\n  link.send({ type: PacketType.UNSUBACK,",
  },
  {
    kills: "3.10/answered-for-nothing",
    levels: [5],
    file: BROKER,
    find: "if (subscription === undefined) return 0x11;",
    replace: "if (subscription === undefined) return 0;",
  },
  {
    kills: "3.10/several-filters",
    file: BROKER,
    find: "const reasonCodes = filters.map((filter) => {",
    replace: "const reasonCodes = filters.map((filter, at) => {\n    if (at > 0) return 0x11;",
  },
  {
    kills: "3.10/several-filters",
    toAuditor: remade(TYPE.UNSUBACK, ({ id, codes }, level) =>
      new Uint8Array([
        ...codesPacket(TYPE.UNSUBACK, level, id!, codes ?? []),
        ...codesPacket(TYPE.UNSUBACK, level, id!, codes ?? []),
      ])),
  },
  {
    kills: "3.11/codes-in-order",
    toAuditor: remade(
      TYPE.UNSUBACK,
      ({ id, codes }, level) => codesPacket(TYPE.UNSUBACK, level, id!, [...codes!].reverse()),
    ),
  },
  {
    kills: "3.11/known-codes",
    toAuditor: remade(
      TYPE.UNSUBACK,
      ({ id, codes }, level) =>
        codesPacket(TYPE.UNSUBACK, level, id!, codes!.map((code) => code === 0 ? 0 : 0x12)),
    ),
  },
  {
    kills: "3.11/known-codes",
    toAuditor: remade(
      TYPE.UNSUBACK,
      ({ id, codes }) =>
        codesPacket(TYPE.UNSUBACK, 5, id!, codes!, [property.reasonString("a"), property.reasonString("b")]),
    ),
  },
  {
    kills: "3.11/within-maximum-packet-size",
    toAuditor: remade(
      TYPE.UNSUBACK,
      ({ id, codes }) => codesPacket(TYPE.UNSUBACK, 5, id!, codes!, [property.reasonString("x".repeat(99))]),
    ),
  },
  {
    kills: "3.11/within-maximum-packet-size",
    toAuditor: remade(
      TYPE.UNSUBACK,
      ({ id, codes }) =>
        codesPacket(TYPE.UNSUBACK, 5, id!, codes!, [property.userProperty("x", "x".repeat(99))]),
    ),
  },
];
