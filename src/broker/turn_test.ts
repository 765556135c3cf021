/** §4.2 What a turn with very many chunks means for those who came first. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { Transport } from "../transport/transport.ts";
import { Broker } from "./mod.ts";

const NOW = 1_000;

/** Takes everything, and counts it. */
class Sink implements Transport {
  readonly label = "test";
  bytes = 0;
  writes = 0;
  start(): void {}
  pause(): void {}
  resume(): void {}
  close(): void {}
  abort(): void {}
  write(chunk: Uint8Array): number {
    this.writes++;
    this.bytes += chunk.length;
    return chunk.length;
  }
}

describe("a turn", () => {
  test("of thousands of Clients that connect at once the first is answered before the last is read", () => {
    const broker = new Broker({});
    const sinks = Array.from({ length: 1_000 }, () => new Sink());
    sinks.forEach((sink, i) => {
      const connection = broker.opened(sink, { address: "127.0.0.1", port: i + 1, transport: "tcp" }, NOW);
      const connect = {
        type: PacketType.CONNECT,
        level: 5,
        clientId: `${i}`,
        cleanStart: true,
        keepAlive: 0,
      } as const;
      connection.received(encodePacket(connect, 5), NOW);
    });
    const early = sinks.filter(({ bytes }) => bytes > 0).length;
    assert(early > 0 && sinks[0]!.bytes > 0, "none is answered before the end of the turn");
    broker.flush(NOW);
    assertEquals(sinks.map(({ writes }) => writes), sinks.map(() => 1));
    assert(broker.work === "none");
  });
});
