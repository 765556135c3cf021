/**
 * Traced packets as a capture file that Wireshark and tcpdump read: each connection as TCP between the Client and port 1883.
 * Knows the format of pcap, IP and TCP; refuses to know how packets are traced.
 *
 * What carried the bytes (TLS, WebSocket, a Unix socket) is not shown: the connections, their beginnings and their sequence numbers are
 * made up, so that the packets in them are read as they passed. What a trace leaves out of a long payload is left out here.
 * @module
 */
import type { TracedPacket } from "../broker/mod.ts";
import { ipBytes } from "../transport/ip_address.ts";

/** Of times in microseconds, in the byte order of what follows. */
const MAGIC = 0xa1b2c3d4;
/** Each packet begins with an IP header of either version. */
const LINKTYPE_RAW = 101;
const SNAPLEN = 262_144;
const MQTT_PORT = 1883;
/** The first port of Clients that have none. */
const PORT = 49_152;
/** Bytes of a frame in one packet: IP and TCP have room for 65,535 together. */
const SEGMENT_BYTES = 60_000;
const TCP_BYTES = 20;
const TCP = 6;
const [SYN, PUSH, ACK] = [0x02, 0x08, 0x10];
const HERE = {
  4: Uint8Array.of(127, 0, 0, 1),
  6: Uint8Array.from({ length: 16 }, (_, i) => i === 15 ? 1 : 0),
};

/** One end of a connection. */
interface End {
  readonly address: Uint8Array;
  readonly port: number;
  /** RFC 9293: of its next byte. */
  sequence: number;
}

/** A capture file, piece by piece. */
export class Pcap {
  readonly #connections: Map<number, { readonly client: End; readonly server: End }> = new Map();

  /** The beginning of the file. */
  begin(): Uint8Array {
    const out = new DataView(new ArrayBuffer(24));
    out.setUint32(0, MAGIC);
    out.setUint16(4, 2);
    out.setUint16(6, 4);
    out.setUint32(16, SNAPLEN);
    out.setUint32(20, LINKTYPE_RAW);
    return new Uint8Array(out.buffer);
  }

  /** What one packet adds to it: before the first one of a connection, its handshake. */
  packet(traced: TracedPacket): Uint8Array {
    const out: Uint8Array[] = [];
    let ends = this.#connections.get(traced.connection);
    if (ends === undefined) {
      this.#connections.set(traced.connection, ends = endsOf(traced));
      const { client, server } = ends;
      out.push(record(traced.at, client, server, SYN));
      client.sequence++;
      out.push(record(traced.at, server, client, SYN | ACK));
      server.sequence++;
      out.push(record(traced.at, client, server, ACK));
    }
    const [from, to] = traced.direction === "in" ? [ends.client, ends.server] : [ends.server, ends.client];
    const { frame } = traced;
    const length = frameLength(frame, traced.bytes);
    for (let at = 0; at < length; at += SEGMENT_BYTES) {
      const until = Math.min(length, at + SEGMENT_BYTES);
      const flags = until === length ? PUSH | ACK : ACK;
      out.push(record(traced.at, from, to, flags, frame.subarray(at, until), until - at));
      from.sequence = from.sequence + until - at >>> 0;
    }
    return joined(out);
  }
}

function endsOf({ peer, connection }: TracedPacket): { readonly client: End; readonly server: End } {
  const address = ipBytes(peer.address) ?? HERE[4];
  const port = peer.port === 0 ? PORT + connection % (0x1_0000 - PORT) : peer.port;
  const server = HERE[address.length === 4 ? 4 : 6];
  return {
    client: { address, port, sequence: Math.imul(connection, 0x9e37_79b1) >>> 0 },
    server: { address: server, port: MQTT_PORT, sequence: Math.imul(connection, 0x85eb_ca6b) >>> 0 },
  };
}

/** §2.1.4 by its own header: without a password a CONNECT has another length than it had. */
function frameLength(frame: Uint8Array, bytes: number): number {
  let length = 0;
  for (let at = 1, factor = 1; at < 5 && at < frame.length; at++, factor *= 128) {
    length += (frame[at]! & 127) * factor;
    if (frame[at]! < 128) return at + 1 + length;
  }
  return bytes;
}

/** One packet of the file. `length`: of the content, of which `content` is the beginning. */
function record(
  at: number,
  from: End,
  to: End,
  flags: number,
  content: Uint8Array = new Uint8Array(0),
  length: number = content.length,
): Uint8Array {
  const isFour = from.address.length === 4;
  const ipLength = isFour ? 20 : 40;
  const headers = ipLength + TCP_BYTES;
  const out = new Uint8Array(16 + headers + content.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, Math.floor(at / 1000));
  view.setUint32(4, Math.floor(at % 1000 * 1000));
  view.setUint32(8, headers + content.length);
  view.setUint32(12, headers + length);
  const ip = 16;
  const tcp = ip + ipLength;
  if (isFour) {
    view.setUint8(ip, 0x45);
    view.setUint16(ip + 2, headers + length);
    view.setUint16(ip + 6, 0x4000); // Don't Fragment
    view.setUint8(ip + 8, 64);
    view.setUint8(ip + 9, TCP);
    out.set(from.address, ip + 12);
    out.set(to.address, ip + 16);
    view.setUint16(ip + 10, folded(sum(out.subarray(ip, tcp))));
  } else {
    view.setUint8(ip, 0x60);
    view.setUint16(ip + 4, TCP_BYTES + length);
    view.setUint8(ip + 6, TCP);
    view.setUint8(ip + 7, 64);
    out.set(from.address, ip + 8);
    out.set(to.address, ip + 24);
  }
  view.setUint16(tcp, from.port);
  view.setUint16(tcp + 2, to.port);
  view.setUint32(tcp + 4, from.sequence);
  view.setUint32(tcp + 8, (flags & ACK) === 0 ? 0 : to.sequence);
  view.setUint8(tcp + 12, TCP_BYTES / 4 << 4);
  view.setUint8(tcp + 13, flags);
  view.setUint16(tcp + 14, 0xffff);
  out.set(content, tcp + TCP_BYTES);
  const pseudo = sum(from.address) + sum(to.address) + TCP + TCP_BYTES + length;
  view.setUint16(tcp + 16, folded(pseudo + sum(out.subarray(tcp))));
  return out;
}

/** RFC 1071 the sum of 16-bit words. */
function sum(bytes: Uint8Array): number {
  let all = 0;
  for (let at = 0; at < bytes.length; at += 2) all += bytes[at]! << 8 | (bytes[at + 1] ?? 0);
  return all;
}

function folded(all: number): number {
  while (all > 0xffff) all = (all & 0xffff) + Math.floor(all / 0x1_0000);
  return ~all & 0xffff;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
