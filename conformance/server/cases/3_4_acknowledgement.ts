/**
 * §3.4 PUBACK, §3.5 PUBREC, §3.6 PUBREL, §3.7 PUBCOMP as packets: what a Server under audit must do.
 * @module
 */
import {
  acknowledgement,
  packet,
  pingreq,
  property,
  type PublishParts,
  TYPE,
  u16,
} from "../../wire/bytes.ts";
import { type CaseInit, type RuleId, type ServerCase, serverCases } from "../../case.ts";
import { type Seen, strayProperties } from "../../wire/parse.ts";
import { hexCode, nameOf, type Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check } from "../../verdict.ts";

/** What differs between the four packets. */
interface Row {
  readonly section: string;
  readonly type: 4 | 5 | 6 | 7;
  readonly codes: readonly number[];
  readonly knownCodes: readonly RuleId[];
  readonly withinSize: readonly RuleId[];
  readonly twice: readonly RuleId[];
  /** Has the target send such packets, with as many codes as it can be made to. */
  readonly provoke: (t: Trial, peer: Peer) => Promise<Seen[]>;
  readonly provokes: string;
}

/** §3.4.2.1, §3.5.2.1 */
const PUBLISH_CODES = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
/** §3.6.2.1, §3.7.2.1 */
const RELEASE_CODES = [0x00, 0x92];

const ROWS: readonly Row[] = [
  {
    section: "3.4",
    type: TYPE.PUBACK,
    codes: PUBLISH_CODES,
    knownCodes: ["MQTT-3.4.2-1", "3.4.2.2.2/twice"],
    withinSize: ["MQTT-3.4.2-2", "MQTT-3.4.2-3"],
    twice: ["3.4.2.2.2/twice"],
    provoke: (t, peer) => publications(t, peer, 1),
    provokes:
      "Publishes at QoS 1 without a subscriber, to a $SYS topic, and with a payload that is not the " +
      "UTF-8 it claims to be.",
  },
  {
    section: "3.5",
    type: TYPE.PUBREC,
    codes: PUBLISH_CODES,
    knownCodes: ["MQTT-3.5.2-1", "3.5.2.2.2/twice"],
    withinSize: ["MQTT-3.5.2-2", "MQTT-3.5.2-3"],
    twice: ["3.5.2.2.2/twice"],
    provoke: (t, peer) => publications(t, peer, 2),
    provokes:
      "Publishes at QoS 2 without a subscriber, to a $SYS topic, and with a payload that is not the " +
      "UTF-8 it claims to be.",
  },
  {
    section: "3.6",
    type: TYPE.PUBREL,
    codes: RELEASE_CODES,
    knownCodes: ["MQTT-3.6.2-1", "3.6.2.2.2/twice"],
    withinSize: ["MQTT-3.6.2-2", "MQTT-3.6.2-3"],
    twice: ["3.6.2.2.2/twice"],
    async provoke(t, peer) {
      const { id } = await arrival(t, peer, 2);
      peer.send(acknowledgement(TYPE.PUBREC, id!));
      const known = await peer.pick(TYPE.PUBREL);
      peer.send(acknowledgement(TYPE.PUBCOMP, id!), acknowledgement(TYPE.PUBREC, 4711));
      return [known, ...await peer.answers()];
    },
    provokes: "Sends PUBREC for a QoS 2 message received and for an identifier that is not open.",
  },
  {
    section: "3.7",
    type: TYPE.PUBCOMP,
    codes: RELEASE_CODES,
    knownCodes: ["MQTT-3.7.2-1", "3.7.2.2.2/twice"],
    withinSize: ["MQTT-3.7.2-2", "MQTT-3.7.2-3"],
    twice: ["3.7.2.2.2/twice"],
    async provoke(t, peer) {
      peer.send(t.publish({ topic: t.topic("out"), qos: 2, id: 9 }));
      await peer.pick(TYPE.PUBREC);
      peer.send(acknowledgement(TYPE.PUBREL, 9), acknowledgement(TYPE.PUBREL, 4711));
      return await peer.answers();
    },
    provokes: "Sends PUBREL for a QoS 2 message sent and for an identifier that is not open.",
  },
];

/** Publications that may be answered by different codes, and the answers. */
async function publications(t: Trial, peer: Peer, qos: number): Promise<Seen[]> {
  const all: Omit<PublishParts, "level">[] = [
    { topic: t.topic("nobody") },
    { topic: t.topic("utf8"), properties: [property.payloadFormat(1)], payload: [0xff] },
    { topic: "$SYS/plumb-audit" },
  ];
  const seen: Seen[] = [];
  for (const parts of all) {
    const id = t.id();
    peer.send(t.publish({ ...parts, qos, id }));
    const answer = await peer.next();
    if (answer === undefined || answer.type === "end") break; // it may end the connection on one of them
    seen.push(answer);
    if (answer.type !== TYPE.PUBREC || answer.code! >= 0x80) continue;
    peer.send(acknowledgement(TYPE.PUBREL, id));
    await peer.pick(TYPE.PUBCOMP);
  }
  return seen;
}

