/**
 * Refusals of every other packet, ends without a packet of the Client, and the rules of each property.
 * Knows how each comes about; refuses to know what the Client sees.
 * @module
 */
import { MemoryStore } from "../../src/broker/mod.ts";
import { PacketType } from "../../src/codec/packet_type.ts";
import {
  MAY_REPEAT,
  propertyAt,
  type PropertyPlace,
  type PropertyRow,
  WILL,
} from "../../src/codec/property.ts";
import { binary, frame, pair, type Part, properties, utf8 } from "../../src/testing/frame.ts";
import { AUTH_SCENES, CONNECT_SCENES, keptAt } from "./connect_scenes.ts";
import {
  connectFrame,
  firstPackets,
  laterPackets,
  type PacketScene,
  publishFrame,
  requestFrame,
} from "./packets.ts";
import { ACKNOWLEDGEMENT_SCENES, PUBLISH_SCENES } from "./publish_scenes.ts";
import type { Scene } from "./stage.ts";
import { SUBSCRIBE_SCENES, UNSUBSCRIBE_SCENES } from "./subscribe_scenes.ts";

const FIVE = { levels: [5] } as const;
const OF_SERVERS = "a packet that Servers send";

const DISCONNECT_SCENES = laterPackets("DISCONNECT", [
  ["MQTT-3.14.1-1", "flags of the fixed header", () => frame(0xe1)],
  ["2.1.4/trailing", "bytes behind the fixed header", () => frame(0xe0, 0), { levels: [4, 3] }],
  ["MQTT-3.14.2-1", "another Reason Code", () => frame(0xe0, 0x01), FIVE],
  ["2.4/reason-code", "a Reason Code that only a Server sends", () => frame(0xe0, 0x8b), FIVE],
  ["3.14.2.2.5/from-client", "a Server Reference", () => frame(0xe0, 0, properties(0x1c, utf8("b"))), FIVE],
  [
    "3.14.2.2.2/expiry-from-zero",
    "a Session Expiry Interval after 0 in CONNECT",
    () => frame(0xe0, 0, properties(0x11, 0, 0, 0, 9)),
    FIVE,
  ],
]);

const ANY_SCENES = laterPackets("any packet", [
  ["2.1.2/reserved-type", "packet type 0", () => frame(0)],
  ["MQTT-2.1.3-1", "flags of the fixed header, of PINGREQ say", () => frame(0xc1)],
  ["2.1.4/trailing", "bytes behind the last field, of PINGREQ say", () => frame(0xc0, 0)],
  ["MQTT-3.1.0-2", "a second CONNECT", connectFrame],
  [
    "1.5.5/fifth-byte",
    "a Remaining Length of five bytes",
    () => Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff, 1),
  ],
  ["MQTT-1.5.5-1", "a Remaining Length of more bytes than it needs", () => Uint8Array.of(0xc0, 0x80, 0)],
]);

const SERVER_SCENES = laterPackets(OF_SERVERS, [
  ["3.1.0/direction", "well formed: CONNACK, SUBACK, UNSUBACK or PINGRESP", () => frame(0xd0)],
  ["MQTT-3.2.2-1", "CONNACK with reserved flags", () => frame(0x20, 2, 0, 0), { levels: [5, 4] }],
  ["MQTT-3.2.2-8", "CONNACK with another Reason Code", () => frame(0x20, 0, 1, 0), FIVE],
  ["2.4/reason-code", "CONNACK with another return code", () => frame(0x20, 0, 6), { levels: [4, 3] }],
  ["MQTT-3.9.3-2", "SUBACK with another Reason Code", () => frame(0x90, 0, 1, 0, 3), FIVE],
  ["MQTT311-3.9.3-2", "SUBACK with another return code", () => frame(0x90, 0, 1, 3), { levels: [4, 3] }],
  ["MQTT-3.11.3-2", "UNSUBACK with another Reason Code", () => frame(0xb0, 0, 1, 0, 1), FIVE],
]);

const UNASKED = "no packet: the Server ends an open connection";

/** An open connection is ended, by what `run` does. */
function ended(rule: Scene["rule"], when: string, run: Scene["run"]): Scene {
  return { rule, on: UNASKED, when, run };
}

