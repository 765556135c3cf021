/**
 * §3.3 A PUBLISH as offsets into its frame: a Server routes one without building an object for it.
 * Knows the layout and validates it while skipping; refuses to know sessions, and to decode values.
 * @module
 */
import { copyBytes } from "./copy.ts";
import { malformed, type PeerError, protocolError, type Rule } from "./error.ts";
import type { QoS } from "./packet.ts";
import { misplaced } from "./property.ts";
import { decodeUtf8, isUtf8 } from "./utf8.ts";

/** No such field in this frame. */
const ABSENT = -1;

/**
 * One PUBLISH frame. Re-aimed at each frame by the receiving side; a copy that owns its bytes lives on in queues.
 * Offsets are into `bytes`; a range is [at, end).
 */
export class PublishView {
  /** Where the frame stands, perhaps among others. */
  bytes: Uint8Array = EMPTY;
  /** The first byte of the fixed header. */
  at = 0;
  /** Behind its last byte. */
  end = 0;
  /** §3.3.1.2 */
  qos: QoS = 0;
  /** §3.3.1.1 */
  dup = false;
  /** §3.3.1.3 */
  retain = false;
  /** Level 5 layout: there is a Property Length. */
  level5 = false;
  /** Topic Name without its length; the two bytes of length stand before it. */
  topicAt = 0;
  /** Behind it. */
  topicEnd = 0;
  /** Where the Packet Identifier stands, or -1. */
  packetIdAt: number = ABSENT;
  /** 0 at QoS 0. */
  packetId = 0;
  /** The properties without their length; empty below level 5. */
  propertiesAt = 0;
  /** Behind them. */
  propertiesEnd = 0;
  /** §3.3.3 The payload reaches to `end`. */
  payloadAt = 0;
  /** Where the four bytes of the Message Expiry Interval stand, or -1. */
  expiryAt: number = ABSENT;
  /** §3.3.2.3.3 seconds; 0 if absent (see `expiryAt`). */
  expirySeconds = 0;
  /** §3.3.2.3.4 1 to 65535, 0 if absent. */
  topicAlias = 0;
  /** Where that property begins, its identifier included; only if `topicAlias` is not 0. */
  aliasAt: number = ABSENT;
  /** §3.3.2.3.8 whether the frame has one; a Client must not send it. */
  subscriptionIdentifier = false;

  /** Payload length in bytes. */
  get payloadLength(): number {
    return this.end - this.payloadAt;
  }

  /**
   * Reads the frame `bytes[at, end)`, whose variable header begins at `body`.
   * The Topic Name is left unchecked but for its length: the code that resolves it knows the name already, or decodes it.
   * @throws {PeerError} §3.3, with the rule that is broken.
   */
  aim(bytes: Uint8Array, at: number, body: number, end: number, level5: boolean): void {
    const first = bytes[at]!;
    const qos = (first >> 1) & 3;
    if (qos === 3) throw malformed("MQTT-3.3.1-4", "PUBLISH with QoS 3");
    this.dup = (first & 8) !== 0;
    if (qos === 0 && this.dup) throw malformed("MQTT-3.3.1-2", "PUBLISH with DUP 1 and QoS 0");
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.qos = qos as QoS;
    this.retain = (first & 1) !== 0;
    this.level5 = level5;
    if (body + 2 > end) throw short("topic name");
    const topicAt = body + 2;
    const topicEnd = topicAt + (bytes[body]! << 8 | bytes[body + 1]!);
    this.topicAt = topicAt;
    this.topicEnd = topicEnd;
    let next = topicEnd;
    if (qos === 0) {
      this.packetIdAt = ABSENT;
      this.packetId = 0;
    } else {
      if (next + 2 > end) throw short("packet identifier");
      this.packetIdAt = next;
      this.packetId = bytes[next]! << 8 | bytes[next + 1]!;
      if (this.packetId === 0) throw protocolError("2.2.1/zero", "PUBLISH with Packet Identifier 0");
      next += 2;
    }
    this.expiryAt = ABSENT;
    this.expirySeconds = 0;
    this.topicAlias = 0;
    this.aliasAt = ABSENT;
    this.subscriptionIdentifier = false;
    if (level5) {
      if (next >= end) throw short("property length");
      if (bytes[next] === 0) {
        next++;
        this.propertiesAt = this.propertiesEnd = next;
      } else next = this.#properties(next);
    } else {
      this.propertiesAt = this.propertiesEnd = next;
    }
    if (next > end) throw short("topic name");
    this.payloadAt = next;
  }

