/**
 * §4.13 Handling errors, §4.8 of MQTT 3.1.1: what a Server under audit must do.
 * @module
 */
import {
  acknowledgement,
  bytes,
  type Level,
  packet,
  pingreq,
  properties,
  property,
  subscribe,
  TYPE,
  u16,
  unsubscribe,
} from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { hexCode } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, Finding } from "../../verdict.ts";

/** What must not be sent, by what is wrong with it. */
type Faults = Readonly<Record<string, (t: Trial) => Uint8Array>>;

/** Cannot be read at either level. */
const MALFORMED: Faults = {
  "packet type 0": () => bytes(0x00, 0x00),
  "a Remaining Length of five bytes": () => bytes(0xc0, 0x80, 0x80, 0x80, 0x80, 0x01),
  "PUBLISH with QoS 3": (t) => t.publish({ topic: t.topic(), qos: 3, id: 1 }),
  "PUBLISH whose topic is longer than the packet": () => packet(TYPE.PUBLISH, 0, u16(99), "short"),
  "PUBLISH whose topic is not UTF-8": (t) => t.publish({ topic: [0x61, 0xc0, 0x80] }),
  "PUBREL with flags 0000": () => packet(TYPE.PUBREL, 0, u16(1)),
  "SUBSCRIBE with flags 0000": (t) => bytes(0x80, subscribe(t.level, 1, [[t.topic(), 0]]).subarray(1)),
  "UNSUBSCRIBE with flags 0000": (t) => bytes(0xa0, unsubscribe(t.level, 1, [t.topic()]).subarray(1)),
  "SUBSCRIBE with reserved bits in its options": (t) => subscribe(t.level, 1, [[t.topic(), 0x80]]),
};

/** Cannot be read at level 5. */
const MALFORMED_5: Faults = {
  "PUBLISH with an unknown property": (t) => t.publish({ topic: t.topic(), properties: [bytes(0x7f, 0)] }),
  "PUBLISH with a property of CONNECT": (t) => {
    return t.publish({ topic: t.topic(), properties: [property.sessionExpiry(1)] });
  },
  "PUBACK whose Property Length is too long": () => packet(TYPE.PUBACK, 0, u16(1), 0, 9),
};

/** Can be read, and is not allowed at either level. */
const PROTOCOL: Faults = {
  "a second CONNECT": (t) => t.connectBytes(),
  "SUBSCRIBE with QoS 3": (t) => subscribe(t.level, 1, [[t.topic(), 3]]),
  "SUBSCRIBE without a filter": (t) => subscribe(t.level, 1, []),
  "UNSUBSCRIBE without a filter": (t) => unsubscribe(t.level, 1, []),
};

/** Can be read, and is not allowed at level 5. */
const PROTOCOL_5: Faults = {
  "PUBLISH with two Content Types": (t) => {
    return t.publish({
      topic: t.topic(),
      properties: [property.contentType("a"), property.contentType("b")],
    });
  },
  "PUBLISH with Topic Alias 0": (t) => t.publish({ topic: t.topic(), properties: [property.topicAlias(0)] }),
  "PUBLISH with neither topic nor alias": (t) => t.publish({ topic: "" }),
  "SUBSCRIBE with Retain Handling 3": (t) => subscribe(5, 1, [[t.topic(), 0x30]]),
  "AUTH without an authentication": () =>
    packet(TYPE.AUTH, 0, 0x18, properties(property.authenticationMethod("m"))),
};

/** Each fault ends its connection, with any code or none; all that do not are named. */
async function eachEnds(t: Trial, all: Faults): Promise<void> {
  const staying = await Promise.all(
    Object.entries(all).map(async ([name, fault]) => {
      const peer = await t.connect({ clientId: t.clientId(`f${t.id()}`) });
      peer.send(fault(t), pingreq());
      try {
        await peer.refused();
      } catch (error) {
        if (error instanceof Finding && error.verdict === "fail") return [name];
        throw error;
      }
      return [];
    }),
  );
  const names = staying.flat();
  check(names.length === 0, `The connection stayed open after: ${names.join("; ")}`);
}

