/**
 * §1.5, §2, §3 The codec's share: packets and bytes, frames out of chunks, the view that the broker takes of a PUBLISH.
 * Knows typical packets; refuses to know connections.
 * @module
 */
import {
  decode,
  Deframer,
  encode,
  encodePacket,
  type Packet,
  PacketType,
  type ProtocolLevel,
  Reader,
  type UserProperties,
  Writer,
} from "../../../src/codec/mod.ts";
import { PublishView } from "../../../src/codec/publish_view.ts";
import { type Bench, type MicroCase, must, sink } from "./bench.ts";
import { publishBytes } from "./offline_broker.ts";

const USER: UserProperties = [["region", "eu-central-1"], ["trace", "4bf92f3577b34da6a3ce929d0e0e4736"]];
const REASON = { reasonString: "Not authorized for this topic", userProperties: USER };
const OPTIONS = { noLocal: false, retainAsPublished: true, retainHandling: 1 } as const;
const PAYLOAD = new Uint8Array(64).fill(0x2a);
const TOPIC = "site/12/device/345/temperature";

/** Each family, small (as level 4 has it) and with the properties of level 5. */
const PACKETS: readonly (readonly [name: string, small: Packet, full: Packet | undefined])[] = [
  ["connect", {
    type: PacketType.CONNECT,
    level: 4,
    cleanStart: true,
    keepAlive: 60,
    clientId: "device-000345",
  }, {
    type: PacketType.CONNECT,
    level: 5,
    cleanStart: false,
    keepAlive: 60,
    clientId: "device-000345",
    username: "device",
    password: PAYLOAD.subarray(0, 16),
    will: {
      topic: "site/12/device/345/state",
      payload: PAYLOAD.subarray(0, 4),
      qos: 1,
      retain: true,
      properties: { willDelayInterval: 30, messageExpiryInterval: 600, contentType: "text/plain" },
    },
    properties: {
      sessionExpiryInterval: 3600,
      receiveMaximum: 100,
      topicAliasMaximum: 10,
      userProperties: USER,
    },
  }],
  ["connack", { type: PacketType.CONNACK, sessionPresent: false, reasonCode: 0 }, {
    type: PacketType.CONNACK,
    sessionPresent: true,
    reasonCode: 0,
    properties: {
      receiveMaximum: 1000,
      maximumPacketSize: 1 << 24,
      topicAliasMaximum: 256,
      assignedClientIdentifier: "auto-000000012345",
      serverKeepAlive: 60,
      userProperties: USER,
    },
  }],
  ["publish", {
    type: PacketType.PUBLISH,
    dup: false,
    qos: 0,
    retain: false,
    topic: TOPIC,
    payload: PAYLOAD,
  }, {
    type: PacketType.PUBLISH,
    dup: false,
    qos: 1,
    retain: false,
    topic: TOPIC,
    packetId: 77,
    payload: PAYLOAD,
    properties: {
      messageExpiryInterval: 600,
      contentType: "application/json",
      responseTopic: "site/12/answers",
      correlationData: PAYLOAD.subarray(0, 8),
      userProperties: USER,
    },
  }],
  ["puback", { type: PacketType.PUBACK, packetId: 77, reasonCode: 0 }, {
    type: PacketType.PUBACK,
    packetId: 77,
    reasonCode: 0x87,
    properties: REASON,
  }],
  ["pubrec", { type: PacketType.PUBREC, packetId: 77, reasonCode: 0 }, {
    type: PacketType.PUBREC,
    packetId: 77,
    reasonCode: 0x87,
    properties: REASON,
  }],
  ["pubrel", { type: PacketType.PUBREL, packetId: 77, reasonCode: 0 }, {
    type: PacketType.PUBREL,
    packetId: 77,
    reasonCode: 0x92,
    properties: REASON,
  }],
  ["pubcomp", { type: PacketType.PUBCOMP, packetId: 77, reasonCode: 0 }, {
    type: PacketType.PUBCOMP,
    packetId: 77,
    reasonCode: 0x92,
    properties: REASON,
  }],
  ["subscribe", {
    type: PacketType.SUBSCRIBE,
    packetId: 77,
    subscriptions: [{
      filter: "site/12/#",
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    }],
  }, {
    type: PacketType.SUBSCRIBE,
    packetId: 77,
    subscriptions: [{ filter: "site/12/#", qos: 1, ...OPTIONS }, { filter: "+/state", qos: 2, ...OPTIONS }],
    properties: { subscriptionIdentifier: 300, userProperties: USER },
  }],
  ["suback", { type: PacketType.SUBACK, packetId: 77, reasonCodes: [1] }, {
    type: PacketType.SUBACK,
    packetId: 77,
    reasonCodes: [1, 0x87],
    properties: REASON,
  }],
  ["unsubscribe", { type: PacketType.UNSUBSCRIBE, packetId: 77, filters: ["site/12/#"] }, {
    type: PacketType.UNSUBSCRIBE,
    packetId: 77,
    filters: ["site/12/#", "+/state"],
    properties: { userProperties: USER },
  }],
  ["unsuback", { type: PacketType.UNSUBACK, packetId: 77, reasonCodes: [] }, {
    type: PacketType.UNSUBACK,
    packetId: 77,
    reasonCodes: [0, 0x11],
    properties: REASON,
  }],
  ["pingreq", { type: PacketType.PINGREQ }, undefined],
  ["pingresp", { type: PacketType.PINGRESP }, undefined],
  ["disconnect", { type: PacketType.DISCONNECT, reasonCode: 0 }, {
    type: PacketType.DISCONNECT,
    reasonCode: 0x8b,
    properties: { ...REASON, serverReference: "other.example:1883" },
  }],
  ["auth", { type: PacketType.AUTH, reasonCode: 0 }, {
    type: PacketType.AUTH,
    reasonCode: 0x18,
    properties: { authenticationMethod: "SCRAM-SHA-256", authenticationData: PAYLOAD, ...REASON },
  }],
];

