/**
 * §3.3 to §3.7 Refusals of PUBLISH and of acknowledgements.
 * Knows how each comes about; refuses to know what the Client sees.
 * @module
 */
import type { BrokerOptions } from "../../src/broker/mod.ts";
import { PacketType } from "../../src/codec/packet_type.ts";
import { frame, properties, utf8 } from "../../src/testing/frame.ts";
import type { PublishInit } from "../../src/testing/pair.ts";
import { failingStore } from "./connect_scenes.ts";
import { laterPackets, type PacketScene, publishFrame, type PublishParts } from "./packets.ts";
import { LEVELS, type Scene, type Stage } from "./stage.ts";

const FIVE = { levels: [5] } as const;
const NOT_5 = { levels: [4, 3] } as const;

/** A PUBLISH with these parts. */
function publish(
  rule: PacketScene[0],
  when: string,
  parts: PublishParts,
  setting?: PacketScene[3],
): PacketScene {
  return [rule, when, (level) => publishFrame(level, parts), setting];
}

const ALIAS = { ...FIVE, options: { limits: { topicAliasMaximum: 5 } } } as const;

const BYTES: readonly PacketScene[] = [
  publish("MQTT-3.3.1-4", "QoS 3", { flags: 6, id: 1 }),
  publish("MQTT-3.3.1-2", "DUP at QoS 0", { flags: 8 }),
  publish("2.2.1/zero", "Packet Identifier 0", { flags: 2, id: 0 }),
  ["2.1.4/short", "the packet ends inside a field", () => frame(0x30, 0, 9, 0x61)],
  publish("2.1.4/too-large", "more bytes than packetBytesMax", { topic: "x".repeat(100) }, {
    options: { limits: { packetBytesMax: 64 } },
  }),
  publish("MQTT-1.5.4-1", "a Topic Name that is not UTF-8", { topic: [0xff] }),
  publish("MQTT-1.5.4-2", "a Topic Name with U+0000", { topic: [0] }),
  publish("MQTT-3.3.2-2", "a wildcard in the Topic Name", { topic: "a/#" }),
  publish("MQTT-4.7.3-1", "an empty Topic Name", { topic: "" }, NOT_5),
  publish("3.3.2.1/no-topic", "neither Topic Name nor Topic Alias", { topic: "" }, FIVE),
  publish("limit/name-bytes", "a Topic Name of more bytes than nameBytesMax", { topic: "x".repeat(20) }, {
    options: { limits: { nameBytesMax: 16 } },
  }),
  publish("MQTT-3.2.2-11", "a QoS above Maximum QoS", { flags: 4, id: 1 }, { options: { maximumQos: 1 } }),
  publish("MQTT-3.2.2-14", "RETAIN where nothing is retained", { flags: 1 }, {
    options: { retainAvailable: false },
  }),
  publish("2.2.2.1/past-end", "a property runs past the end of its list", { properties: [2, 0] }, FIVE),
  publish("MQTT-1.5.5-1", "a property length of more bytes than it needs", {}, FIVE),
  publish("1.5.5/fifth-byte", "a property length of five bytes", {}, FIVE),
  publish("2.2.2.2/unknown", "an unknown property", { properties: [0x70, 0] }, FIVE),
  publish("2.2.2.2/not-allowed", "a property of another packet", { properties: [0x21, 0, 1] }, FIVE),
  publish("MQTT-4.7.3-1", "an empty Response Topic", { properties: [8, 0, 0] }, FIVE),
  publish("MQTT-3.3.4-6", "a Subscription Identifier", { properties: [0x0b, 1] }, FIVE),
  publish("3.3.4/alias-above-maximum", "a Topic Alias above Topic Alias Maximum", {
    properties: [0x23, 0, 9],
  }, ALIAS),
  publish(
    "3.3.4/alias-unknown",
    "a Topic Alias that is not set",
    { topic: "", properties: [0x23, 0, 1] },
    ALIAS,
  ),
];

/** The two scenes of `BYTES` whose property length is wrong itself. */
const LENGTHS: Readonly<Record<string, readonly number[]>> = {
  "MQTT-1.5.5-1": [0x80, 0],
  "1.5.5/fifth-byte": [0xff, 0xff, 0xff, 0xff, 1],
};
const PACKETS = BYTES.map(([rule, when, bytes, setting]): PacketScene => {
  const length = when.startsWith("a property length") ? LENGTHS[rule] : undefined;
  return [rule, when, length === undefined ? bytes : () => frame(0x30, utf8("t"), length), setting];
});

/** A message that is refused and whose Client stays, at each QoS. */
function refused(
  rule: Scene["rule"],
  when: string,
  before: (stage: Stage) => void,
  init: PublishInit,
  qos: readonly (0 | 1 | 2)[] = [0, 1, 2],
): Scene[] {
  return qos.map((qos) => ({
    rule,
    on: "PUBLISH",
    when: `QoS ${qos}: ${when}`,
    run: (stage) => {
      before(stage);
      stage.connect().publish({ ...init, qos });
    },
  }));
}

