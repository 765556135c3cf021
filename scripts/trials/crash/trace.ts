/**
 * What Clients sent and got, line by line, for whoever wants to understand a problem afterwards.
 * Knows how packets look to people; refuses to know what is right.
 * @module
 */
import { type Packet, PacketType } from "../../../src/codec/mod.ts";
import { serialOf } from "./message.ts";

const NAMES = new Map<number, string>(Object.entries(PacketType).map(([name, type]) => [type, name]));
/** Older lines are forgotten. */
const LINES_MAX = 400_000;

/** Of one data directory. */
export class Trace {
  readonly #lines: string[] = [];
  readonly #began: number = performance.now();

  /** Notes that something happened. */
  note(text: string): void {
    if (this.#lines.length >= LINES_MAX) this.#lines.splice(0, LINES_MAX >> 1);
    this.#lines.push(`${(performance.now() - this.#began).toFixed(1)} ${text}`);
  }

  /** Notes a packet that a Client sent (`>`) or got (`<`). */
  packet(id: string, direction: ">" | "<", packet: Packet): void {
    this.note(`${id} ${direction} ${describePacket(packet)}`);
  }

  /** All of it. */
  text(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}

/** A packet in a few words. */
export function describePacket(packet: Packet): string {
  const words = [NAMES.get(packet.type)];
  if ("packetId" in packet && packet.packetId) words.push(`id ${packet.packetId}`);
  if (packet.type === PacketType.PUBLISH) {
    const { topic, qos, dup, retain, payload } = packet;
    words.push(`message ${payload.length === 0 ? "none" : serialOf(payload)}`, topic, `QoS ${qos}`);
    if (dup) words.push("DUP");
    if (retain) words.push("RETAIN");
  } else if (packet.type === PacketType.CONNECT) {
    const { will, cleanStart, properties } = packet;
    if (cleanStart) words.push("clean");
    if (properties?.sessionExpiryInterval === 0) words.push("expiry 0");
    if (will !== undefined) {
      words.push(
        `will ${serialOf(will.payload)} QoS ${will.qos} delay ${will.properties?.willDelayInterval ?? 0}`,
      );
    }
  } else if (packet.type === PacketType.CONNACK) words.push(`present ${packet.sessionPresent}`);
  else if (packet.type === PacketType.SUBSCRIBE) {
    words.push(...packet.subscriptions.map(({ filter, qos }) => `${filter} QoS ${qos}`));
  } else if (packet.type === PacketType.UNSUBSCRIBE) words.push(...packet.filters);
  if (packet.type === PacketType.DISCONNECT && packet.properties?.sessionExpiryInterval === 0) {
    words.push("expiry 0");
  }
  if ("reasonCode" in packet && packet.reasonCode !== 0) words.push(`code ${packet.reasonCode}`);
  if ("reasonCodes" in packet) words.push(`codes ${packet.reasonCodes.join(" ")}`);
  return words.join(" ");
}
