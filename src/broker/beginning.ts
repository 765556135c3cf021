/**
 * §2.1, §3.1 The beginning of a packet from a Client whose rest is still to come: refused at the first byte that cannot be right.
 * Knows which packet may come in which phase, and what other protocols begin with; refuses to know the rest of a packet.
 * @module
 */
import { protocolLevel, UnsupportedVersion } from "../codec/connect.ts";
import { malformed, type PeerError, protocolError } from "../codec/error.ts";
import { checkFirstByte } from "../codec/first_byte.ts";
import type { ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";

/** TLS begins with a record of type 22, version 3: by our reading a CONNECT with wrong flags, of three bytes. */
const TLS_HANDSHAKE = 0x16;
const TLS_VERSION_MAJOR = 3;

/** Methods of HTTP; `PRI` begins HTTP/2. */
const HTTP = /^(GET|POST|PUT|HEAD|DELETE|OPTIONS|CONNECT|PATCH|TRACE|PRI) /;

/** The variable header of every CONNECT that there is, up to the Protocol Version. */
const PROTOCOLS: readonly (readonly number[])[] = [
  [0, 4, 0x4d, 0x51, 0x54, 0x54],
  [0, 6, 0x4d, 0x51, 0x49, 0x73, 0x64, 0x70],
];

/** [MQTT-3.1.0-1] the first packet is not CONNECT; `bytes` may show which protocol it is of. */
export function notConnect(bytes: Uint8Array, at: number, until: number): PeerError {
  const text = String.fromCharCode(...bytes.subarray(at, Math.min(until, at + 8)));
  const hint = HTTP.test(text) ? ": HTTP begins so, and this listener is for MQTT" : "";
  return protocolError("MQTT-3.1.0-1", `The first packet is not CONNECT${hint}`);
}

/**
 * Says so if the first packet is the beginning of TLS.
 * @throws {PeerError}
 */
export function refuseTls(bytes: Uint8Array, at: number, until: number): void {
  if (bytes[at] !== TLS_HANDSHAKE || (at + 1 < until && bytes[at + 1] !== TLS_VERSION_MAJOR)) return;
  const message = "Fixed header flags 0110: TLS begins so, and this listener is without TLS";
  throw malformed("MQTT-2.1.3-1", message);
}

/**
 * Checks the beginning of a packet in that phase; `body` is where its variable header begins, 0 while that is unknown.
 * @throws {PeerError} at the first byte that cannot be right.
 */
export function checkBeginning(
  phase: "waiting" | "authenticating" | "open",
  level: ProtocolLevel,
  bytes: Uint8Array,
  at: number,
  body: number,
  until: number,
): void {
  const first = bytes[at]!;
  const type = first >> 4;
  if (phase === "waiting") {
    if (type !== PacketType.CONNECT) throw notConnect(bytes, at, until);
    refuseTls(bytes, at, until);
    checkFirstByte(first, level);
    if (body > 0) checkConnectBeginning(bytes, body, until);
    return;
  }
  if (phase === "authenticating" && type !== PacketType.AUTH && type !== PacketType.DISCONNECT) {
    throw protocolError("MQTT-3.1.2-30", "Neither AUTH nor DISCONNECT while authentication goes on");
  }
  if (type === PacketType.CONNECT) throw protocolError("MQTT-3.1.0-2", "A second CONNECT");
  checkFirstByte(first, level);
  switch (type) {
    case PacketType.CONNACK:
    case PacketType.SUBACK:
    case PacketType.UNSUBACK:
    case PacketType.PINGRESP:
      throw protocolError("3.1.0/direction", `Packet type ${type} is not for a Client to send`);
  }
  if (body === 0) return;
  const isEmpty = type === PacketType.PINGREQ || (type === PacketType.DISCONNECT && level < 5);
  const isAcknowledgement = type >= PacketType.PUBACK && type <= PacketType.PUBCOMP;
  if (isEmpty || (isAcknowledgement && level < 5 && (body > at + 2 || bytes[at + 1]! > 2))) {
    throw malformed("2.1.4/trailing", "A Remaining Length that this packet cannot have");
  }
}

/** §3.1.2.1, §3.1.2.2 Protocol Name and Protocol Version of a CONNECT, as far as they are here. */
function checkConnectBeginning(bytes: Uint8Array, body: number, until: number): void {
  const here = bytes.subarray(body, Math.min(until, body + 9));
  const protocol = PROTOCOLS.find((name) => name.every((byte, i) => i >= here.length || here[i] === byte));
  const name = String.fromCharCode(...here.subarray(2, protocol?.length));
  if (protocol === undefined) throw new UnsupportedVersion("MQTT-3.1.2-1", name, 0);
  if (here.length > protocol.length) protocolLevel(name, here[protocol.length]!);
}