const UNASKED_SCENES: readonly Scene[] = [
  ended("MQTT-3.1.2-22", "nothing comes within 1.5 times the Keep Alive", (stage) => {
    stage.connect({ keepAlive: 10 });
    stage.pair.advance(16_000);
  }),
  ended("MQTT-3.1.4-3", "the Client connects again", (stage) => {
    stage.connect();
    stage.other({ clientId: "stub" });
  }),
  ended("policy/login-expired", "the login ends, that of a token say", (stage) => {
    const pair = stage.broker({ authenticate: () => ({ code: 0, expiresAt: pair.now + 5_000 }) });
    stage.connect();
    stage.pair.advance(6_000);
  }),
  ended("policy/not-authorized", "a subscription is not permitted any more", (stage) => {
    let code: 0 | 0x87 = 0;
    const rights = {
      version: 0,
      isNarrowed: false,
      publish: () => code,
      subscribe: () => code,
      receive: () => code === 0,
    };
    stage.broker({ permissions: { of: () => rights } });
    stage.connect().subscribe("t");
    code = 0x87;
    rights.version++;
    stage.owner((broker, now) => broker.permissionsChanged(now));
  }),
  ended("policy/administrative", "the owner ends it", (stage) => {
    stage.connect();
    const why = { code: 0x98, rule: "policy/administrative", message: "Out" } as const;
    stage.owner((broker, now) => broker.disconnect("stub", why, now));
  }),
  ...[0x9c, 0x9d].map((code) =>
    ended(
      "policy/redirected",
      `the owner sends it elsewhere ${code === 0x9c ? "for now" : "for good"}`,
      (stage) => {
        stage.connect();
        const where = { code: code as 0x9c | 0x9d, serverReference: "b.example" };
        stage.owner((broker, now) => broker.disconnect("stub", where, now));
      },
    )
  ),
  ended("limit/unavailable", "the Server shuts down", (stage) => {
    stage.connect();
    stage.owner((broker, now) => broker.shutdown(now));
  }),
  ended("limit/queue", "its queue is full (queuedMessagesMax, queuedBytesMax)", (stage) => {
    stage.broker({ limits: { queuedMessagesMax: 1, inFlightMax: 1, inFlightMaxLevel4: 1 } });
    stage.connect().subscribe({ filter: "t", qos: 1 });
    const other = stage.other();
    for (let i = 0; i < 4; i++) other.publish({ topic: "t", qos: 1 });
  }),
  ended("limit/rate", "it sends more than it may for too long (overRateTimeoutMs)", (stage) => {
    stage.broker({ limits: { publishRateMax: 1, overRateTimeoutMs: 1_000 } });
    const client = stage.connect();
    for (let i = 0; i < 20; i++) client.publish({ topic: "t" });
    for (let i = 0; i < 20 && !client.over; i++) stage.pair.advance(500);
  }),
  ended("limit/outbound", "it does not read its answers (outboundBytesMax)", (stage) => {
    stage.broker({ limits: { outboundBytesMax: 4096 } });
    const client = stage.connect({}, { capacityBytes: 64_000 });
    client.transport.pause();
    const pings = new Uint8Array(64_000).map((_, i) => i % 2 === 0 ? 0xc0 : 0);
    for (let i = 0; i < 40 && client.connection.client !== undefined; i++) {
      for (let at = 0; at < pings.length;) {
        const taken = client.transport.write(pings.subarray(at));
        stage.pair.settle();
        if (taken === 0) break;
        at += taken;
      }
    }
    client.transport.resume();
    stage.pair.settle();
    client.inbox.splice(
      0,
      client.inbox.length,
      ...client.inbox.filter(({ type }) => type === PacketType.DISCONNECT),
    );
  }),
  ended("limit/memory", "it holds too much of the memory there is (memoryBytesMax)", (stage) => {
    stage.broker({ limits: { memoryBytesMax: 1024 * 1024 } });
    const client = stage.connect();
    client.write(Uint8Array.of(0x30, 0x80, 0x80, 0x80, 1)); // a PUBLISH of 2 MiB
    client.write(new Uint8Array(1.5 * 1024 * 1024)); // in part
    stage.pair.advance(2_000);
  }),
  ended("limit/store", "what its acknowledgement waits for cannot be stored", (stage) => {
    const store = new MemoryStore();
    stage.broker({ store });
    stage.other({ cleanStart: false, properties: { sessionExpiryInterval: 60 } }).subscribe("t");
    store.commit = () => {
      throw new Error("disk full");
    };
    stage.connect().publish({ topic: "t", qos: 1 });
  }),
  ended("MQTT-4.13.1-1", "an error of the Server", (stage) => {
    const store = new MemoryStore();
    stage.broker({ store });
    const client = stage.connect(keptAt(stage.level));
    store.subscribed = () => {
      throw new Error("a fault");
    };
    client.write(requestFrame(stage.level, 0x82, [], utf8("t"), 0));
  }),
];

