/**
 * §3.8, §3.10 Refusals of SUBSCRIBE and UNSUBSCRIBE.
 * Knows how each comes about; refuses to know what the Client sees.
 * @module
 */
import type { BrokerOptions } from "../../src/broker/mod.ts";
import type { Part } from "../../src/testing/frame.ts";
import { utf8 } from "../../src/testing/frame.ts";
import { failingStore, holdMemory, keptAt } from "./connect_scenes.ts";
import { laterPackets, type PacketScene, requestFrame } from "./packets.ts";
import type { Scene } from "./stage.ts";

const FIVE = { levels: [5] } as const;
const SUBSCRIBE = 0x82;
const UNSUBSCRIBE = 0xa2;

/** A SUBSCRIBE with this payload. */
function subscribe(
  rule: PacketScene[0],
  when: string,
  payload: readonly Part[],
  options?: BrokerOptions,
  own: readonly Part[] = [],
): PacketScene {
  const setting = { ...(options && { options }), ...(own.length > 0 && FIVE) };
  return [rule, when, (level) => requestFrame(level, SUBSCRIBE, own, ...payload), setting];
}

/** One filter. */
const filter = (text: string | readonly number[], options = 0): Part[] => [utf8(text), options];

const PACKETS: readonly PacketScene[] = [
  ["MQTT-3.8.1-1", "flags of the fixed header", (level) => requestFrame(level, 0x80, [], ...filter("t"))],
  subscribe("MQTT-3.8.3-2", "no Topic Filter", []),
  subscribe("MQTT-4.7.3-1", "an empty Topic Filter", filter("")),
  subscribe("MQTT-3.8.3-5", "reserved bits of the Subscription Options", filter("t", 0xc0)),
  subscribe("3.8.3.1/qos-3", "QoS 3", filter("t", 3)),
  [
    "3.8.3.1/retain-handling-3",
    "Retain Handling 3",
    (level) => requestFrame(level, SUBSCRIBE, [], ...filter("t", 0x30)),
    FIVE,
  ],
  [
    "MQTT-3.8.3-4",
    "No Local on a Shared Subscription",
    (level) => requestFrame(level, SUBSCRIBE, [], ...filter("$share/g/t", 4)),
    FIVE,
  ],
  subscribe("MQTT-1.5.4-1", "a Topic Filter that is not UTF-8", filter([0xff])),
  subscribe("MQTT-1.5.4-2", "a Topic Filter with U+0000", filter([0])),
  subscribe("MQTT-4.7.1-1", "# that is not the last level", filter("a/#/b")),
  subscribe("MQTT-4.7.1-2", "+ that is not a whole level", filter("a+")),
  subscribe("MQTT-4.8.2-1", "an empty ShareName", filter("$share//t")),
  subscribe("MQTT-4.8.2-2", "a ShareName with a wildcard, or nothing behind it", filter("$share/+/t")),
  subscribe("3.2.2.3.13/not-supported", "Shared Subscriptions are not supported", filter("$share/g/t"), {
    sharedSubscriptionAvailable: false,
  }),
  subscribe("3.2.2.3.11/not-supported", "wildcards are not supported", filter("#"), {
    wildcardSubscriptionAvailable: false,
  }),
  subscribe("3.2.2.3.12/not-supported", "Subscription Identifiers are not supported", filter("t"), {
    subscriptionIdentifiersAvailable: false,
  }, [0x0b, 1]),
  subscribe("limit/name-bytes", "a Topic Filter of more bytes than nameBytesMax", filter("x".repeat(20)), {
    limits: { nameBytesMax: 16 },
  }),
  subscribe("limit/topic-levels", "a Topic Filter of more levels than topicLevelsMax", filter("a/b/c"), {
    limits: { topicLevelsMax: 2 },
  }),
  subscribe(
    "limit/filters",
    "more Topic Filters than filtersPerPacketMax",
    [...filter("a"), ...filter("b")],
    {
      limits: { filtersPerPacketMax: 1 },
    },
  ),
  subscribe("limit/subscriptions", "more subscriptions than subscriptionsPerSessionMax", [
    ...filter("a"),
    ...filter("b"),
  ], {
    limits: { subscriptionsPerSessionMax: 1 },
  }),
  subscribe("policy/not-authorized", "a Topic Filter that may not be subscribed to", filter("t"), {
    authorize: () => 0x87,
  }),
  [
    "2.1.4/too-large",
    "more bytes than controlBytesMax",
    (level) => requestFrame(level, SUBSCRIBE, [], ...filter("x".repeat(100))),
    {
      options: { limits: { controlBytesMax: 64 } },
    },
  ],
  ["2.2.1/zero", "Packet Identifier 0", (level) => {
    const bytes = requestFrame(level, SUBSCRIBE, [], ...filter("t"));
    bytes[3] = 0;
    return bytes;
  }],
  [
    "MQTT-3.1.2-24",
    "SUBACK is above the Client's Maximum Packet Size",
    (level) => requestFrame(level, SUBSCRIBE, [], ...Array.from({ length: 200 }, () => filter("a")).flat()),
    {
      ...FIVE,
      init: { properties: { maximumPacketSize: 100 } },
    },
  ],
];

/** Of SUBSCRIBE. */
export const SUBSCRIBE_SCENES: readonly Scene[] = [
  ...laterPackets("SUBSCRIBE", PACKETS),
  {
    rule: "limit/memory",
    on: "SUBSCRIBE",
    when: "no memory for one more subscription",
    run: (stage) => {
      stage.broker({ limits: { memoryBytesMax: 1024 * 1024 } });
      const client = stage.connect();
      holdMemory(stage);
      client.write(requestFrame(stage.level, SUBSCRIBE, [], ...filter("t")));
    },
  },
  {
    rule: "limit/store",
    on: "SUBSCRIBE",
    when: "of a session that is stored, while the store fails",
    run: (stage) => {
      failingStore(stage);
      const client = stage.connect({ clientId: "kept", ...keptAt(stage.level) });
      client.write(requestFrame(stage.level, SUBSCRIBE, [], ...filter("t")));
    },
  },
];

/** Of UNSUBSCRIBE. */
export const UNSUBSCRIBE_SCENES: readonly Scene[] = laterPackets("UNSUBSCRIBE", [
  ["MQTT-3.10.1-1", "flags of the fixed header", (level) => requestFrame(level, 0xa0, [], utf8("t"))],
  ["MQTT-3.10.3-2", "no Topic Filter", (level) => requestFrame(level, UNSUBSCRIBE, [])],
  ["MQTT-4.7.3-1", "an empty Topic Filter", (level) => requestFrame(level, UNSUBSCRIBE, [], utf8(""))],
  [
    "limit/filters",
    "more Topic Filters than filtersPerPacketMax",
    (level) => requestFrame(level, UNSUBSCRIBE, [], utf8("a"), utf8("b")),
    { options: { limits: { filtersPerPacketMax: 1 } } },
  ],
  [
    "MQTT-3.1.2-24",
    "UNSUBACK is above the Client's Maximum Packet Size",
    (level) => requestFrame(level, UNSUBSCRIBE, [], ...Array.from({ length: 200 }, () => utf8("a"))),
    {
      ...FIVE,
      init: { properties: { maximumPacketSize: 100 } },
    },
  ],
]);
