/**
 * §4.2 §6 A Client that stops reading costs no more than its budget, by whatever way it comes, and misses nothing but what was dropped.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket, Deframer, encodePacket, type Packet, PacketType } from "../codec/mod.ts";
import { dial } from "../runtime/dial.ts";
import { patient, until } from "../testing/patience.ts";
import { CA, CERT, KEY } from "../testing/tls.ts";
import type { Transport } from "../transport/transport.ts";
import { serve } from "./serve.ts";

const BUDGET_BYTES = 1024 * 1024;
/** Buffers have twice the bytes that they need at most, and the batch that passes the bound goes in whole. */
const HELD_BYTES_MAX = 2 * BUDGET_BYTES + 512 * 1024;
const PAYLOAD_BYTES = 4 * 1024;
const BATCH = 16;
/** More than a few, so that what is held has been at its bound for a while. */
const DROPPED = 500;

/** One end of a connection at level 4: the packets that came, and what could not be sent yet. */
class Peer {
  readonly packets: Packet[] = [];
  readonly transport: Transport;
  #unsent: Uint8Array = new Uint8Array();

  constructor(transport: Transport) {
    this.transport = transport;
    const deframer = new Deframer(Infinity);
    transport.start({
      received: (chunk) =>
        deframer.receive(chunk, {
          frame: (bytes, at, _body, end) => {
            this.packets.push(decodePacket(bytes.slice(at, end), 4));
            return true;
          },
        }),
      drained: () => this.#flush(),
      closed() {},
    });
  }

  send(...packets: readonly Packet[]): void {
    const parts = [this.#unsent, ...packets.map((packet) => encodePacket(packet, 4))];
    this.#unsent = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      this.#unsent.set(part, at);
      at += part.length;
    }
    this.#flush();
  }

  #flush(): void {
    if (this.#unsent.length > 0) this.#unsent = this.#unsent.subarray(this.transport.write(this.#unsent));
  }

  /** Waits for a packet of that type, which it takes. */
  async take(type: PacketType): Promise<void> {
    const find = () => this.packets.findIndex((packet) => packet.type === type);
    await until(() => find() >= 0, `a packet of type ${type}`);
    this.packets.splice(find(), 1);
  }
}

const WAYS = { TCP: "mqtt", TLS: "mqtts", WebSocket: "ws", "WebSocket and TLS": "wss" } as const;

describe("a subscriber that stops reading", () => {
  for (const [way, scheme] of Object.entries(WAYS)) {
    test(
      `holds no more than outboundBytesMax over ${way}, and reads on where it stopped`,
      patient,
      async () => {
        const server = await serve({
          listen: [`${scheme}://127.0.0.1:0`],
          tls: { cert: CERT, key: KEY },
          limits: { outboundBytesMax: BUDGET_BYTES },
        });
        const { broker } = server;
        const port = Number(new URL(server.addresses[0]!).port);
        const peers: Peer[] = [];
        const join = async (clientId: string): Promise<Peer> => {
          const tls = scheme === "mqtts" || scheme === "wss" ? { ca: CA } : undefined;
          const webSocket = scheme === "ws" || scheme === "wss" ? {} : undefined;
          const peer = new Peer(await dial({ host: "127.0.0.1", port }, tls, webSocket));
          peers.push(peer);
          peer.send({ type: PacketType.CONNECT, level: 4, cleanStart: true, keepAlive: 0, clientId });
          await peer.take(PacketType.CONNACK);
          return peer;
        };
        try {
          const [reader, writer] = [await join("reader"), await join("writer")];
          const options = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
          reader.send({
            type: PacketType.SUBSCRIBE,
            packetId: 1,
            subscriptions: [{ filter: "t", ...options }],
          });
          await reader.take(PacketType.SUBACK);
          let sent = 0;
          /** So many, and all of them have been passed on or dropped. */
          const publish = async (count: number): Promise<void> => {
            const messages = Array.from({ length: count }, (): Packet => {
              const payload = new Uint8Array(PAYLOAD_BYTES);
              new DataView(payload.buffer).setUint32(0, sent++);
              return { type: PacketType.PUBLISH, dup: false, retain: false, qos: 0, topic: "t", payload };
            });
            writer.send(...messages, { type: PacketType.PINGREQ });
            await writer.take(PacketType.PINGRESP);
          };
          const heard = () =>
            reader.packets.map((packet) => {
              const { payload } = packet as Packet & { readonly payload: Uint8Array };
              assertEquals(payload.length, PAYLOAD_BYTES);
              return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
            });

          reader.transport.pause();
          const before = broker.stats.memory;
          let most = 0;
          while (broker.stats.dropped < DROPPED) {
            await publish(BATCH);
            most = Math.max(most, broker.stats.memory.outgoing - before.outgoing);
          }
          assert(most <= HELD_BYTES_MAX, `${most} bytes are held for it`);
          assertEquals(broker.stats.memory.payloads, 0);
          assert(broker.stats.memory.incoming <= 64 * 1024, `${broker.stats.memory.incoming} bytes came`);

          reader.transport.resume();
          while (heard().at(-1) !== sent - 1) await publish(1);
          const numbers = heard();
          const gap = numbers.findIndex((number, i) => number !== i);
          assert(gap > BUDGET_BYTES / (2 * PAYLOAD_BYTES), `the first is missing at ${gap}`);
          assertEquals(numbers.filter((number, i) => i > 0 && number <= numbers[i - 1]!), []);
          assertEquals(numbers.length + broker.stats.dropped, sent);
        } finally {
          for (const { transport } of peers) transport.abort();
          await server.close();
        }
      },
    );
  }
});