const withOptions = (options: BrokerOptions) => (stage: Stage) => void stage.broker(options);

/** Of PUBLISH. */
export const PUBLISH_SCENES: readonly Scene[] = [
  ...laterPackets("PUBLISH", PACKETS),
  ...refused(
    "policy/not-authorized",
    "a topic that may not be published to",
    withOptions({ authorize: () => 0x87 }),
    { topic: "t" },
  ),
  ...refused("policy/dollar-topic", "a topic that begins with $", () => {}, { topic: "$a" }),
  ...refused(
    "limit/topic-levels",
    "a Topic Name of more levels than topicLevelsMax",
    withOptions({ limits: { topicLevelsMax: 2 } }),
    {
      topic: "a/b/c",
    },
  ),
  ...refused("limit/store", "a message to be stored while the store fails", failingStore, { topic: "kept" }, [
    1,
    2,
  ]),
  ...([0, 1, 2] as const).map((qos): Scene => ({
    rule: "limit/retained",
    on: "PUBLISH",
    when: `QoS ${qos}: no room to retain it`,
    untold: qos === 0 ? LEVELS : NOT_5.levels,
    run: (stage) => {
      stage.broker({ limits: { retainedMessagesMax: 1 } });
      stage.other().publish({ topic: "a", payload: "x", retain: true });
      const reader = stage.other({ clientId: "reader" });
      reader.subscribe("b");
      stage.connect().publish({ topic: "b", payload: "x", retain: true, qos });
      if (reader.takeTexts().length === 0) return;
      stage.saw(stage.pair.broker.stats.retainedMessages === 1 ? "delivered, not retained" : "retained");
    },
  })),
  ...([1, 2] as const).map((qos): Scene => ({
    rule: "limit/queue",
    on: "PUBLISH",
    when: `QoS ${qos}: no session has room for it`,
    untold: NOT_5.levels,
    run: (stage) => {
      stage.broker({ limits: { queuedMessagesMax: 1 } });
      const away = stage.other({ cleanStart: false, properties: { sessionExpiryInterval: 60 } });
      away.subscribe("t");
      away.disconnect();
      stage.other({ clientId: "first" }).publish({ topic: "t", qos: 1 });
      stage.connect().publish({ topic: "t", qos });
      if (stage.level < 5) stage.saw(stage.pair.broker.session("other")?.queued === 1 ? "dropped" : "queued");
    },
  })),
  {
    rule: "2.2.1/in-use",
    on: "PUBLISH",
    when: "QoS 1: a QoS 2 message is open under its Packet Identifier",
    ...FIVE,
    run: (stage) => {
      const client = stage.connect();
      client.publish({ topic: "t", qos: 2, packetId: 7 });
      client.take(PacketType.PUBREC);
      client.publish({ topic: "t", qos: 1, packetId: 7 });
    },
  },
  {
    rule: "3.3.4/receive-maximum",
    on: "PUBLISH",
    when: "QoS 2: more messages open than Receive Maximum",
    ...FIVE,
    run: (stage) => {
      stage.broker({ limits: { receiveMaximum: 1 } });
      const client = stage.connect();
      client.publish({ topic: "t", qos: 2 });
      client.take(PacketType.PUBREC);
      client.publish({ topic: "t", qos: 2 });
    },
  },
];

/** Of PUBACK, PUBREC, PUBREL and PUBCOMP. */
export const ACKNOWLEDGEMENT_SCENES: readonly Scene[] = [
  ...laterPackets("PUBACK, PUBREC, PUBREL, PUBCOMP", [
    ["MQTT-2.1.3-1", "flags of the fixed header", () => frame(0x41, 0, 1)],
    ["MQTT-3.6.1-1", "flags of the fixed header of PUBREL", () => frame(0x60, 0, 1)],
    ["2.2.1/zero", "Packet Identifier 0", () => frame(0x40, 0, 0)],
    ["2.1.4/short", "the packet ends inside a field", () => frame(0x40, 1)],
    ["2.1.4/trailing", "bytes behind the last field", () => frame(0x40, 0, 1, 0), NOT_5],
    ["MQTT-3.4.2-1", "another Reason Code in PUBACK", () => frame(0x40, 0, 1, 0x01), FIVE],
    ["MQTT-3.5.2-1", "another Reason Code in PUBREC", () => frame(0x50, 0, 1, 0x01), FIVE],
    ["MQTT-3.6.2-1", "another Reason Code in PUBREL", () => frame(0x62, 0, 1, 0x01), FIVE],
    ["MQTT-3.7.2-1", "another Reason Code in PUBCOMP", () => frame(0x70, 0, 1, 0x01), FIVE],
    [
      "2.2.2.2/not-allowed",
      "a property of another packet",
      () => frame(0x40, 0, 1, 0, properties(0x21, 0, 1)),
      FIVE,
    ],
    ["MQTT-3.6.2-1", "PUBREC for no message that is open", () => frame(0x50, 0, 9)],
  ]),
];
