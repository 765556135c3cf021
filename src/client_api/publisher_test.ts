/**
 * The Client that only publishes, against our broker and against a Server that does what the test says.
 * @module
 */
import { assertEquals, assertRejects } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import { UsageError } from "../codec/error.ts";
import type { Packet } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { serve } from "../server/serve.ts";
import { testBroker } from "../test_broker/mod.ts";
import { Script } from "../testing/client_world.ts";
import { patient } from "../testing/patience.ts";
import { memoryPair } from "../transport/memory.ts";
import { connectPublisher, type Publisher, PublisherError, type PublisherOptions } from "./publisher.ts";

const payload = "21.5";

/** A publisher, the Server it talks to, whose CONNACK is this or these bytes, and the hand that moves their bytes. */
async function scripted(
  init: Partial<Extract<Packet, { type: typeof PacketType.CONNACK }>> | Uint8Array,
  chunkBytes?: (waiting: number) => number,
): Promise<{ publisher: Publisher; script: Script; move: () => void }> {
  const script = new Script();
  const pair = memoryPair(chunkBytes === undefined ? {} : { chunkBytes });
  script.accept(pair.left);
  const accepted = connectPublisher("memory://test", {
    keepAlive: 0,
    dial: () => Promise.resolve(pair.right),
  });
  accepted.catch(() => {});
  await Promise.resolve();
  await Promise.resolve();
  pair.deliver();
  if (init instanceof Uint8Array) script.send(init);
  else script.connack(init);
  pair.deliver();
  return { publisher: await accepted, script, move: () => void pair.deliver() };
}

