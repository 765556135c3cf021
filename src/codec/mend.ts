/**
 * Frames that break the standard in one of a few known ways, put right for the decoders, which stay as strict as they are.
 * Knows the deviations by name and what a frame with one ought to have been; refuses to know which listener tolerates them, and
 * never reads past a frame.
 * @module
 */
import { PeerError, type Rule } from "./error.ts";
import { protocolLevel } from "./connect.ts";
import type { ProtocolLevel } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { propertyAt, type PropertyKind, WILL } from "./property.ts";
import { Reader } from "./reader.ts";
import { putVarint, varintSize } from "./varint.ts";

/** One deviation that a Server may tolerate. */
export interface ToleranceRow {
  /** The rules that such a packet breaks, those of 5.0 first. */
  readonly rules: readonly Rule[];
  /** The packet that comes, and how it is taken. */
  readonly about: string;
}

/** The name of a deviation. */
export type ToleranceName =
  | "bytes-behind-connect"
  | "dup-at-qos-0"
  | "empty-client-identifier"
  | "empty-response-topic"
  | "packet-identifier-0"
  | "reserved-flags"
  | "trailing-nul";

/** Every deviation that can be tolerated; spec/decisions/0028-tolerance.md has the reports of devices that need it. */
export const TOLERANCES: Readonly<Record<ToleranceName, ToleranceRow>> = {
  "bytes-behind-connect": {
    rules: ["2.1.4/trailing"],
    about: "a CONNECT that goes on behind its last field: those bytes are dropped",
  },
  "dup-at-qos-0": {
    rules: ["MQTT-3.3.1-2", "MQTT311-3.3.1-2"],
    about: "a PUBLISH with DUP 1 and QoS 0: taken as DUP 0",
  },
  "empty-client-identifier": {
    rules: ["MQTT311-3.1.3-7", "MQTT311-3.1.3-8"],
    about: "3.1.1: no Client Identifier with Clean Session 0: taken as Clean Session 1",
  },
  "empty-response-topic": {
    rules: ["MQTT-4.7.3-1"],
    about: "5.0: a Response Topic without a character, in a PUBLISH or a Will: taken as none",
  },
  "packet-identifier-0": {
    rules: ["2.2.1/zero", "MQTT311-2.3.1-1"],
    about: "Packet Identifier 0 in a PUBLISH of QoS 1, a SUBSCRIBE or an UNSUBSCRIBE: answered under 0",
  },
  "reserved-flags": {
    rules: ["MQTT-2.1.3-1", "MQTT311-2.2.2-2"],
    about: "wrong flags in the fixed header of PUBACK to UNSUBSCRIBE and of PINGREQ: disregarded",
  },
  "trailing-nul": {
    rules: ["MQTT-1.5.4-2", "MQTT311-1.5.3-2"],
    about: "a Client Identifier or User Name with U+0000 at its end: taken without it",
  },
};

/** A frame that is put right, in bytes of its own; the parts as for `FrameHandler.frame()`. */
export interface MendedFrame {
  readonly bytes: Uint8Array;
  readonly body: number;
  /** The deviations that it had. */
  readonly by: readonly ToleranceName[];
}

/** Stands for Packet Identifier 0 in a frame that is put right. */
export const IDENTIFIER_FOR_0 = 0xffff;

/** Without CONNECT, since TLS begins like one with wrong flags, and DISCONNECT, which has the Will forgotten. */
const HAVE_RESERVED_FLAGS: ReadonlySet<number> = /* @__PURE__ */ new Set([
  PacketType.PUBACK,
  PacketType.PUBREC,
  PacketType.PUBREL,
  PacketType.PUBCOMP,
  PacketType.SUBSCRIBE,
  PacketType.UNSUBSCRIBE,
  PacketType.PINGREQ,
]);

/** §3.1.2.3 bits of the Connect Flags. */
const CLEAN_START = 0x02;
const WILL_FLAG = 0x04;
const PASSWORD = 0x40;
const USER_NAME = 0x80;

/** Bytes `from` to `to` of the frame become `put`. */
interface Edit {
  readonly by: ToleranceName;
  readonly from: number;
  readonly to: number;
  readonly put: ArrayLike<number>;
}

/**
 * The frame `bytes[at, end)`, whose variable header begins at `body`, without the deviations that are tolerated; undefined if it has none
 * of them, or is wrong besides in a way that hides them.
 */