  /**
   * Reads the frame `bytes[at, end)` as {@linkcode aim}, and finds by itself where its variable header begins.
   * @throws {PeerError} as `aim()`.
   */
  aimFrame(bytes: Uint8Array, at: number, end: number, level5: boolean): void {
    let body = at + 1;
    while (bytes[body++]! > 127);
    this.aim(bytes, at, body, end, level5);
  }

  /** A view of the same message over bytes of its own. */
  copy(): PublishView {
    return this.#over(this.bytes.slice(this.at, this.end), 0);
  }

  /** A view of the same message over bytes that are copied to `target` from `at` on; the caller has made sure of the room. */
  copyTo(target: Uint8Array, at: number): PublishView {
    copyBytes(target, at, this.bytes, this.at, this.end);
    return this.#over(target, at);
  }

  #over(bytes: Uint8Array, at: number): PublishView {
    const by = at - this.at;
    const copy = new PublishView();
    copy.bytes = bytes;
    copy.at = at;
    copy.end = this.end + by;
    copy.qos = this.qos;
    copy.dup = this.dup;
    copy.retain = this.retain;
    copy.level5 = this.level5;
    copy.topicAt = this.topicAt + by;
    copy.topicEnd = this.topicEnd + by;
    copy.packetIdAt = this.packetIdAt === ABSENT ? ABSENT : this.packetIdAt + by;
    copy.packetId = this.packetId;
    copy.propertiesAt = this.propertiesAt + by;
    copy.propertiesEnd = this.propertiesEnd + by;
    copy.payloadAt = this.payloadAt + by;
    copy.expiryAt = this.expiryAt === ABSENT ? ABSENT : this.expiryAt + by;
    copy.expirySeconds = this.expirySeconds;
    copy.topicAlias = this.topicAlias;
    copy.aliasAt = this.aliasAt === ABSENT ? ABSENT : this.aliasAt + by;
    copy.subscriptionIdentifier = this.subscriptionIdentifier;
    return copy;
  }

  /** Walks the properties from their length at `lengthAt`; returns where the payload begins. */
  #properties(lengthAt: number): number {
    const at = skipVarint(this.bytes, lengthAt, this.end, "2.1.4/short");
    const end = at + varint(this.bytes, lengthAt, at);
    if (end > this.end) throw short("properties");
    this.propertiesAt = at;
    this.propertiesEnd = end;
    let seen = 0;
    for (let next = at; next < end;) {
      const id = this.bytes[next]!;
      next = this.#property(id, next + 1, end);
      if (id < 0x20 && id !== SUBSCRIPTION_IDENTIFIER) {
        if ((seen & (1 << id)) !== 0) throw twice(id);
        seen |= 1 << id;
      }
    }
    return end;
  }

  /** Checks the value of one property at `at`; returns where the next one begins. */
  #property(id: number, at: number, end: number): number {
    const bytes = this.bytes;
    switch (id) {
      case 0x01:
        if (at >= end) throw pastEnd("Payload Format Indicator");
        if (bytes[at]! > 1) throw protocolError("3.3.2.3.2/range", `Payload Format Indicator ${bytes[at]}`);
        return at + 1;
      case 0x02:
        if (at + 4 > end) throw pastEnd("Message Expiry Interval");
        this.expiryAt = at;
        this.expirySeconds =
          ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
        return at + 4;
      case 0x03:
        return this.#text(at, end, "Content Type"); // [MQTT-3.3.2-19]
      case 0x08: {
        const next = this.#text(at, end, "Response Topic"); // [MQTT-3.3.2-13]
        if (next === at + 2) throw protocolError("MQTT-4.7.3-1", "Property responseTopic is empty");
        for (let i = at + 2; i < next; i++) {
          if (bytes[i] === 0x23 || bytes[i] === 0x2b) {
            throw protocolError("MQTT-3.3.2-14", "Response Topic with a wildcard");
          }
        }
        return next;
      }
      case 0x09:
        return this.#sized(at, end, "Correlation Data");
      case SUBSCRIPTION_IDENTIFIER: {
        const next = skipVarint(bytes, at, end, "2.2.2.1/past-end");
        if (varint(bytes, at, next) === 0) throw protocolError("3.3.2.3.8/zero", "Subscription Identifier 0");
        this.subscriptionIdentifier = true;
        return next;
      }
      case 0x23:
        if (at + 2 > end) throw pastEnd("Topic Alias");
        if (bytes[at] === 0 && bytes[at + 1] === 0) {
          throw protocolError("MQTT-3.3.2-8", "Topic Alias 0", 0x94);
        }
        if (this.topicAlias !== 0) throw twice(id);
        this.aliasAt = at - 1;
        this.topicAlias = bytes[at]! << 8 | bytes[at + 1]!;
        return at + 2;
      case USER_PROPERTY:
        return this.#text(this.#text(at, end, "User Property"), end, "User Property"); // [MQTT-1.5.7-1]
    }
    if (id > 127) skipVarint(bytes, at - 1, end, "2.2.2.1/past-end"); // an identifier is a Variable Byte Integer too
    throw misplaced(id);
  }

  #sized(at: number, end: number, what: string): number {
    if (at + 2 > end) throw pastEnd(what);
    const next = at + 2 + (this.bytes[at]! << 8 | this.bytes[at + 1]!);
    if (next > end) throw pastEnd(what);
    return next;
  }

  #text(at: number, end: number, what: string): number {
    const next = this.#sized(at, end, what);
    if (!isUtf8(this.bytes, at + 2, next)) throw noText(this.bytes.subarray(at + 2, next), what);
    return next;
  }
}

