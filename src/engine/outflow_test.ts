/** §3.3, §4.9 PUBLISH towards one peer: what goes, in which layout, and what does not fit. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "../codec/decode.ts";
import { encodePacket } from "../codec/encode.ts";
import type { Publish, PublishProperties } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { noStamp, publishFirst, type PublishStamp } from "../codec/publish_template.ts";
import { type PublishView, viewOf } from "../codec/publish_view.ts";
import { encode } from "../codec/encode.ts";
import { Writer } from "../codec/writer.ts";
import { SHARED_PAYLOAD_BYTES } from "../delivery/message.ts";
import { memoryPair } from "../transport/memory.ts";
import { Ages } from "./ages.ts";
import { Link } from "./link.ts";
import { BufferPool } from "./outbox.ts";
import { Outflow, type OutflowOptions } from "./outflow.ts";

const MANY = { sendLimit: 10, aliasesMax: 0, bytesMax: 1_000 };

/** One outflow, and the bytes that leave it. */
class Scene {
  readonly link: Link;
  readonly outflow: Outflow;
  /** How often the link was touched for the first time in a turn. */
  touched = 0;
  #out: number[] = [];

  constructor(options: Partial<OutflowOptions> = {}) {
    const { left } = memoryPair();
    const transport = Object.assign(Object.create(left), {
      write: (chunk: Uint8Array) => {
        this.#out.push(...chunk);
        return chunk.length;
      },
    });
    const owner = {
      pool: new BufferPool(),
      ledger: { outgoing: 0, incoming: 0, aliases: 0, isAbove: false },
      writer: new Writer(),
      encode,
      makeAges: () => new Ages(),
      now: 0,
      touched: () => void this.touched++,
      mayWrite: true,
      wrote: () => {},
      answered: () => {},
    };
    const handler = { flushed: () => {}, answersUnread: () => {}, unsafe: () => {} };
    this.link = new Link(transport, 1_000, owner, handler);
    this.link.level = 5;
    this.outflow = new Outflow(this.link, { ...MANY, ...options });
  }

  /** Writes a message at QoS 1 under identifier 9. */
  write(view: PublishView, topic: string, isOwned = false): boolean {
    return this.outflow.write(view, topic, stampOf(), isOwned);
  }

  /** The packet that was written, alone. */
  take(): Publish {
    return decodePacket(this.takeBytes(), 5) as Publish;
  }

