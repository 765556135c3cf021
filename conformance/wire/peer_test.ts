/** A connection of the auditor sends all that a case has sent, whatever its transport takes at once. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { Transport, TransportHandler } from "../../src/transport/transport.ts";
import { disconnect, pingreq } from "./bytes.ts";
import { Peer } from "./peer.ts";

/** A transport that takes so many bytes until it has drained. */
class Narrow implements Transport {
  readonly label = "narrow";
  readonly log: (number | string)[] = [];
  handler!: TransportHandler;
  room: number;

  constructor(room: number) {
    this.room = room;
  }

  start(handler: TransportHandler): void {
    this.handler = handler;
  }

  write(chunk: Uint8Array): number {
    const taken = Math.min(this.room, chunk.length);
    this.room -= taken;
    this.log.push(...chunk.subarray(0, taken));
    return taken;
  }

  close(): void {
    this.log.push("close");
  }

  abort(): void {
    this.log.push("abort");
  }

  pause(): void {}

  resume(): void {}
}

describe("a connection of the auditor", () => {
  test("ends its half behind what it has sent, though the transport took only a part", async () => {
    const transport = new Narrow(1);
    const peer = new Peer(transport, { name: "a", level: 4, patienceMs: 1, transcript: [], clock: () => 0 });
    peer.send(pingreq());
    const left = peer.leave();
    assertEquals(transport.log, [0xc0]);
    transport.room = 10;
    transport.handler.drained();
    assertEquals(transport.log, [...pingreq(), ...disconnect(), "close"]);
    transport.handler.closed();
    await left;
  });

  test("ends its half at once when nothing waits", () => {
    const transport = new Narrow(10);
    const peer = new Peer(transport, { name: "a", level: 4, patienceMs: 1, transcript: [], clock: () => 0 });
    peer.send(pingreq());
    peer.close();
    assertEquals(transport.log, [...pingreq(), "close"]);
  });
});