/** A value of this kind, valid if it may be 0. */
function value({ kind }: PropertyRow): Part {
  if (kind === "bit" || kind === "boolean" || kind === "varint") return [1];
  if (kind === "u16") return [0, 1];
  if (kind === "u32") return [0, 0, 0, 1];
  if (kind === "pair") return pair("a", "b");
  return kind === "utf8" ? utf8("t") : binary([1]);
}

/** A value of this kind that a rule of the property's range is against. */
function wrongValue({ kind }: PropertyRow): Part {
  if (kind === "bit" || kind === "boolean") return [2];
  if (kind === "utf8") return utf8("#");
  return new Uint8Array(kind === "varint" ? 1 : kind === "u16" ? 2 : 4);
}

/** The packet of that place with these properties. */
function packetWith(place: PropertyPlace, own: readonly Part[]): Uint8Array {
  switch (place) {
    case WILL:
      return connectFrame(5, {
        flags: 6,
        payload: [utf8("stub"), properties(...own), utf8("w"), binary([1])],
      });
    case PacketType.CONNECT:
      return connectFrame(5, { properties: own });
    case PacketType.PUBLISH:
      return publishFrame(5, { properties: own });
    case PacketType.SUBSCRIBE:
      return requestFrame(5, 0x82, own, utf8("t"), 0);
    case PacketType.UNSUBSCRIBE:
      return requestFrame(5, 0xa2, own, utf8("t"));
    case PacketType.CONNACK:
      return frame(0x20, 0, 0, properties(...own));
    case PacketType.SUBACK:
      return frame(0x90, 0, 1, properties(...own), 0);
    case PacketType.UNSUBACK:
      return frame(0xb0, 0, 1, properties(...own), 0);
    case PacketType.DISCONNECT:
      return frame(0xe0, 0, properties(...own));
    case PacketType.AUTH:
      return frame(0xf0, 0x19, properties(...own));
    default:
      return frame(place << 4 | (place === PacketType.PUBREL ? 2 : 0), 0, 1, 0, properties(...own));
  }
}

/** The heading under which refusals of that place stand. */
function headingOf(place: PropertyPlace): string {
  if (place === WILL || place === PacketType.CONNECT) return "CONNECT";
  if (place === PacketType.CONNACK || place === PacketType.SUBACK || place === PacketType.UNSUBACK) {
    return OF_SERVERS;
  }
  if (place >= PacketType.PUBACK && place <= PacketType.PUBCOMP) return "PUBACK, PUBREC, PUBREL, PUBCOMP";
  return Object.entries(PacketType).find(([, type]) => type === place)![0];
}

/** For each property and place: a second one, and a value out of range. */
function propertyScenes(): Scene[] {
  const scenes: Scene[] = [];
  for (let place = 0; place < 16; place++) {
    for (let id = 0; id < 0x2b; id++) {
      const row = propertyAt(place as PropertyPlace, id);
      if (row === undefined) continue;
      const [twice, range] = [row.twice[place], row.range[place]];
      const add = (rule: Scene["rule"], when: string, ...own: readonly Part[]) => {
        const packet: PacketScene = [rule, when, () => packetWith(place as PropertyPlace, own), FIVE];
        const isFirst = place === WILL || place === PacketType.CONNECT;
        scenes.push(...(isFirst ? firstPackets : laterPackets)(headingOf(place as PropertyPlace), [packet]));
      };
      if (twice !== undefined && twice !== MAY_REPEAT) {
        add(twice, "a property that may stand once stands twice", id, value(row), id, value(row));
      }
      if (range !== undefined) add(range, "a property out of its range", id, wrongValue(row));
    }
  }
  return scenes;
}

/** Every refusal. */
export const SCENES: readonly Scene[] = [
  ...CONNECT_SCENES,
  ...AUTH_SCENES,
  ...PUBLISH_SCENES,
  ...ACKNOWLEDGEMENT_SCENES,
  ...SUBSCRIBE_SCENES,
  ...UNSUBSCRIBE_SCENES,
  ...DISCONNECT_SCENES,
  ...ANY_SCENES,
  ...UNASKED_SCENES,
  ...SERVER_SCENES,
  ...propertyScenes(),
];
