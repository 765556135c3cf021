/**
 * The PROXY protocol, versions 1 and 2: the header by which a proxy says for which peer it speaks.
 * Knows its form (https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt); refuses to know which proxies may be believed.
 * @module
 */
import { ipBytes, ipText } from "./ip_address.ts";

/** A header. */
export interface ProxyHeader {
  /** The peer; undefined where the proxy speaks for itself, or does not know. */
  readonly source: { readonly address: string; readonly port: number } | undefined;
  /** Bytes of the header; what is behind them is the peer's. */
  readonly length: number;
}

/** Bytes that are no header. */
export class ProxyHeaderError extends Error {
  /** As it stands in logs. */
  override readonly name = "ProxyHeaderError";
}

/** Version 1 is a line: so many bytes at most, its end included. */
const LINE_BYTES_MAX = 107;
/** Version 2 could be 64 KiB; what proxies add to the addresses are some hundred bytes. */
const BODY_BYTES_MAX = 4096;
/** So many bytes a header has at most. */
export const PROXY_HEADER_BYTES_MAX: number = 16 + BODY_BYTES_MAX;

const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
const PROXY = Uint8Array.of(0x50, 0x52, 0x4f, 0x58, 0x59, 0x20);

/**
 * The header at the front of these bytes; undefined if more bytes are needed.
 * @throws {ProxyHeaderError} as soon as no bytes that may follow could make it one.
 */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader | undefined {
  if (bytes.length === 0) return undefined;
  const isBinary = bytes[0] === SIGNATURE[0];
  const begin = isBinary ? SIGNATURE : PROXY;
  for (let at = 0; at < Math.min(bytes.length, begin.length); at++) {
    if (bytes[at] !== begin[at]) {
      throw new ProxyHeaderError("The connection does not begin with a PROXY header");
    }
  }
  if (bytes.length < begin.length) return undefined;
  return isBinary ? readBinary(bytes) : readLine(bytes);
}

/** Version 1: `PROXY TCP4 192.0.2.1 198.51.100.7 50312 8883` and CR LF. */
function readLine(bytes: Uint8Array): ProxyHeader | undefined {
  const end = bytes.subarray(0, LINE_BYTES_MAX).indexOf(0x0a);
  if (end < 0) {
    if (bytes.length < LINE_BYTES_MAX) return undefined;
    throw new ProxyHeaderError(`A PROXY header of version 1 that is longer than ${LINE_BYTES_MAX} bytes`);
  }
  const length = end + 1;
  const text = String.fromCharCode(...bytes.subarray(0, length));
  if (/^PROXY UNKNOWN( [^\r\n]*)?\r\n$/.test(text)) return { source: undefined, length };
  const found = /^PROXY TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})\r\n$/.exec(text)?.slice(1);
  const [family, from = "", to = "", ...ports] = found ?? [];
  const size = family === "4" ? 4 : 16;
  const source = ipBytes(from);
  const arePorts = ports.every((port) => /^(0|[1-9]\d*)$/.test(port) && Number(port) < 65_536);
  if (found === undefined || !arePorts || source?.length !== size || ipBytes(to)?.length !== size) {
    throw new ProxyHeaderError("A PROXY header of version 1 that is malformed");
  }
  return { source: { address: ipText(source), port: Number(ports[0]) }, length };
}

/** Bytes of both addresses and both ports, by family and transport. UDP carries no MQTT. */
const ADDRESS_BYTES: Readonly<Record<number, number>> = { 0x11: 12, 0x21: 36, 0x31: 216 };

function readBinary(bytes: Uint8Array): ProxyHeader | undefined {
  if (bytes.length < 16) return undefined;
  const [version, family] = [bytes[12]!, bytes[13]!];
  const isLocal = version === 0x20;
  if (!isLocal && version !== 0x21) {
    throw new ProxyHeaderError("A PROXY header of another version, or with an unknown command");
  }
  const bodyLength = bytes[14]! * 256 + bytes[15]!;
  if (bodyLength > BODY_BYTES_MAX) {
    throw new ProxyHeaderError(`A PROXY header of more than ${BODY_BYTES_MAX} bytes`);
  }
  const length = 16 + bodyLength;
  if (bytes.length < length) return undefined;
  if (isLocal) return { source: undefined, length };
  const addressBytes = family === 0 ? 0 : ADDRESS_BYTES[family];
  if (addressBytes === undefined) {
    throw new ProxyHeaderError("A PROXY header of a peer that does not use TCP");
  }
  const body = bytes.subarray(16, length);
  if (bodyLength < addressBytes) {
    throw new ProxyHeaderError("A PROXY header that is shorter than its addresses");
  }
  if (family !== 0) checkExtensions(bytes.subarray(0, length), 16 + addressBytes);
  if (family !== 0x11 && family !== 0x21) return { source: undefined, length };
  const size = family === 0x11 ? 4 : 16;
  const port = body[2 * size]! * 256 + body[2 * size + 1]!;
  return { source: { address: ipText(body.subarray(0, size)), port }, length };
}

/** The type of the extension with a checksum of the header. */
const CHECKSUM = 0x03;

/** Extensions must fill what is left, and a checksum must be right. */
function checkExtensions(header: Uint8Array, from: number): void {
  for (let at = from; at < header.length;) {
    const length = header[at + 1]! * 256 + header[at + 2]!;
    const next = at + 3 + length;
    if (!(next <= header.length)) {
      throw new ProxyHeaderError("A PROXY header with an extension that is cut off");
    }
    if (header[at] === CHECKSUM) {
      const value = new DataView(header.buffer, header.byteOffset + at + 3, length);
      if (length !== 4 || value.getUint32(0) !== crc32c(header, at + 3, at + 7)) {
        throw new ProxyHeaderError("A PROXY header with a wrong checksum");
      }
    }
    at = next;
  }
}

/** CRC-32C (Castagnoli) of these bytes; those `from`, up to `to`, count as zeros. */
export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  let crc = 0xffff_ffff;
  for (let at = 0; at < bytes.length; at++) {
    crc ^= at >= from && at < to ? 0 : bytes[at]!;
    for (let bit = 0; bit < 8; bit++) crc = crc >>> 1 ^ (crc & 1 ? 0x82f6_3b78 : 0);
  }
  return ~crc >>> 0;
}
