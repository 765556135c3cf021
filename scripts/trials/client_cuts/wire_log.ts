/**
 * What a proxy passed on, packet by packet, and whether the Server kept to §4.3.3 in it.
 * Knows packets, and the connections of each Client; refuses to know what is done with them.
 * @module
 */
import { decodePacket } from "../../../src/codec/decode.ts";
import { Deframer } from "../../../src/codec/deframer.ts";
import type { Packet, ProtocolLevel } from "../../../src/codec/packet.ts";
import { PacketType } from "../../../src/codec/packet_type.ts";
import type { Wire } from "../../lib/cutting_proxy.ts";

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(PacketType).map(([name, type]) => [type, name]),
);

/** QoS 2 messages of the Server to one Client, by Packet Identifier. */
interface Going {
  /** The payload of the last PUBLISH. */
  readonly sent: Map<number, string>;
  /** The payload of the last one whose PUBREL was sent. */
  readonly released: Map<number, string>;
}

/** All connections of one proxy. */
export class WireLog {
  /** One for each packet: connection, Client, direction, packet. Empty unless it is to be kept. */
  readonly lines: string[] = [];
  /** Payloads that a Server sent to a Client again behind their PUBREL, which [MQTT-4.3.3-6] forbids. */
  readonly sentAgain: Set<string> = new Set();
  readonly #level: ProtocolLevel;
  readonly #isKept: boolean;
  readonly #clients: Map<string, Going> = new Map();
  #connections = 0;

  constructor(level: ProtocolLevel, isKept: boolean) {
    this.#level = level;
    this.#isKept = isKept;
  }

  /** A new connection of the proxy. */
  readonly wire = (): Wire => {
    const number = ++this.#connections;
    let clientId = "?";
    const reader = (arrow: string, look: (packet: Packet) => void) => {
      const deframer = new Deframer(Infinity);
      return (bytes: Uint8Array): void =>
        deframer.receive(bytes, {
          frame: (bytes, at, _body, end) => {
            const packet = decodePacket(bytes.slice(at, end), this.#level);
            look(packet);
            if (this.#isKept) this.lines.push(`${number} ${clientId} ${arrow} ${textOf(packet)}`);
            return true;
          },
        });
    };
    return {
      sent: reader("->", (packet) => {
        if (packet.type === PacketType.CONNECT) clientId = packet.clientId;
      }),
      received: reader("<-", (packet) => this.#look(clientId, packet)),
      ended: (how) => {
        if (this.#isKept) this.lines.push(`${number} ${clientId} ${how}`);
      },
    };
  };

  #look(clientId: string, packet: Packet): void {
    let going = this.#clients.get(clientId);
    if (going === undefined) this.#clients.set(clientId, going = { sent: new Map(), released: new Map() });
    if (packet.type === PacketType.PUBREL) {
      going.released.set(packet.packetId, going.sent.get(packet.packetId)!);
    }
    if (packet.type !== PacketType.PUBLISH || packet.qos !== 2) return;
    const { packetId = 0, payload } = packet;
    const text = new TextDecoder().decode(payload);
    if (going.released.get(packetId) === text) this.sentAgain.add(text);
    going.sent.set(packetId, text);
  }
}

/** `PUBLISH 7 dup 123` */
function textOf(packet: Packet): string {
  const words: unknown[] = [NAMES.get(packet.type)];
  if ("packetId" in packet && packet.packetId !== undefined) words.push(packet.packetId);
  if (packet.type === PacketType.PUBLISH) {
    if (packet.dup) words.push("dup");
    words.push(new TextDecoder().decode(packet.payload));
  }
  if (packet.type === PacketType.CONNACK) words.push(packet.sessionPresent ? "present" : "new");
  if ("reasonCode" in packet && packet.reasonCode !== 0) words.push(`0x${packet.reasonCode.toString(16)}`);
  return words.join(" ");
}
