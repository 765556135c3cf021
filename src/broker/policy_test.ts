/** What holds for the connections of one listener and not for those of another. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { UsageError } from "../codec/error.ts";
import { PacketType } from "../codec/packet_type.ts";
import { assertEnded, assertNotAccepted } from "../testing/assertions.ts";
import { Pair } from "../testing/pair.ts";
import { Broker, type LimitName, LIMITS } from "./mod.ts";

describe("a policy", () => {
  test("puts its values over those of the broker, and leaves the others", () => {
    const broker = new Broker({ limits: { packetBytesMax: 1_000, inFlightMax: 7 }, maximumQos: 1 });
    const policy = broker.policy({ limits: { packetBytesMax: 2_000 }, retainAvailable: false });
    const { limits, maximumQos, retainAvailable, sharedSubscriptionAvailable } = policy;
    assertEquals([limits.packetBytesMax, limits.inFlightMax, maximumQos], [2_000, 7, 1]);
    assertEquals([retainAvailable, sharedSubscriptionAvailable], [false, true]);
    assertEquals(broker.policy({}).limits.packetBytesMax, 1_000);
  });

  test("may not have a limit of the whole broker, nor one that is out of range or does not exist", () => {
    const broker = new Broker();
    for (const [name, { scope, least, most, default: value }] of Object.entries(LIMITS)) {
      broker.policy({ limits: { [name]: value } }); // the same is no other one
      if (scope !== "broker") broker.policy({ limits: { [name]: least } });
      else assertThrows(() => broker.policy({ limits: { [name]: least } }), UsageError, name);
      assertThrows(() => broker.policy({ limits: { [name]: most + 1 } }), UsageError, name);
    }
    const unknown = { packetByteMax: 1 } as Partial<Record<LimitName, number>>;
    assertThrows(() => broker.policy({ limits: unknown }), UsageError, "packetByteMax");
  });

  test("holds for the connections that come under it: authenticator, authorizer, features, limits", () => {
    const pair = new Pair();
    const strict = pair.broker.policy({
      authenticate: ({ username }) => ({ code: username === "ann" ? 0 : 0x86 }),
      authorize: ({ topic }) => topic.startsWith("ann/") ? 0 : 0x87,
      maximumQos: 1,
      wildcardSubscriptionAvailable: false,
      limits: { packetBytesMax: 200, receiveMaximum: 3, subscriptionsPerSessionMax: 2 },
    });
    const free = pair.connect({ clientId: "free" });
    assertEquals([...free.subscribe("#", "ann/x", "c")], [2, 2, 2]);
    const refused = pair.open(5, {}, {}, strict);
    refused.connect({ clientId: "bob" });
    assertNotAccepted(refused, 0x86, "policy/bad-credentials");
    const ann = pair.open(5, {}, {}, strict);
    ann.connect({ clientId: "ann", username: "ann" });
    const { properties } = ann.take(PacketType.CONNACK);
    assertEquals([properties?.maximumQos, properties?.receiveMaximum, properties?.maximumPacketSize], [
      1,
      3,
      200,
    ]);
    assertEquals(properties?.wildcardSubscriptionAvailable, false);
    assertEquals([...ann.subscribe("ann/a", "bob/a", "ann/+", "ann/b", "ann/c")], [1, 0x87, 0xa2, 1, 0x97]);
    ann.publish({ topic: "bob/a", qos: 1 });
    assertEquals(ann.take(PacketType.PUBACK).reasonCode, 0x87);
    ann.publish({ topic: "ann/z", qos: 1, payload: "z" });
    assertEquals([ann.take(PacketType.PUBACK).reasonCode, free.takeTexts()], [0, ["z"]]);
    free.publish({ topic: "free", qos: 2, payload: new Uint8Array(1_000) });
    free.take(PacketType.PUBREC);
    ann.publish({ topic: "ann/z", payload: new Uint8Array(1_000) });
    assertEnded(ann, 0x95, "2.1.4/too-large");
  });

  test("of the connection that a session had last holds for its queue", () => {
    const pair = new Pair();
    const small = pair.broker.policy({ limits: { queuedMessagesMax: 2 } });
    const kept = { clientId: "kept", cleanStart: false, properties: { sessionExpiryInterval: 60 } };
    const client = pair.open(5, {}, {}, small);
    client.connect(kept);
    client.subscribe("t");
    client.lose();
    for (let i = 0; i < 3; i++) pair.broker.publish({ topic: "t", qos: 1, payload: `${i}` }, pair.now);
    assertEquals(pair.broker.session("kept")?.queued, 2);
    const again = pair.connect(kept);
    assertEquals(again.takeTexts(), ["0", "1"]);
    again.lose();
    for (let i = 0; i < 3; i++) pair.broker.publish({ topic: "t", qos: 1, payload: "" }, pair.now);
    assertEquals(pair.broker.session("kept")?.queued, 3);
  });
});
