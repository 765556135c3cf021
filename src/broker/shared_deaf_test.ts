/** §4.8.2 Groups without room: they are left out of what they could not take, and no longer than that. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { PacketType } from "../codec/packet_type.ts";
import { Pair, type StubClient } from "../testing/pair.ts";
import { parseFilter, type TopicFilter } from "../topic/filter.ts";
import type { Subscription } from "./session.ts";
import { SharedGroup } from "./shared.ts";

const { PUBACK } = PacketType;
const SHARE = "$share/g/a";

/** One group; of what is published to it, the Reason Code of each PUBACK. */
class Scene {
  readonly pair: Pair;
  readonly publisher: StubClient;
  #id = 0;

  constructor(limits: Record<string, number>) {
    this.pair = new Pair({ limits });
    this.publisher = this.pair.connect({ clientId: "publisher" });
  }

  join(clientId: string, qos: 0 | 1, receiveMaximum = 1): StubClient {
    const member = this.pair.connect({
      clientId,
      cleanStart: false,
      properties: { sessionExpiryInterval: 600, receiveMaximum },
    });
    member.subscribe({ filter: SHARE, qos });
    return member;
  }

  publish(payload: string, messageExpiryInterval?: number): number {
    this.publisher.publish({
      topic: "a",
      qos: 1,
      packetId: ++this.#id,
      payload,
      properties: messageExpiryInterval === undefined ? {} : { messageExpiryInterval },
    });
    return this.publisher.take(PUBACK).reasonCode;
  }
}

describe("a group in which nobody has room", () => {
  test("[limit/queue] its publisher is told each time, and what it refused does not come later", () => {
    const scene = new Scene({ queuedMessagesMax: 2 });
    const member = scene.join("m", 1);
    member.lose();
    assertEquals(["1", "2", "3", "4", "5"].map((text) => scene.publish(text)), [0, 0, 0x97, 0x97, 0x97]);
    assertEquals(scene.pair.broker.stats.dropped, 3);
    assertEquals(scene.join("m", 1, 10).takeTexts(), ["1", "2"]);
    assertEquals(scene.publish("6"), 0);
  });

  test("takes messages again when a connected member has acknowledged one", () => {
    const scene = new Scene({ queuedMessagesMax: 1 });
    const away = scene.join("away", 1);
    away.lose();
    const member = scene.join("m", 1);
    assertEquals(["1", "2", "3"].map((text) => scene.publish(text)), [0, 0, 0]); // in flight, waits, waits for the other
    member.takeTexts();
    member.acknowledge(PUBACK, 1);
    assertEquals(member.takeTexts(), ["2"]);
    assertEquals(scene.publish("4"), 0);
  });

  test("[MQTT-3.3.2-5] takes messages again when those that wait have expired, though all members are away", () => {
    const scene = new Scene({ queuedMessagesMax: 2 });
    scene.join("m", 1).lose();
    assertEquals(["1", "2"].map((text) => scene.publish(text, 5)), [0, 0]);
    assertEquals(["3", "4"].map((text) => scene.publish(text)), [0x97, 0x97]);
    scene.pair.advance(6_000);
    assertEquals(["5", "6", "7"].map((text) => scene.publish(text)), [0, 0, 0x97]);
    assertEquals(scene.join("m", 1, 10).takeTexts(), ["5", "6"]);
  });

  test("takes a small message where a large one found no room", () => {
    const scene = new Scene({ queuedBytesMax: 5_000 });
    scene.join("m", 1).lose();
    assertEquals(scene.publish("x".repeat(2_000)), 0);
    assertEquals(scene.publish("x".repeat(2_000)), 0x97);
    assertEquals(scene.publish("small"), 0);
    assertEquals(scene.join("m", 1, 10).takeTexts().at(-1), "small");
  });

  test("takes messages again when a member joins", () => {
    const scene = new Scene({ queuedMessagesMax: 1 });
    scene.join("m", 1).lose();
    assertEquals(["1", "2"].map((text) => scene.publish(text)), [0, 0x97]);
    const other = scene.join("n", 1, 10);
    other.takeTexts();
    assertEquals(scene.publish("3"), 0);
    assertEquals(other.takeTexts(), ["3"]);
  });
});

describe("a group of members that are granted QoS 0", () => {
  test("is not asked for a message of QoS 1 while all are away", () => {
    const group = new SharedGroup(parseFilter(SHARE) as TopicFilter, () => {});
    const memberOf = (qos: number, isConnected: boolean): Subscription => {
      const session = { connection: isConnected ? {} : undefined, persists: true, ended: false };
      return { session, qos } as unknown as Subscription;
    };
    const away = memberOf(0, false);
    group.join(away);
    assertEquals(group.isHearing, false);
    group.connected(away);
    assertEquals(group.isHearing, true);
    group.disconnected(away);
    assertEquals(group.isHearing, false);
    group.join(memberOf(1, false));
    assertEquals(group.isHearing, true);
  });

  test("[MQTT-4.8.2-3] takes nothing while they are away, and takes turns again when they return", () => {
    const scene = new Scene({});
    scene.join("m", 0).lose();
    assertEquals(["1", "2"].map((text) => scene.publish(text)), [0, 0]);
    const back = scene.join("m", 0);
    assertEquals(scene.publish("3"), 0);
    assertEquals(back.takeTexts(), ["3"]);
  });

  test("[MQTT-3.8.4-3] keeps messages from the moment on in which QoS 1 is granted", () => {
    const scene = new Scene({ queuedMessagesMax: 5 });
    const member = scene.join("m", 0);
    member.lose();
    scene.publish("1");
    scene.join("m", 1).lose();
    scene.publish("2");
    assertEquals(scene.join("m", 1, 10).takeTexts(), ["2"]);
  });
});
