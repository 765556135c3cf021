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
    file: "src/broker/batch.ts",
    find: "publisher.link.answer(first, this.#idOf(i), code);",
    replace: "publisher.link.answer(first, this.#idOf(i) & (this.#qos === 1 ? 255 : 65_535), code);",
  },
  {
    kills: "3.3.4/qos-2-pubrec",
    file: "src/broker/batch.ts",
    find: "publisher.link.answer(first, this.#idOf(i), code);",
    replace: "publisher.link.answer(first, this.#idOf(i) & (this.#qos === 2 ? 255 : 65_535), code);",
  },
  {
    kills: "3.3.4/receive-maximum-qos-1",
    file: "src/broker/session.ts",
    find: "this.connection.sendLimit - inFlight;",
    replace: "this.connection.sendLimit + 1 - inFlight;",
  },
  { // PUBREC makes room
    kills: "3.3.4/receive-maximum-qos-2",
    file: "src/delivery/sender.ts",
    find: "return step === Step.FREE || step >= Step.RESEND_1 ? 0 : 1;",
    replace: "return step === Step.PUBACK || step === Step.PUBREC ? 1 : 0;",
  },
  {
    kills: "3.3.4/receive-maximum-holds-nothing-else",
    file: "src/broker/connection.ts",
    find: "case PacketType.SUBSCRIBE:\n        return",
    replace: "case PacketType.SUBSCRIBE:\n        if (open.session.quota <= 0) return true;\n        return",
  },
  {
    kills: "3.3.4/receive-maximum-exceeded",
    file: PUBLISH,
    find: "received.size >= open.receiveLimit) {",
    replace: "received.size > open.receiveLimit) {",
  },
  { // only level 5 is told
    kills: "3.3.4/not-authorized",
    file: PUBLISH,
    find: "if (view.qos > 0) link.answerWith(",
    replace: "if (view.qos > 0 && link.level === 5) link.answerWith(",
  },
];