/** A message of that QoS that has just arrived and is not acknowledged. */
async function arrival(t: Trial, peer: Peer, qos: number): Promise<Seen> {
  const topic = t.topic("x");
  await t.subscribeAt(peer, topic, qos);
  await t.published(await t.connect(), { topic, qos });
  return await peer.expectPublish();
}

/** Brings an exchange to where the auditor has to send `type`; returns its identifier. */
async function due(t: Trial, peer: Peer, type: Row["type"]): Promise<number> {
  if (type === TYPE.PUBREL) {
    const id = t.id();
    peer.send(t.publish({ topic: t.topic("out"), qos: 2, id }));
    await peer.pick(TYPE.PUBREC);
    return id;
  }
  const { id } = await arrival(t, peer, type === TYPE.PUBACK ? 1 : 2);
  if (type === TYPE.PUBCOMP) {
    peer.send(acknowledgement(TYPE.PUBREC, id!));
    await peer.pick(TYPE.PUBREL);
  }
  return id!;
}

/** The cases that all four have. */
function common(row: Row): Record<string, CaseInit<Trial>> {
  const { type, codes, knownCodes, withinSize, twice, provoke, provokes } = row;
  const name = nameOf(type);
  const needs = [type === TYPE.PUBACK ? "qos 1" : "qos 2"] as const;
  return {
    "known-codes": {
      statements: knownCodes,
      levels: [5],
      needs,
      does: provokes,
      requires: `Each ${name} has one of its Reason Codes, and no property but User Properties and one ` +
        "Reason String.",
      async run(t) {
        const peer = await t.connect();
        const all = (await provoke(t, peer)).filter((seen) => seen.type === type);
        for (const seen of all) {
          const faults = [...seen.faults, ...strayProperties(seen, [0x1f, 0x26])];
          check(faults.length === 0, `${name} is not well formed: ${faults.join(", ")}`);
          check(
            codes.includes(seen.code!),
            `${name} has ${hexCode(seen.code!)}, which is not among its codes`,
          );
        }
      },
    },
    "within-maximum-packet-size": {
      statements: withinSize,
      levels: [5],
      needs,
      does: `${provokes} Its Maximum Packet Size has no room for a Reason String.`,
      requires: `No ${name} is larger than the Maximum Packet Size.`,
      async run(t) {
        const { peer, size } = await t.narrow();
        for (const { type: came, raw } of await provoke(t, peer)) {
          if (came === type) check(raw.length <= size, `${name} of ${raw.length} bytes, ${size} are allowed`);
        }
      },
    },
    "reason-string-twice": {
      statements: twice,
      levels: [5],
      needs,
      does: `Sends a ${name} that is due, with two Reason Strings.`,
      requires: "The connection is closed; DISCONNECT 0x82 may say why.",
      async run(t) {
        const peer = await t.connect();
        const id = await due(t, peer, type);
        const text = property.reasonString("why");
        peer.send(acknowledgement(type, id, 0, [text, text]), pingreq());
        await peer.refused([0x82]);
      },
    },
    "unknown-code": {
      statements: knownCodes.slice(0, 1),
      levels: [5],
      needs,
      does: `Sends a ${name} that is due, with Reason Code 0x05.`,
      requires:
        "The connection is closed; DISCONNECT 0x82 or 0x81 may say why. The text does not say that a " +
        "Server must notice: one that goes on is lenient.",
      async run(t) {
        const peer = await t.connect();
        const id = await due(t, peer, type);
        peer.send(acknowledgement(type, id, 5), pingreq());
        await peer.shouldRefuse([0x81, 0x82]);
      },
    },
  };
}

const RESERVED_FLAGS: Record<string, CaseInit<Trial>> = {
  "reserved-flags": {
    statements: ["MQTT-3.6.1-1", "MQTT311-3.6.1-1", "MQTT-2.1.3-1", "MQTT311-2.2.2-1", "MQTT311-2.2.2-2"],
    levels: [4, 5],
    needs: ["qos 2"],
    does: "Sends a PUBREL that is due, with flags 0000, 1010 and 0011, each on a connection of its own.",
    requires: "Each connection is closed{5|; DISCONNECT 0x81 may say why}.",
    async run(t) {
      for (const flags of [0, 10, 3]) {
        const peer = await t.connect();
        const id = await due(t, peer, TYPE.PUBREL);
        peer.send(packet(TYPE.PUBREL, flags, u16(id)));
        await peer.refused([0x81], `for flags ${flags.toString(2).padStart(4, "0")}`);
      }
    },
  },
};

/** Cases of §3.4 to §3.7. */
export const CASES: readonly ServerCase[] = ROWS.flatMap((row) =>
  serverCases(row.section, {
    ...common(row),
    ...row.type === TYPE.PUBREL ? RESERVED_FLAGS : {},
  })
);