/** The faults of both levels, and at level 5 its own besides. */
function faultsAt(level: Level, both: Faults, five: Faults): Faults {
  return level === 5 ? { ...both, ...five } : both;
}

/** Cases of §4.13. */
export const CASES: readonly ServerCase[] = serverCases("4.13", {
  "malformed-packets": {
    statements: ["MQTT-4.13.1-1", "MQTT311-4.8.0-1"],
    levels: [4, 5],
    does: "Sends {4|nine}{5|twelve} packets that cannot be read, each on a connection of its own.",
    requires: "Each connection is closed{5|; DISCONNECT may say why}.",
    run: (t) => eachEnds(t, faultsAt(t.level, MALFORMED, MALFORMED_5)),
  },
  "protocol-errors": {
    statements: ["MQTT-4.13.1-1", "MQTT311-4.8.0-1"],
    levels: [4, 5],
    does:
      "Sends {4|four}{5|nine} packets that can be read but are not allowed, each on a connection of its own.",
    requires: "Each connection is closed{5|; DISCONNECT may say why}.",
    run: (t) => eachEnds(t, faultsAt(t.level, PROTOCOL, PROTOCOL_5)),
  },
  "others-stay": {
    statements: ["MQTT-4.13.1-1", "MQTT311-4.8.0-1"],
    levels: [4, 5],
    does:
      "Breaks the rules on one connection while a message of another Client is under way on a second one.",
    requires: "Only the connection on which it happened is closed.",
    async run(t) {
      const other = await t.connect();
      await t.subscribe(other, t.topic());
      const peer = await t.connect();
      peer.send(bytes(0x00, 0x00));
      await peer.refused();
      await t.published(await t.connect(), { topic: t.topic(), payload: "x", qos: t.qos(1) });
      await other.take("for its connection has broken no rule");
    },
  },
  "connack-failure-goes-with-the-end": {
    statements: ["MQTT-4.13.2-1"],
    levels: [5],
    does:
      "Sends three CONNECT packets that are to be refused, each on a connection of its own, and PINGREQ behind " +
      "the answer.",
    requires: "A CONNACK of 0x80 or above is the last packet, and the connection is closed.",
    async run(t) {
      const method = property.authenticationMethod("plumb-audit-none");
      const two = [property.receiveMaximum(1), property.receiveMaximum(1)];
      const all = [{ properties: [method] }, { properties: two }, { flags: 3 }];
      for (const init of all) {
        const peer = await t.open();
        peer.send(t.connectBytes(init));
        const seen = await peer.next();
        if (seen === undefined || seen.type !== TYPE.CONNACK || seen.code! < 0x80) {
          peer.abort();
          continue;
        }
        peer.send(pingreq());
        const rest = await peer.rest(`for CONNACK had ${hexCode(seen.code!)}`);
        check(rest.length === 0, `${rest.length} packets came behind CONNACK ${hexCode(seen.code!)}`);
      }
    },
  },
  "disconnect-failure-goes-with-the-end": {
    statements: ["MQTT-4.13.2-1"],
    levels: [5],
    does:
      "Breaks the rules, and has a connection taken over by a second one with the same Client Identifier.",
    requires:
      "Where a DISCONNECT of 0x80 or above comes, the connection is closed, and nothing comes behind it.",
    async run(t) {
      const first = await t.connect({ clientId: t.clientId("taken") });
      await t.connect({ clientId: t.clientId("taken") });
      const broken = await t.connect();
      broken.send(acknowledgement(TYPE.PUBACK, 0), subscribe(5, 1, []), pingreq());
      for (const peer of [first, broken]) {
        const types = (await peer.rest("for it was to be ended")).map(({ type }) => type);
        const at = types.indexOf(TYPE.DISCONNECT);
        check(at < 0 || at === types.length - 1, `${types.length - 1 - at} packets came behind DISCONNECT`);
      }
    },
  },
});
