/**
 * Breaks of §4.3, the Server as sender.
 * @module
 */
import { acknowledgement, bytes, publish, TYPE } from "../wire/bytes.ts";
import type { Mutant } from "./mutant.ts";
import { remade } from "./changed_packet.ts";

const CONNECT = "src/broker/connect.ts";

/** A PUBLISH of that QoS with DUP 1. */
function repeated(qos: number) {
  return remade(
    TYPE.PUBLISH,
    (seen) => seen.qos === qos ? bytes(seen.raw[0]! | 8, seen.raw.subarray(1)) : undefined,
  );
}

/** A PUBLISH of that QoS under identifier 1. */
function underOne(qos: number) {
  return remade(
    TYPE.PUBLISH,
    ({ topic, payload, qos: came }, level) =>
      came === qos ? publish({ level, topic: topic!, payload: payload!, qos, id: 1 }) : undefined,
  );
}

/** For the cases of `cases/4_3_qos_sender.ts`. */
export const MUTANTS: readonly Mutant[] = [
  { kills: "4.3.1/plain", toAuditor: repeated(0) },
  {
    kills: "4.3.1/plain",
    toAuditor: remade(
      TYPE.PUBLISH,
      ({ topic, payload }, level) =>
        publish({ level, topic: topic!, payload: payload!, qos: 1, id: 1, headerFlags: 0 }),
    ),
  },
  { kills: "4.3.2/first-transmission", toAuditor: repeated(1) },
  { kills: "4.3.2/identifiers", toAuditor: underOne(1) },
  {
    kills: "4.3.2/open-until-puback",
    file: CONNECT,
    find: "else if (delivery !== undefined) unfinished.push(delivery);",
    replace: "else if (delivery?.qos === 2) unfinished.push(delivery);",
  },
  { kills: "4.3.3/first-transmission", toAuditor: repeated(2) },
  { kills: "4.3.3/identifiers", toAuditor: underOne(2) },
  {
    kills: "4.3.3/open-until-pubrec",
    file: CONNECT,
    find: "else if (delivery !== undefined) unfinished.push(delivery);",
    replace: "else if (delivery?.qos === 1) unfinished.push(delivery);",
  },
  {
    kills: "4.3.3/pubrel",
    toAuditor: remade(TYPE.PUBREL, ({ id }) => acknowledgement(TYPE.PUBREL, id! + 1)),
  },
  { kills: "4.3.3/pubrel", toAuditor: remade(TYPE.PUBREL, () => new Uint8Array()) },
  {
    kills: "4.3.3/open-until-pubcomp",
    file: CONNECT,
    find: "for (const { id } of released) link.answer(",
    replace: "for (const { id } of released.slice(1)) link.answer(",
  },
  {
    kills: "4.3.3/no-publish-after-pubrel",
    file: CONNECT,
    find: "if (step === Step.PUBCOMP) released.push(",
    replace: "if (step === Step.PUBCOMP && delivery !== undefined) unfinished.push(delivery);\n" +
      "    if (step === Step.PUBCOMP) released.push(",
  },
  {
    kills: "4.3.3/sent-does-not-expire",
    file: "src/broker/deliver.ts",
    find: "stamp.first = publishFirst(qos, retain, true);",
    replace:
      "if (message.expiresAt <= this.#turn.now) return;\n    stamp.first = publishFirst(qos, retain, true);",
  },
];
