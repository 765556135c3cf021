/**
 * A traced packet in JSON.
 * Knows the names of its fields; refuses to know how packets are traced.
 * @module
 */
import { Buffer } from "node:buffer";
import type { TracedPacket } from "../broker/mod.ts";
import { PacketType } from "../codec/packet_type.ts";

const NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(PacketType).map(([name, type]) => [type, name]),
);

/** As one line of a trace: what every packet has, then its own fields under the names that `@plumb/mqtt/codec` gives them. */
export function tracedJson(traced: TracedPacket): Record<string, unknown> {
  const { at, direction, connection, peer, clientId = null, level, bytes, frame, packet, topic, fault } =
    traced;
  const hiddenBytes = hiddenOf(traced);
  const { type = frame[0]! >> 4, ...fields } = packet ?? {};
  const shown = Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) => fieldOf(name, value, hiddenBytes > 0)),
  );
  return {
    at,
    direction,
    connection,
    client: clientId,
    address: peer.address,
    port: peer.port,
    transport: peer.transport,
    type: NAMES[type] ?? `type ${type}`,
    bytes,
    ...shown,
    level,
    ...topic !== undefined && { topic },
    ...hiddenBytes > 0 && { hiddenBytes },
    ...fault !== undefined && { fault, frame: Buffer.from(frame).toString("hex") },
  };
}

/** Bytes of a payload that the trace leaves out. */
function hiddenOf({ packet, bytes, frame }: TracedPacket): number {
  return packet?.type === PacketType.PUBLISH ? bytes - frame.length : 0;
}

/** Bytes under their name if they are a text (`isCut`: which may end inside a character), else in base64 under the name with `Base64`. */
function fieldOf(name: string, value: unknown, isCut: boolean = false): [string, unknown][] {
  if (value === undefined) return [];
  if (value instanceof Uint8Array) {
    try {
      const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
      return [[name, decoder.decode(value, { stream: isCut && name === "payload" })]];
    } catch {
      return [[`${name}Base64`, Buffer.from(value).toString("base64")]];
    }
  }
  if (Array.isArray(value)) {
    return [[
      name,
      value.map((one) => typeof one === "object" ? objectOf(one) : one),
    ]];
  }
  return [[name, typeof value === "object" && value !== null ? objectOf(value) : value]];
}

function objectOf(value: object): unknown {
  if (Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([name, one]) => fieldOf(name, one)));
}