/**
 * The view of one whole PUBLISH frame.
 * @throws {PeerError} as `aim()`.
 */
export function viewOf(frame: Uint8Array, level5: boolean): PublishView {
  const view = new PublishView();
  view.aimFrame(frame, 0, frame.length, level5);
  return view;
}

/** An array without bytes, shared. */
export const EMPTY: Uint8Array = /* @__PURE__ */ new Uint8Array(0);

const SUBSCRIPTION_IDENTIFIER = 0x0b;
const USER_PROPERTY = 0x26;

function short(what: string): PeerError {
  return malformed("2.1.4/short", `PUBLISH ends inside its ${what}`);
}

function pastEnd(what: string): PeerError {
  return malformed("2.2.2.1/past-end", `The properties of PUBLISH end inside its ${what}`);
}

function noText(bytes: Uint8Array, what: string): PeerError {
  return decodeUtf8(bytes, 0, bytes.length) === undefined
    ? malformed("MQTT-1.5.4-1", `${what} is not a UTF-8 string`)
    : malformed("MQTT-1.5.4-2", `${what} with U+0000`);
}

function twice(id: number): PeerError {
  return protocolError(
    TWICE[id as keyof typeof TWICE],
    `PUBLISH with property 0x${id.toString(16)} more than once`,
  );
}

const TWICE = {
  0x01: "3.3.2.3.2/twice",
  0x02: "3.3.2.3.3/twice",
  0x03: "3.3.2.3.9/twice",
  0x08: "3.3.2.3.5/twice",
  0x09: "3.3.2.3.6/twice",
  0x23: "3.3.2.3.4/twice",
} as const;

/** The end of the Variable Byte Integer at `at`. */
function skipVarint(bytes: Uint8Array, at: number, end: number, tooShort: Rule): number {
  for (let size = 1; size <= 4; size++) {
    if (at + size > end) {
      throw malformed(tooShort, "PUBLISH or its properties end inside a Variable Byte Integer");
    }
    if (bytes[at + size - 1]! < 128) {
      if (size > 1 && bytes[at + size - 1] === 0) {
        throw malformed("MQTT-1.5.5-1", "Variable Byte Integer is over-long");
      }
      return at + size;
    }
  }
  throw malformed("1.5.5/fifth-byte", "Variable Byte Integer has a fifth byte");
}

function varint(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let i = end - 1; i >= at; i--) value = value * 128 + (bytes[i]! & 127);
  return value;
}