  takeBytes(): Uint8Array {
    this.link.flush();
    return Uint8Array.from(this.#out.splice(0));
  }
}

function stampOf(given: Partial<PublishStamp> = {}): PublishStamp {
  return Object.assign(noStamp(), { first: publishFirst(1, false, false), packetId: 9 }, given);
}

function messageOf(topic: string, payload = "", properties?: PublishProperties): PublishView {
  const packet: Publish = {
    type: PacketType.PUBLISH,
    dup: false,
    qos: 1,
    retain: true,
    topic,
    packetId: 1,
    payload: new TextEncoder().encode(payload),
    ...(properties && { properties }),
  };
  return viewOf(encodePacket(packet, 5), true);
}

/** Topic and alias of a packet. */
function named({ topic, properties }: Publish): [string, number | undefined] {
  return [topic, properties?.topicAlias];
}

describe("write()", () => {
  test("passes a message on with the flags and the identifier of the stamp, and has the link flushed", () => {
    for (const isOwned of [false, true]) {
      const scene = new Scene();
      assertEquals(scene.write(messageOf("t", "text", { contentType: "c" }), "t", isOwned), true);
      assertEquals(scene.touched, 1);
      const { qos, retain, packetId, topic, payload, properties } = scene.take();
      assertEquals([qos, retain, packetId, topic, properties], [1, false, 9, "t", { contentType: "c" }]);
      assertEquals(new TextDecoder().decode(payload), "text");
    }
  });

  test("in another layout: with Subscription Identifiers, and below level 5", () => {
    const scene = new Scene();
    scene.outflow.write(messageOf("t", "text"), "t", stampOf({ subscriptionIdentifiers: [7] }), false);
    const { topic, packetId, properties, payload } = scene.take();
    assertEquals([topic, packetId, properties?.subscriptionIdentifiers], ["t", 9, [7]]);
    assertEquals(new TextDecoder().decode(payload), "text");
    scene.outflow.write(messageOf("t", "x"), "t", stampOf({ level5: false }), false);
    assertEquals([...scene.takeBytes()], [0x32, 6, 0, 1, 0x74, 0, 9, 0x78]);
  });

  test("a large payload is passed on whole, and copied unless its bytes stay", () => {
    for (const length of [SHARED_PAYLOAD_BYTES - 1, SHARED_PAYLOAD_BYTES]) {
      for (const isOwned of [false, true]) {
        const scene = new Scene();
        const view = messageOf("t", "x".repeat(length));
        scene.write(view, "t", isOwned);
        view.bytes.fill(0x79, view.payloadAt);
        const isShared = isOwned && length >= SHARED_PAYLOAD_BYTES;
        const { payload } = scene.take();
        assertEquals([payload.length, payload[0]], [length, isShared ? 0x79 : 0x78]);
      }
    }
  });

  test("[MQTT-3.1.2-24] writes nothing that is larger than the Maximum Packet Size", () => {
    for (const identifiers of [[], [7]]) {
      const scene = new Scene();
      const view = messageOf("t", "text");
      const size = view.end - view.at + 2 * identifiers.length;
      const write = () =>
        scene.outflow.write(view, "t", stampOf({ subscriptionIdentifiers: identifiers }), false);
      scene.link.maximumPacketSize = size - 1;
      assertEquals([write(), scene.touched], [false, 0]);
      scene.link.maximumPacketSize = size;
      assertEquals(write(), true);
      assertEquals(scene.takeBytes().length, size);
    }
  });
});

describe("Topic Aliases towards the peer", () => {
  test("[MQTT-3.1.2-27] [MQTT-3.3.2-7] there are none where the peer allows none", () => {
    const scene = new Scene();
    assertEquals(scene.outflow.usesAliases, false);
    for (let i = 0; i < 2; i++) {
      scene.write(messageOf("t"), "t");
      assertEquals(named(scene.take()), ["t", undefined]);
    }
  });

  test("[MQTT-3.1.2-26] [MQTT-3.3.2-11] the topics that come first have them, and are named once", () => {
    const scene = new Scene({ aliasesMax: 2 });
    assertEquals(scene.outflow.usesAliases, true);
    const sent = ["a", "b", "c", "a", "b", "c"].map((topic) => {
      scene.write(messageOf(topic), topic);
      return named(scene.take());
    });
    assertEquals(sent, [["a", 1], ["b", 2], ["c", undefined], ["", 1], ["", 2], ["c", undefined]]);
  });

  test("[MQTT-3.1.2-24] a message that fits only without one goes without one, and sets none", () => {
    const scene = new Scene({ aliasesMax: 1 });
    const view = messageOf("t", "text");
    scene.link.maximumPacketSize = view.end - view.at;
    scene.write(view, "t");
    assertEquals(named(scene.take()), ["t", undefined]);
    scene.link.maximumPacketSize = view.end - view.at + 3;
    scene.write(view, "t");
    assertEquals(named(scene.take()), ["t", 1]);
    scene.link.maximumPacketSize = view.end - view.at + 2; // the alias takes three, the name goes
    scene.write(view, "t");
    assertEquals(named(scene.take()), ["", 1]);
  });

  test("[MQTT-3.1.2-24] in another layout it goes without one and by its name, whether the peer knows the alias or not", () => {
    const scene = new Scene({ aliasesMax: 1 });
    const view = messageOf("t", "text");
    const size = view.end - view.at + 2;
    const write = () => {
      scene.outflow.write(view, "t", stampOf({ subscriptionIdentifiers: [7] }), false);
      return named(scene.take());
    };
    scene.link.maximumPacketSize = size;
    assertEquals(write(), ["t", undefined]);
    scene.link.maximumPacketSize = size + 3;
    assertEquals(write(), ["t", 1]);
    scene.link.maximumPacketSize = size + 1; // the alias takes three, the name one
    assertEquals(write(), ["t", undefined]);
    scene.link.maximumPacketSize = size + 2;
    assertEquals(write(), ["", 1]);
  });

  test("[MQTT-3.1.2-24] one that does not fit at all sets none", () => {
    const scene = new Scene({ aliasesMax: 1 });
    const view = messageOf("t", "text");
    scene.link.maximumPacketSize = view.end - view.at - 1;
    assertEquals(scene.write(view, "t"), false);
    scene.link.maximumPacketSize = Infinity;
    scene.write(messageOf("u"), "u");
    assertEquals(named(scene.take()), ["u", 1]);
  });
});

test("an outflow is full when more bytes wait than may", () => {
  const scene = new Scene({ bytesMax: 16 });
  scene.write(messageOf("t"), "t"); // 8 bytes
  scene.write(messageOf("t"), "t");
  assertEquals([scene.outflow.outbox.size, scene.outflow.isFull], [16, false]);
  scene.link.answer(0x40, 1, 0);
  assertEquals(scene.outflow.isFull, true);
  scene.takeBytes();
  assertEquals(scene.outflow.isFull, false);
});
