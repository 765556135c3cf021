/** What went over a proxy, and the one fault of a Server that it finds. @module */
import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { encodePacket } from "../../../src/codec/encode.ts";
import type { Packet } from "../../../src/codec/packet.ts";
import { PacketType } from "../../../src/codec/packet_type.ts";
import { WireLog } from "./wire_log.ts";

const { CONNECT, CONNACK, PUBLISH, PUBREC, PUBREL, PUBCOMP } = PacketType;

/** A PUBLISH of the Server at QoS 2. */
function publish(packetId: number, text: string, dup = false): Packet {
  const payload = new TextEncoder().encode(text);
  return { type: PUBLISH, dup, qos: 2, retain: false, topic: "t", packetId, payload };
}

/** Packets of one connection: those of the Client are CONNECT, PUBREC and PUBCOMP. */
function pass(log: WireLog, ...packets: readonly Packet[]): void {
  const wire = log.wire();
  const connect: Packet = { type: CONNECT, level: 4, cleanStart: false, keepAlive: 0, clientId: "c" };
  for (const packet of [connect, ...packets]) {
    const isSent = packet.type === CONNECT || packet.type === PUBREC || packet.type === PUBCOMP;
    for (const byte of encodePacket(packet, 4)) {
      if (isSent) wire.sent(Uint8Array.of(byte));
      else wire.received(Uint8Array.of(byte));
    }
  }
  wire.ended("cut");
}

test("a QoS 2 message that a Server sends again behind its PUBREL is found, and no other", () => {
  const log = new WireLog(4, true);
  const connack: Packet = { type: CONNACK, sessionPresent: true, reasonCode: 0 };
  const [pubrec, pubrel, pubcomp] = ([PUBREC, PUBREL, PUBCOMP] as const).map((type): Packet => (
    { type, packetId: 1, reasonCode: 0 }
  )) as [Packet, Packet, Packet];
  pass(log, connack, publish(1, "a"));
  pass(log, connack, publish(1, "a", true), pubrec, pubrel, pubcomp);
  pass(log, connack, pubrel, pubcomp, publish(1, "b"), publish(2, "c"));
  pass(log, connack, publish(1, "b", true), publish(2, "c", true), pubrec, pubrel);
  assertEquals([...log.sentAgain], []);
  pass(log, connack); // cut before its PUBREL
  pass(log, connack, publish(1, "b", true), publish(2, "c", true));
  assertEquals([...log.sentAgain], ["b"]);
  assertEquals(log.lines.slice(-5), [
    "6 c -> CONNECT",
    "6 c <- CONNACK present",
    "6 c <- PUBLISH 1 dup b",
    "6 c <- PUBLISH 2 dup c",
    "6 c cut",
  ]);
});
