/**
 * Breaks of §3.3.4 and of §3.3.5 of 3.1.1.
 * @module
 */
import { publish, TYPE } from "../wire/bytes.ts";
import { parse } from "../wire/parse.ts";
import type { Mutant } from "./mutant.ts";

const PUBLISH = "src/broker/publish.ts";

/** For the cases of `cases/3_3_publish_actions.ts`. */
export const MUTANTS: readonly Mutant[] = [
  { // QoS 0 is taken for QoS 1
    kills: "3.3.4/qos-0-is-not-answered",
    toBroker: (raw, level) => {
      const { type, flags, topic = "", payload = [], properties, faults } = parse(raw, level);
      const plain = type === TYPE.PUBLISH && flags === 0 && properties.length + faults.length === 0;
      return [plain && topic !== "" ? publish({ level, topic, payload, qos: 1 }) : raw];
    },
  },
  { // the high byte of the identifier is lost
    kills: "3.3.4/qos-1-puback",
    file: "src/broker/run.ts",
    find: "connection.answer(first, bytes[at]! << 8 |",
    replace: "connection.answer(first, (qos === 1 ? 0 : bytes[at]! << 8) |",
  },
  {
    kills: "3.3.4/qos-2-pubrec",
    file: "src/broker/run.ts",
    find: "connection.answer(first, bytes[at]! << 8 |",
    replace: "connection.answer(first, (qos === 2 ? 0 : bytes[at]! << 8) |",
  },
  {
    kills: "3.3.4/receive-maximum-qos-1",
    file: "src/broker/deliver.ts",
    find: "return connection.open < connection.sendLimit &&",
    replace: "return connection.open <= connection.sendLimit &&",
  },
  { // PUBREC makes room
    kills: "3.3.4/receive-maximum-qos-2",
    file: "src/broker/acknowledge.ts",
    find: "sender!.advance(id, Step.PUBCOMP, delivery);",
    replace:
      "sender!.advance(id, Step.PUBCOMP, delivery);\n    connection.open--;\n    pump(connection, now);",
  },
  {
    kills: "3.3.4/receive-maximum-holds-nothing-else",
    file: "src/broker/connection.ts",
    find: "case PacketType.SUBSCRIBE:\n        return",
    replace: "case PacketType.SUBSCRIBE:\n        if (this.open >= this.sendLimit) return;\n        return",
  },
  {
    kills: "3.3.4/receive-maximum-exceeded",
    file: PUBLISH,
    find: "received.size >= connection.receiveLimit) {",
    replace: "received.size > connection.receiveLimit) {",
  },
  { // only level 5 is told
    kills: "3.3.4/not-authorized",
    file: PUBLISH,
    find: "else connection.refuse(type, view.packetId, refusal);",
    replace: "else if (connection.level === 5) connection.refuse(type, view.packetId, refusal);",
  },
];