export function mend(
  tolerated: ReadonlySet<ToleranceName>,
  level: ProtocolLevel,
  bytes: Uint8Array,
  at: number,
  body: number,
  end: number,
): MendedFrame | undefined {
  const first = mendFirst(tolerated, level, bytes[at]!);
  const isDone = first >> 4 === PacketType.PUBLISH && !mayHaveWrongFields(tolerated, level, first);
  if (isDone && first === bytes[at]) return undefined;
  const fields = new Fields(tolerated, bytes, body, end);
  try {
    switch (first >> 4) {
      case PacketType.CONNECT:
        connect(fields);
        break;
      case PacketType.PUBLISH:
        publish(fields, first, level);
        break;
      case PacketType.SUBSCRIBE:
      case PacketType.UNSUBSCRIBE:
        fields.identifier();
    }
  } catch (error) {
    if (error instanceof PeerError) return undefined; // the decoder says what is wrong
    throw error;
  }
  if (first !== bytes[at]) {
    fields.edits.unshift({
      by: first >> 4 === PacketType.PUBLISH ? "dup-at-qos-0" : "reserved-flags",
      from: body,
      to: body,
      put: [],
    });
  }
  return fields.edits.length === 0 ? undefined : rewritten(first, fields.edits, bytes, body, end);
}

/** Whether a PUBLISH has fields in which something is tolerated: most have none, and are not looked into. */
function mayHaveWrongFields(
  tolerated: ReadonlySet<ToleranceName>,
  level: ProtocolLevel,
  first: number,
): boolean {
  return (first & 6) === 2 && tolerated.has("packet-identifier-0") ||
    level === 5 && tolerated.has("empty-response-topic");
}

/** §2.1.3, §3.3.1.1 the first byte of a frame without a deviation that is tolerated. */
export function mendFirst(
  tolerated: ReadonlySet<ToleranceName>,
  level: ProtocolLevel,
  first: number,
): number {
  const type = first >> 4;
  if (type === PacketType.PUBLISH) {
    return (first & 14) === 8 && tolerated.has("dup-at-qos-0") ? first & ~8 : first;
  }
  if (!HAVE_RESERVED_FLAGS.has(type) || !tolerated.has("reserved-flags")) return first;
  const has2 = type === PacketType.PUBREL || type === PacketType.SUBSCRIBE || type === PacketType.UNSUBSCRIBE;
  const right = type << 4 | (has2 ? 2 : 0);
  const isDupOf31 = level === 3 && has2 && (first & ~8) === right; // MQTT 3.1 has a DUP flag there
  return isDupOf31 ? first : right;
}

/** §3.1.2, §3.1.3 */
function connect(fields: Fields): void {
  const { reader, tolerated } = fields;
  const name = String.fromCharCode(...reader.binary().subarray(0, 8));
  const level = protocolLevel(name, reader.u8());
  const flagsAt = fields.at;
  const flags = reader.u8();
  reader.u16();
  if (level === 5) fields.properties(PacketType.CONNECT);
  const nameless = fields.text() === 0;
  if (level === 4 && nameless && (flags & CLEAN_START) === 0 && tolerated.has("empty-client-identifier")) {
    const put = [flags | CLEAN_START];
    fields.edits.unshift({ by: "empty-client-identifier", from: flagsAt, to: flagsAt + 1, put });
  }
  if ((flags & WILL_FLAG) !== 0) {
    if (level === 5) fields.properties(WILL);
    reader.binary();
    reader.binary();
  }
  const isThere = () => level !== 3 || reader.left > 0; // MQTT 3.1 lets flagged credentials be missing
  if ((flags & USER_NAME) !== 0 && isThere()) fields.text();
  if ((flags & PASSWORD) !== 0 && isThere()) reader.binary();
  if (reader.left > 0 && tolerated.has("bytes-behind-connect")) {
    fields.edits.push({ by: "bytes-behind-connect", from: fields.at, to: fields.end, put: [] });
  }
}

/** §3.3.2 */
function publish(fields: Fields, first: number, level: ProtocolLevel): void {
  const qos = first >> 1 & 3;
  fields.reader.binary();
  if (qos === 1) fields.identifier(); // under QoS 2 an identifier stands for the message, so 0 cannot
  else if (qos === 2) fields.reader.u16();
  if (level === 5) fields.properties(PacketType.PUBLISH);
}

