/** A broker and Clients of it on three nodes of a simulated network: the engine runs over the bus as over a socket. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { Broker } from "../broker/mod.ts";
import { Deframer } from "../codec/deframer.ts";
import { decodePacket } from "../codec/decode.ts";
import { encodePacket } from "../codec/encode.ts";
import type { Packet } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { seededRandom } from "../engine/random.ts";
import { Driver } from "../server/driver.ts";
import type { Transport } from "../transport/transport.ts";
import { acceptBus, dialBus } from "./bus_dial.ts";
import { CLUSTER } from "./limits.ts";
import { MemoryNetwork, type MemoryNode } from "./memory/network.ts";
import { Schedule } from "./memory/schedule.ts";

const { CONNECT, SUBSCRIBE, PUBLISH, PUBACK } = PacketType;

/** A Client on a node. */
interface Client {
  readonly inbox: Packet[];
  readonly send: (packet: Packet) => void;
  closes: number;
}

describe("a broker behind a bus", () => {
  test("serves Clients of other nodes, and ends their connections when a node is gone", () => {
    const net = new MemoryNetwork(new Schedule(), seededRandom(9));
    net.faults.delayMs = [1, 20];
    const home = net.node("home");
    const broker = new Broker();
    const driver = new Driver(broker, home.clock);
    acceptBus({
      bus: home.bus,
      clock: home.clock,
      at: "door.home",
      label: "bus",
      accepted: (transport, head) => {
        const address = new TextDecoder().decode(head);
        driver.accept(transport, { address, port: 1, transport: "tcp" });
      },
    });
    net.schedule.pass(100);
    const client = (node: MemoryNode): Client => {
      let link: Transport | Error | undefined;
      const { bus, clock, name } = node;
      const head = new TextEncoder().encode("192.0.2.7");
      dialBus({ bus, clock, at: "door.home", id: name, label: "bus", head, dialled: (it) => link = it });
      net.schedule.pass(500);
      assert(link !== undefined && !(link instanceof Error), String(link));
      const transport = link;
      const deframer = new Deframer(Infinity);
      const inbox: Packet[] = [];
      const made: Client = {
        inbox,
        send: (packet) => {
          const bytes = encodePacket(packet, 5);
          assertEquals(transport.write(bytes), bytes.length);
        },
        closes: 0,
      };
      transport.start({
        received: (chunk) =>
          void deframer.receive(chunk, {
            frame(bytes, at, _body, end): boolean {
              inbox.push(decodePacket(bytes.slice(at, end), 5));
              return true;
            },
          }),
        drained() {},
        closed: () => void made.closes++,
      });
      made.send({ type: CONNECT, level: 5, clientId: name, cleanStart: true, keepAlive: 0 });
      net.schedule.pass(500);
      return made;
    };
    const [near, far] = [net.node("a"), net.node("b")];
    const [reader, writer] = [client(near), client(far)];
    const options = {
      filter: "t/#",
      qos: 1,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    } as const;
    reader.send({ type: SUBSCRIBE, packetId: 1, subscriptions: [options] });
    net.schedule.pass(500);
    for (let packetId = 1; packetId <= 10; packetId++) {
      const payload = Uint8Array.of(packetId);
      writer.send({ type: PUBLISH, dup: false, qos: 1, retain: false, topic: "t/1", packetId, payload });
    }
    net.schedule.pass(500);
    assertEquals(
      reader.inbox.flatMap((packet) => packet.type === PUBLISH ? [packet.payload[0]] : []),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    );
    assertEquals(writer.inbox.filter(({ type }) => type === PUBACK).length, 10);
    assertEquals(broker.stats.connections, 2);
    near.crash();
    net.schedule.pass(CLUSTER.deadMs + 2 * CLUSTER.beatMs);
    assertEquals([broker.stats.connections, writer.closes], [1, 0]);
    home.crash();
    net.schedule.pass(CLUSTER.deadMs + 2 * CLUSTER.beatMs);
    assertEquals(writer.closes, 1);
  });
});
