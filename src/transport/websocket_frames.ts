/**
 * §6 WebSocket frames (RFC 6455 section 5): their headers, their masks, their close codes.
 * Knows the form of a frame; refuses to know connections.
 * @module
 */

import type { Rule } from "../codec/error.ts";
import { isUtf8Text } from "../codec/utf8.ts";

/** RFC 6455 §5.2 */
export const Opcode = {
  CONTINUATION: 0x0,
  TEXT: 0x1,
  BINARY: 0x2,
  CLOSE: 0x8,
  PING: 0x9,
  PONG: 0xa,
} as const;

/** RFC 6455 §7.4.1: those that we send. */
export const CloseCode = {
  NORMAL: 1000,
  PROTOCOL_ERROR: 1002,
  UNSUPPORTED_DATA: 1003,
  INVALID_DATA: 1007,
} as const;

/** A close code that we send. */
export type CloseCode = typeof CloseCode[keyof typeof CloseCode];

/** A header has so many bytes at most: two, eight of an extended length, four of a mask. */
export const HEADER_BYTES_MAX = 14;
/** RFC 6455 §5.5 */
export const CONTROL_BYTES_MAX = 125;

const FINAL = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;

/** What a peer may not send. */
export class WebSocketError extends Error {
  /** As it stands in logs. */
  override readonly name = "WebSocketError";
  /** What the peer is told. */
  readonly code: CloseCode;
  /** The rule that is broken. */
  readonly rule: Rule;

  constructor(code: CloseCode, message: string, rule: Rule = "policy/websocket-frame") {
    super(message);
    this.code = code;
    this.rule = rule;
  }
}

/** The header of one frame. One object for each connection, filled again and again. */
export class FrameHeader {
  /** RFC 6455 §5.2 */
  opcode: number = 0;
  /** The last frame of its message. */
  isFinal = false;
  /** Bytes of the payload. */
  length = 0;
  /** The masking key, the first byte the highest; 0 for none. */
  key = 0;
  /** Whether frames of the peer must be masked, or must not be: a Client masks, a Server does not. */
  readonly #isMasked: boolean;

  constructor(isMasked: boolean) {
    this.#isMasked = isMasked;
  }

  /**
   * Reads the header at `at`; gives its bytes, or 0 if more are needed.
   * @throws {WebSocketError} for a header that no peer may send, as soon as its first two bytes are there.
   */
  read(view: DataView, at: number, end: number): number {
    if (end - at < 2) return 0;
    const first = view.getUint8(at);
    const second = view.getUint8(at + 1);
    if ((first & RESERVED) !== 0) {
      throw protocolError("reserved bits of a frame are set, and no extension was agreed on");
    }
    if ((second & MASKED) !== 0 !== this.#isMasked) {
      throw protocolError(
        this.#isMasked ? "a frame of a Client is not masked" : "a frame of a Server is masked",
      );
    }
    this.opcode = first & 0x0f;
    this.isFinal = (first & FINAL) !== 0;
    this.#check(second & 0x7f);
    const extended = extendedBytes(second & 0x7f);
    const bytes = 2 + extended + (this.#isMasked ? 4 : 0);
    if (end - at < bytes) return 0;
    this.length = extended === 0
      ? second & 0x7f
      : extended === 2
      ? atLeast(126, view.getUint16(at + 2))
      : atLeast(65_536, view.getUint32(at + 2) * 2 ** 32 + view.getUint32(at + 6));
    this.key = this.#isMasked ? view.getInt32(at + 2 + extended) : 0;
    return bytes;
  }

  #check(length: number): void {
    const { opcode, isFinal } = this;
    if (opcode <= Opcode.BINARY) return;
    if (opcode < Opcode.CLOSE || opcode > Opcode.PONG) throw protocolError(`opcode ${opcode} is reserved`);
    if (!isFinal) throw protocolError("a control frame is fragmented");
    if (length > CONTROL_BYTES_MAX) throw protocolError("a control frame is longer than 125 bytes");
  }
}

/** RFC 6455 §7.4.1: 1002 for what breaks the protocol. */
export function protocolError(message: string): WebSocketError {
  return new WebSocketError(CloseCode.PROTOCOL_ERROR, message);
}

function extendedBytes(length: number): 0 | 2 | 8 {
  return length < 126 ? 0 : length === 126 ? 2 : 8;
}

/** RFC 6455 §5.2: a length has its shortest form, and no more than 63 bits; above 2^53 no number here is exact. */
function atLeast(least: number, length: number): number {
  if (length < least) throw protocolError("the length of a frame is not in its shortest form");
  if (length > Number.MAX_SAFE_INTEGER) throw protocolError("the length of a frame is beyond all reason");
  return length;
}

/** Writes the header of a final frame, masked if `key` is given; gives the bytes that it has. */
export function writeHeader(
  into: Uint8Array,
  opcode: number,
  length: number,
  key: number | undefined,
): number {
  const masked = key === undefined ? 0 : MASKED;
  let at = 2;
  into[0] = FINAL | opcode;
  if (length < 126) into[1] = masked | length;
  else if (length < 65_536) {
    into[1] = masked | 126;
    into[2] = length >>> 8;
    into[3] = length;
    at = 4;
  } else {
    into[1] = masked | 127;
    const high = Math.floor(length / 2 ** 32);
    for (let i = 0; i < 4; i++) {
      into[2 + i] = high >>> 24 - 8 * i;
      into[6 + i] = length >>> 24 - 8 * i;
    }
    at = 10;
  }
  if (key === undefined) return at;
  for (let i = 0; i < 4; i++) into[at + i] = key >>> 24 - 8 * i;
  return at + 4;
}

/** The key for what comes `bytes` further behind. */
export function rotated(key: number, bytes: number): number {
  const bits = (bytes & 3) * 8;
  return bits === 0 ? key : key << bits | key >>> 32 - bits;
}

/**
 * Copies `length` bytes at `from` to `to`, which is not behind it or does not overlap it, and masks or unmasks them: four at a time, since a
 * loop over single bytes costs three times as much.
 */
export function mask(
  source: DataView,
  from: number,
  target: DataView,
  to: number,
  length: number,
  key: number,
): void {
  if (key === 0 && source === target && from === to) return;
  const whole = length & ~3;
  for (let at = 0; at < whole; at += 4) target.setInt32(to + at, source.getInt32(from + at) ^ key);
  for (let at = whole; at < length; at++) {
    target.setUint8(to + at, source.getUint8(from + at) ^ key >>> 24 - 8 * (at & 3));
  }
}

/**
 * The close code of a Close frame's payload; undefined if it has none.
 * @throws {WebSocketError} for a payload that no peer may send.
 */
export function closeCodeOf(payload: Uint8Array): number | undefined {
  if (payload.length === 0) return undefined;
  const code = payload[0]! * 256 + (payload[1] ?? 0);
  // RFC 6455 §7.4: 1004 to 1006 and 1015 never stand in a frame.
  const isKnown = code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
  const isFree = code >= 3000 && code <= 4999;
  if (payload.length === 1 || !isKnown && !isFree) {
    throw protocolError("a Close frame has no code that may be sent");
  }
  if (!isUtf8Text(payload, 2)) {
    throw new WebSocketError(CloseCode.INVALID_DATA, "the reason of a Close frame is not UTF-8");
  }
  return code;
}