/** Reads the fields of one frame, and notes what is to be changed, in the order of the bytes. */
class Fields {
  readonly edits: Edit[] = [];
  readonly tolerated: ReadonlySet<ToleranceName>;
  readonly reader: Reader;
  readonly end: number;

  constructor(tolerated: ReadonlySet<ToleranceName>, bytes: Uint8Array, body: number, end: number) {
    this.tolerated = tolerated;
    this.reader = new Reader().aim(bytes, body, end);
    this.end = end;
  }

  /** Where the next field begins. */
  get at(): number {
    return this.end - this.reader.left;
  }

  /** §2.2.1 a Packet Identifier. */
  identifier(): void {
    const from = this.at;
    if (this.reader.u16() !== 0 || !this.tolerated.has("packet-identifier-0")) return;
    const put = [IDENTIFIER_FOR_0 >> 8, IDENTIFIER_FOR_0 & 255];
    this.edits.push({ by: "packet-identifier-0", from, to: from + 2, put });
  }

  /** §1.5.4 the name of a Client or a user; gives its length in bytes without what is cut off. */
  text(): number {
    const from = this.at;
    const text = this.reader.binary();
    let { length } = text;
    if (!this.tolerated.has("trailing-nul")) return length;
    while (length > 0 && text[length - 1] === 0) length--;
    if (length === text.length) return length;
    this.edits.push(
      { by: "trailing-nul", from, to: from + 2, put: [length >> 8, length & 255] },
      { by: "trailing-nul", from: from + 2 + length, to: this.at, put: [] },
    );
    return length;
  }

  /** §2.2.2 properties, perhaps with an empty Response Topic; a second one stays, for it is wrong in another way. */
  properties(place: typeof PacketType.CONNECT | typeof PacketType.PUBLISH | typeof WILL): void {
    const { reader } = this;
    const lengthAt = this.at;
    const length = reader.varint();
    const from = this.at;
    if (place === PacketType.CONNECT || !this.tolerated.has("empty-response-topic")) {
      return this.#skip(length);
    }
    const outer = reader.sub(length);
    const until = from + length;
    const at = () => until - reader.left;
    while (reader.left > 0) {
      const begin = at();
      const row = propertyAt(place, reader.varint());
      if (row === undefined) break;
      const size = sizeOf(reader, row.kind);
      if (row.name !== "responseTopic") continue;
      if (size > 2) break;
      const cut = at() - begin;
      const put = new Uint8Array(varintSize(length - cut));
      putVarint(put, 0, length - cut);
      this.edits.push(
        { by: "empty-response-topic", from: lengthAt, to: from, put },
        { by: "empty-response-topic", from: begin, to: at(), put: [] },
      );
      break;
    }
    reader.resume(outer);
  }

  #skip(length: number): void {
    this.reader.resume(this.reader.sub(length));
  }
}

/** §2.2.2.2 reads over a value; gives its bytes. */
function sizeOf(reader: Reader, kind: PropertyKind): number {
  const before = reader.left;
  switch (kind) {
    case "bit":
    case "boolean":
      reader.u8();
      break;
    case "u16":
      reader.u16();
      break;
    case "u32":
      reader.u32();
      break;
    case "varint":
      reader.varint();
      break;
    case "pair":
      reader.binary();
      reader.binary();
      break;
    default:
      reader.binary();
  }
  return before - reader.left;
}

/** The frame with its edits. */
function rewritten(
  first: number,
  edits: readonly Edit[],
  bytes: Uint8Array,
  body: number,
  end: number,
): MendedFrame {
  const length = edits.reduce((sum, { from, to, put }) => sum + put.length - (to - from), end - body);
  const headerBytes = 1 + varintSize(length);
  const out = new Uint8Array(headerBytes + length);
  out[0] = first;
  putVarint(out, 1, length);
  let at = headerBytes;
  let taken = body;
  for (const { from, to, put } of edits) {
    out.set(bytes.subarray(taken, from), at);
    at += from - taken;
    out.set(put, at);
    at += put.length;
    taken = to;
  }
  out.set(bytes.subarray(taken, end), at);
  return { bytes: out, body: headerBytes, by: [...new Set(edits.map(({ by }) => by))] };
}