describe("A publisher", () => {
  for (const qos of [0, 1] as const) {
    test(`publishes at QoS ${qos} what others get, with its properties`, patient, async () => {
      await using broker = testBroker();
      const reader = await broker.connect();
      const readings = await reader.subscribe("home/+/temperature", { qos: 1 });
      const device = await connectPublisher("memory://test", { clientId: "thermometer", dial: broker.dial });
      const code = await device.publish("home/kitchen/temperature", payload, {
        qos,
        contentType: "text/plain",
        messageExpiryInterval: 60,
        userProperties: [["unit", "°C"], ["unit", "C"]],
      });
      assertEquals(code, 0);
      for await (const { topic, bytes, qos: came, properties } of readings) {
        assertEquals([topic, new TextDecoder().decode(bytes), came], [
          "home/kitchen/temperature",
          payload,
          qos,
        ]);
        assertEquals(properties.contentType, "text/plain");
        assertEquals(properties.messageExpiryInterval, 60);
        assertEquals(properties.userProperties, [["unit", "°C"], ["unit", "C"]]);
        break;
      }
      device.close();
      assertEquals((await device.closed).message, "Closed");
    });
  }

  test("publishes by the WebSocket object, with credentials", patient, async () => {
    const seen: (string | undefined)[] = [];
    const server = await serve({
      listen: ["ws://127.0.0.1:0"],
      authenticate: ({ username, password }) => {
        seen.push(username, new TextDecoder().decode(password));
        return { code: 0 };
      },
    });
    try {
      const options: PublisherOptions = { username: "pump", password: new TextEncoder().encode("secret") };
      const device = await connectPublisher(server.addresses[0]!, options);
      assertEquals(await device.publish("a", payload, { qos: 1 }), 0x10); // nobody subscribes
      assertEquals(seen, ["pump", "secret"]);
      device.close();
    } finally {
      await server.close();
    }
  });

  test("has a Will, which is published when it is lost and not when it closes", async () => {
    await using broker = testBroker();
    const wills: string[] = [];
    broker.tap("will", ({ topic }) => wills.push(topic));
    const will = { topic: "will", payload: "gone", qos: 1 } as const;
    const device = await connectPublisher("memory://test", { will, dial: broker.dial });
    device.close();
    await broker.settle();
    assertEquals(wills, []);
    const other = await connectPublisher("memory://test", { will, dial: broker.dial });
    broker.cut();
    await broker.settle();
    assertEquals((await other.closed).message, "The connection is lost");
    assertEquals(wills, ["will"]);
  });

  test("[MQTT-4.9.0-2] sends no more at QoS 1 than Receive Maximum allows", async () => {
    const { publisher, script, move } = await scripted({ properties: { receiveMaximum: 2 } });
    const codes = [1, 2, 3].map((i) => publisher.publish("a", `${i}`, { qos: 1 }));
    await publisher.publish("a", "quick");
    move();
    assertEquals(script.takeTypes(), [3, 3, 3]);
    script.send({ type: PacketType.PUBACK, packetId: 1, reasonCode: 0x10 });
    move();
    assertEquals(script.take(PacketType.PUBLISH).packetId, 3);
    script.send({ type: PacketType.PUBACK, packetId: 3, reasonCode: 0 });
    script.send({ type: PacketType.PUBACK, packetId: 2, reasonCode: 0x87 });
    move();
    assertEquals([await codes[0], await codes[2]], [0x10, 0]);
    const error = await assertRejects(() => codes[1]!, PublisherError, "PUBACK 0x87");
    assertEquals(error.reasonCode, 0x87);
  });

  test("keeps to what CONNACK says, whatever else is in it, cut at every byte", async () => {
    const { publisher } = await scripted({
      properties: {
        sessionExpiryInterval: 1,
        assignedClientIdentifier: "x",
        userProperties: [["a", "b"], ["c", "d"]],
        reasonString: "welcome",
        maximumQos: 0,
        retainAvailable: false,
        maximumPacketSize: 20,
        topicAliasMaximum: 5,
        wildcardSubscriptionAvailable: false,
        responseInformation: "r",
        serverReference: "s",
      },
    }, () => 1);
    for (
      const [message, code] of [
        [{ qos: 1 }, 0x9b],
        [{ retain: true }, 0x9a],
        [{ contentType: "a".repeat(20) }, 0x95],
      ] as const
    ) {
      const error = await assertRejects(() => publisher.publish("a", payload, message), PublisherError);
      assertEquals(error.reasonCode, code);
    }
    assertEquals(await publisher.publish("a", payload), 0);
  });

  test("[MQTT-3.3.2-2] publishes to no Topic Filter", async () => {
    const { publisher } = await scripted({});
    for (const topic of ["", "a/+", "#"]) {
      await assertRejects(() => publisher.publish(topic, payload), UsageError);
    }
  });

  test(
    "[MQTT-2.2.1-3] goes round its Packet Identifiers, and gives none twice that is open",
    patient,
    async () => {
      const { publisher, script, move } = await scripted({});
      const next = () => {
        const ended = publisher.publish("a", payload, { qos: 1 });
        move();
        return { ended, packetId: script.take(PacketType.PUBLISH).packetId! };
      };
      const open = next();
      for (let packetId = 2; packetId <= 65_537; packetId++) {
        const one = next();
        assertEquals(one.packetId, packetId <= 65_535 ? packetId : packetId - 65_534);
        script.send({ type: PacketType.PUBACK, packetId: one.packetId, reasonCode: 0 });
        move();
        assertEquals(await one.ended, 0);
      }
      assertEquals(open.packetId, 1);
      publisher.close();
      await assertRejects(() => open.ended, PublisherError);
    },
  );

  test("ends when the Server breaks the standard, and tells the Server", async () => {
    for (
      const [bytes, code] of [
        [encodePacket({ type: PacketType.PUBACK, packetId: 9, reasonCode: 0 }, 5), 0x82],
        [new Uint8Array([0xd0, 0xff, 0xff, 0xff, 0xff, 1]), 0x81],
        [new Uint8Array([0x40, 0x80, 0x80, 0x80, 0x01]), 0x95],
        [new Uint8Array([0x30, 3, 0, 1, 97]), 0x82],
      ] as const
    ) {
      const { publisher, script, move } = await scripted({});
      const pending = publisher.publish("a", payload, { qos: 1 });
      pending.catch(() => {});
      script.send(bytes);
      move();
      assertEquals((await publisher.closed).reasonCode, code);
      assertEquals(script.take(PacketType.DISCONNECT).reasonCode, code);
      await assertRejects(() => pending, PublisherError);
      await assertRejects(() => publisher.publish("a", payload), PublisherError);
    }
  });

  test("rejects when the Server refuses, and when it leaves", async () => {
    await assertRejects(() => scripted({ reasonCode: 0x87 }), PublisherError, "CONNACK 0x87");
    const below5 = new Uint8Array([0x20, 2, 0, 1]);
    await assertRejects(() => scripted(below5), PublisherError, "CONNACK 0x1");
    const cut = new Uint8Array([0x20, 5, 0, 0, 2, 0x27, 0]);
    await assertRejects(() => scripted(cut), PublisherError, "0x81");
    const { publisher, script, move } = await scripted({});
    script.send({ type: PacketType.DISCONNECT, reasonCode: 0x8b });
    move();
    assertEquals((await publisher.closed).reasonCode, 0x8b);
  });
});