function encoding(packet: Packet, level: ProtocolLevel): Bench {
  const writer = new Writer();
  return {
    run(times) {
      let bytes = 0;
      for (let i = 0; i < times; i++) {
        writer.reset();
        encode(writer, packet, level);
        bytes += writer.length;
      }
      sink.value = writer;
      return bytes;
    },
  };
}

function decoding(packet: Packet, level: ProtocolLevel): Bench {
  const bytes = encodePacket(packet, level);
  const body = bytes[1]! < 128 ? 2 : 3;
  const reader = new Reader();
  return {
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        const decoded = decode(reader.aim(bytes, body, bytes.length), bytes[0]!, level);
        sink.value = decoded; // it must be made, as for somebody who keeps it
        sum += decoded.type;
      }
      return sum;
    },
  };
}

/** `frames` frames in a chunk, chunks cut so that every `cut` bytes a new one begins; an operation is a frame. */
function deframing(frame: Uint8Array, frames: number, cut: number): Bench {
  const stream = new Uint8Array(frame.length * frames);
  for (let i = 0; i < frames; i++) stream.set(frame, i * frame.length);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < stream.length; at += cut) chunks.push(stream.subarray(at, at + cut));
  const deframer = new Deframer(Infinity);
  let seen = 0;
  const handler = {
    frame(bytes: Uint8Array, at: number, body: number, end: number): boolean {
      seen += bytes[body]! + end - at;
      return true;
    },
  };
  let rounds = 0;
  return {
    run(times) {
      const before = seen;
      rounds = Math.max(1, Math.round(times / frames));
      for (let i = 0; i < rounds; i++) for (const chunk of chunks) deframer.receive(chunk, handler);
      must(deframer.held === 0, "frames are whole");
      return seen - before;
    },
  };
}

function aiming(frame: Uint8Array, level5: boolean): Bench {
  const view = new PublishView();
  const body = frame[1]! < 128 ? 2 : 3;
  return {
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        view.aim(frame, 0, body, frame.length, level5);
        sum += view.payloadAt;
      }
      sink.value = view;
      return sum;
    },
  };
}

function packetCases(): MicroCase[] {
  return PACKETS.flatMap(([name, small, full]) => {
    const smallLevel = small.type === PacketType.AUTH ? 5 : 4;
    const each: MicroCase[] = [
      { name: `encode/${name}`, make: () => encoding(small, smallLevel) },
      { name: `decode/${name}`, make: () => decoding(small, smallLevel) },
    ];
    if (full === undefined) return each;
    each.push(
      { name: `encode/${name} with properties`, make: () => encoding(full, 5) },
      { name: `decode/${name} with properties`, make: () => decoding(full, 5) },
    );
    return each;
  });
}

const FRAMES = 1_000;

/** All of them. */
export const CODEC_CASES: readonly MicroCase[] = [
  ...packetCases(),
  {
    name: "deframe/1,000 whole frames of 80 bytes a chunk",
    make: () => deframing(publishBytes(4, "site/12/a", 0, 67), FRAMES, 1 << 30),
  },
  {
    name: "deframe/frames of 80 bytes, a chunk each 1,460 bytes",
    make: () => deframing(publishBytes(4, "site/12/a", 0, 67), FRAMES, 1_460),
  },
  {
    name: "deframe/frames of 400 bytes, a chunk each 1,460 bytes",
    make: () => deframing(publishBytes(4, "site/12/a", 0, 386), FRAMES, 1_460),
  },
  { name: "aim/QoS 0, level 4", make: () => aiming(publishBytes(4, TOPIC, 0, 64), false) },
  { name: "aim/QoS 1, level 5 without properties", make: () => aiming(publishBytes(5, TOPIC, 1, 64), true) },
  {
    name: "aim/QoS 1, level 5 with properties",
    make: () => aiming(encodePacket(PACKETS[2]![2]!, 5), true),
  },
];
