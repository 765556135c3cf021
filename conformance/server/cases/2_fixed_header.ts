/**
 * §2.1 The fixed header, packet types, flags and lengths: what a Server under audit must do.
 * @module
 */
import { acknowledgement, bytes, field, packet, TYPE, u16 } from "../../wire/bytes.ts";
import { type CaseInit, type ServerCase, serverCases } from "../../case.ts";
import type { Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";

/** Packets that only a Server sends, well formed at both levels. */
const OF_THE_SERVER: Readonly<Record<string, (t: Trial) => Uint8Array>> = {
  "connack": ({ level }) => packet(TYPE.CONNACK, 0, 0, 0, level === 5 ? [0] : []),
  "suback": ({ level }) => packet(TYPE.SUBACK, 0, u16(1), level === 5 ? [0] : [], 0),
  "unsuback": ({ level }) => packet(TYPE.UNSUBACK, 0, u16(1), level === 5 ? [0, 0] : []),
  "pingresp": () => packet(TYPE.PINGRESP, 0),
};

const DIRECTION: Record<string, CaseInit<Trial>> = Object.fromEntries(
  Object.entries(OF_THE_SERVER).map(([name, make]) => [`client-sends-${name}`, {
    statements: ["3.1.0/direction"],
    levels: [4, 5],
    does: `Sends ${name.toUpperCase()}, which only a Server sends.`,
    requires:
      "The connection should be closed{5|, DISCONNECT 0x82 may say why}; the standard does not say that a receiver must look.",
    async run(t) {
      const peer = await t.connect();
      peer.send(make(t));
      await peer.shouldRefuse([0x82], "for this packet is a Server's");
    },
  }]),
);

/** A packet with other flags than its type has; those of PUBREL, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT and AUTH have cases there. */
interface Flagged {
  /** The flags it is sent with. */
  readonly flags: number;
  readonly needs?: CaseInit<Trial>["needs"];
  /** Comes to the point where the packet belongs and returns it with the right flags. */
  prepare(t: Trial): Promise<{ readonly peer: Peer; readonly right: Uint8Array }>;
}

const FLAGGED: Readonly<Record<string, Flagged>> = {
  "puback": {
    flags: 1,
    needs: ["qos 1"],
    async prepare(t) {
      const { peer, id } = await t.delivery(1);
      return { peer, right: acknowledgement(TYPE.PUBACK, id) };
    },
  },
  "pubrec": {
    flags: 4,
    needs: ["qos 2"],
    async prepare(t) {
      const { peer, id } = await t.delivery(2);
      return { peer, right: acknowledgement(TYPE.PUBREC, id) };
    },
  },
  "pubcomp": {
    flags: 2,
    needs: ["qos 2"],
    async prepare(t) {
      const { peer, id } = await t.delivery(2);
      peer.send(acknowledgement(TYPE.PUBREC, id));
      await peer.expect(TYPE.PUBREL);
      return { peer, right: acknowledgement(TYPE.PUBCOMP, id) };
    },
  },
};

const RESERVED_FLAGS: Record<string, CaseInit<Trial>> = Object.fromEntries(
  Object.entries(FLAGGED).map(([name, { flags, needs, prepare }]) => [`flags-of-${name}`, {
    statements: ["MQTT-2.1.3-1", "MQTT311-2.2.2-1", "MQTT311-2.2.2-2"],
    levels: [4, 5],
    ...(needs && { needs }),
    does: `Sends ${name.toUpperCase()} where it belongs, with flags ${flags.toString(2).padStart(4, "0")}.`,
    requires: "The connection is closed{5|; DISCONNECT 0x81 may say why}.",
    async run(t) {
      const { peer, right } = await prepare(t);
      peer.send(bytes((right[0]! & 0xf0) | flags, right.subarray(1)));
      await peer.refused([0x81]);
    },
  }]),
);

/** Cases of §2.1. */
export const CASES: readonly ServerCase[] = [
  ...serverCases("2.1.2", {
    "type-0": {
      statements: ["2.1.2/reserved-type"],
      levels: [4, 5],
      does: "Sends a packet of type 0, which is reserved.",
      requires: "The connection is closed{5|; DISCONNECT 0x81 or 0x82 may say why}.",
      async run(t) {
        const peer = await t.connect();
        peer.send(packet(0, 0));
        await peer.refused([0x81, 0x82]);
      },
    },
    "type-0-begun": {
      statements: ["2.1.2/reserved-type"],
      levels: [4, 5],
      does: "Sends the first bytes of a packet of type 0, whose Remaining Length promises more.",
      requires:
        "The connection should be closed at once{5|, and DISCONNECT 0x81 or 0x82 may say why}; a Server that waits for the rest is lenient.",
      async run(t) {
        const peer = await t.connect();
        peer.send(bytes(0, 100));
        await peer.shouldRefuse([0x81, 0x82], "for no packet begins so");
      },
    },
    "type-15": {
      statements: ["2.1.2/reserved-type"],
      levels: [4],
      does: "Sends a packet of type 15, which is reserved before MQTT 5.0.",
      requires: "The connection is closed.",
      async run(t) {
        const peer = await t.connect();
        peer.send(packet(TYPE.AUTH, 0));
        await peer.refused();
      },
    },
    ...DIRECTION,
  }),
  ...serverCases("2.1.3", {
    "flags-of-connect": {
      statements: ["MQTT-2.1.3-1", "MQTT311-2.2.2-1", "MQTT311-2.2.2-2"],
      levels: [4, 5],
      does: "Sends a CONNECT with flags 0001 in its first byte.",
      requires: "The connection is closed{5|; CONNACK 0x81 may say why}.",
      async run(t) {
        await t.malformedConnect(t.connectBytes({ headerFlags: 1 }));
      },
    },
    ...RESERVED_FLAGS,
  }),
  ...serverCases("2.1.4", {
    "subscribe-ends-early": {
      statements: ["2.1.4/short"],
      levels: [4, 5],
      does: "Sends a SUBSCRIBE whose Topic Filter is longer than the packet.",
      requires: "The connection is closed{5|; DISCONNECT 0x81 may say why}.",
      async run(t) {
        const peer = await t.connect();
        const filter = bytes(u16(200), t.topic());
        peer.send(packet(TYPE.SUBSCRIBE, 2, u16(t.id()), t.level === 5 ? [0] : [], filter, 0));
        await peer.refused([0x81]);
      },
    },
    "connect-ends-early": {
      statements: ["2.1.4/short"],
      levels: [4, 5],
      does: "Sends a CONNECT whose Client Identifier is longer than the packet.",
      requires: "The connection is closed{5|; CONNACK 0x81 may say why}.",
      async run(t) {
        const head = [field("MQTT"), t.level, 2, u16(0), t.level === 5 ? [0] : []];
        await t.malformedConnect(packet(TYPE.CONNECT, 0, head, u16(200), t.clientId()));
      },
    },
    "bytes-behind-the-end": {
      statements: ["2.1.4/trailing"],
      levels: [4, 5],
      does: "Sends a PINGREQ with one byte of body.",
      requires:
        "The connection should be closed, for PINGREQ has no body; the standard does not say that a receiver must look.",
      async run(t) {
        const peer = await t.connect();
        peer.send(packet(TYPE.PINGREQ, 0, 0));
        await peer.shouldRefuse([0x81], "for PINGREQ has no body");
      },
    },
  }),
];
