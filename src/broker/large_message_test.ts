/** §3.3.3 A large payload is held once, however many receive it and however slowly they read. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import type { Packet } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { Transport } from "../transport/transport.ts";
import { Broker, type Connection } from "./mod.ts";

const PAYLOAD_BYTES = 1024 * 1024;
const RECEIVERS = 100;
const NOW = 1_700_000_000_000;
const PEER = { address: "192.0.2.1", port: 1, transport: "memory" } as const;
const OPTIONS = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;

/** Takes so many bytes of each write, and remembers which buffers they stand in. */
class Slow implements Transport {
  readonly label = "slow";
  readonly buffers: Set<ArrayBufferLike> = new Set();
  taken = 0;
  most = 0;

  start(): void {}

  write(chunk: Uint8Array): number {
    if (chunk.length > 16 * 1024) this.buffers.add(chunk.buffer);
    const taken = Math.min(chunk.length, this.most);
    this.taken += taken;
    return taken;
  }

  pause(): void {}
  resume(): void {}
  close(): void {}
  abort(): void {}
}

interface Receiver {
  readonly connection: Connection;
  readonly transport: Slow;
}

/** Clients of all kinds: each level, sessions that stay and that do not, with an identifier and without. */
function scene(qos: 0 | 1): { broker: Broker; receivers: Receiver[] } {
  const broker = new Broker();
  const receivers = Array.from({ length: RECEIVERS }, (_, i) => {
    const transport = new Slow();
    transport.most = 1000;
    const connection = broker.opened(transport, PEER, NOW);
    const level = i % 3 === 0 ? 4 : 5;
    const cleanStart = i % 2 === 0;
    const properties = level === 5 && !cleanStart ? { properties: { sessionExpiryInterval: 60 } } : {};
    const send = (packet: Packet) => connection.received(encodePacket(packet, level), NOW);
    send({ type: PacketType.CONNECT, level, cleanStart, keepAlive: 0, clientId: `c${i}`, ...properties });
    send({
      type: PacketType.SUBSCRIBE,
      packetId: 1,
      subscriptions: [{ filter: "large", qos, ...OPTIONS }],
      ...(level === 5 && i % 5 === 0 && { properties: { subscriptionIdentifier: 7 } }),
    });
    broker.flush(NOW);
    transport.most = transport.taken = 0;
    return { connection, transport };
  });
  return { broker, receivers };
}

describe("a payload of a megabyte to a hundred Clients that do not read", () => {
  for (const qos of [0, 1] as const) {
    for (const retain of [false, true]) {
      test(`stands in one buffer for all of them, QoS ${qos}${retain ? ", retained" : ""}`, () => {
        const { broker, receivers } = scene(qos);
        broker.publish({ topic: "large", payload: new Uint8Array(PAYLOAD_BYTES), qos, retain }, NOW);
        broker.flush(NOW);
        const buffers = new Set<ArrayBufferLike>();
        let heads = 0;
        for (const { connection, transport } of receivers) {
          assert(connection.stats.waitingBytes > PAYLOAD_BYTES, "it waits");
          transport.most = 100_000; // what is taken in parts stays shared
          for (let part = 0; part < 3; part++) {
            connection.drained(NOW);
            broker.flush(NOW);
          }
          assert(transport.taken > 100_000);
          heads += connection.stats.waitingBytes + transport.taken - PAYLOAD_BYTES;
          transport.buffers.forEach((buffer) => buffers.add(buffer));
        }
        assertEquals(buffers.size, 1);
        assert(heads <= RECEIVERS * 40, `${heads} bytes beside it`);
        for (const { connection, transport } of receivers) {
          transport.most = Infinity;
          connection.drained(NOW);
          broker.flush(NOW);
          assertEquals(connection.stats.waitingBytes, 0);
        }
      });
    }
  }

  test("so does one that is retained, for who subscribes later", () => {
    const { broker, receivers } = scene(0);
    const topic = "other";
    broker.publish({ topic, payload: new Uint8Array(PAYLOAD_BYTES), retain: true }, NOW);
    const buffers = new Set<ArrayBufferLike>();
    for (const { connection, transport } of receivers) {
      const subscriptions = [{ filter: topic, qos: 0 as const, ...OPTIONS }];
      connection.received(
        encodePacket({ type: PacketType.SUBSCRIBE, packetId: 2, subscriptions }, connection.client!.level),
        NOW,
      );
      transport.most = 100;
      while (broker.work !== "none") broker.flush(NOW);
      connection.drained(NOW);
      assert(connection.stats.waitingBytes > PAYLOAD_BYTES / 2);
      transport.buffers.forEach((buffer) => buffers.add(buffer));
    }
    assertEquals(buffers.size, 1);
  });
});
