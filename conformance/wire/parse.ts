/**
 * §2, §3 The auditor's own mini-parser: what a peer sent, field by field, for judging and for transcripts.
 * Knows layouts; refuses to judge: what cannot be read is named in `faults`, and the rest is given as far as it goes.
 * @module
 */
import { hex, type Level, TYPE } from "./bytes.ts";

/** A property as it came: identifier and value (a number, a text, bytes as hex, or a pair of texts). */
export interface SeenProperty {
  readonly id: number;
  readonly value: number | string | readonly [string, string];
}

/** A packet as it came. Fields that its type does not have are absent. */
export interface Seen {
  readonly type: number;
  /** The low nibble of the first byte. */
  readonly flags: number;
  readonly raw: Uint8Array;
  /** What is wrong with it, by the standard's layout; empty for a well-formed packet. */
  readonly faults: readonly string[];
  readonly id?: number;
  /** Reason Code, or the return code of CONNACK at level 4. */
  readonly code?: number;
  /** §3.9, §3.11 one for each filter. */
  readonly codes?: readonly number[];
  /** Whether the code was on the wire rather than left out. */
  readonly codeWritten?: boolean;
  readonly sessionPresent?: boolean;
  /** §3.2.2.1 the whole byte. */
  readonly acknowledgeFlags?: number;
  readonly topic?: string;
  readonly payload?: Uint8Array;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly dup?: boolean;
  readonly properties: readonly SeenProperty[];
  /** §3.1 of a Client under audit. */
  readonly connect?: SeenConnect;
  /** §3.8.3 and §3.10.3 of a Client under audit. */
  readonly filters?: readonly { readonly filter: string; readonly options?: number }[];
}

/** §3.1 a CONNECT as it came. */
export interface SeenConnect {
  readonly protocolName: string;
  readonly version: number;
  readonly flags: number;
  readonly keepAlive: number;
  readonly clientId: string;
  readonly willTopic?: string;
  readonly willPayload?: Uint8Array;
  readonly willProperties?: readonly SeenProperty[];
  readonly username?: string;
  readonly password?: Uint8Array;
}

/** The values of one property, in order. */
export function valuesOf(seen: Pick<Seen, "properties">, id: number): SeenProperty["value"][] {
  return seen.properties.filter((property) => property.id === id).map((property) => property.value);
}

/** The one value of a property as a number; undefined if it is absent. */
export function numberOf(seen: Pick<Seen, "properties">, id: number): number | undefined {
  const value = valuesOf(seen, id)[0];
  return typeof value === "number" ? value : undefined;
}

/** The one value of a property as a text; undefined if it is absent. */
export function textOf(seen: Pick<Seen, "properties">, id: number): string | undefined {
  const value = valuesOf(seen, id)[0];
  return typeof value === "string" ? value : undefined;
}

/** What is wrong with the properties of a packet that may have only `allowed`, each once but User Property. */
export function strayProperties(seen: Pick<Seen, "properties">, allowed: readonly number[]): string[] {
  const ids = seen.properties.map(({ id }) => id);
  return [
    ...ids.filter((id) => !allowed.includes(id)).map((id) => `property ${id} does not belong there`),
    ...ids.filter((id, at) => id !== 0x26 && ids.indexOf(id) < at).map((id) => `property ${id} comes twice`),
  ];
}

/** The payload of a PUBLISH as text. */
export function payloadText({ payload }: Pick<Seen, "payload">): string {
  return new TextDecoder().decode(payload);
}

/** How many bytes the first packet in `data` takes, 0 if it is not whole yet, -1 if its length is no length. */
export function packetSize(data: Uint8Array): number {
  let length = 0;
  for (let i = 1; i <= 4; i++) {
    if (i >= data.length) return 0;
    length += (data[i]! & 127) * 128 ** (i - 1);
    if (data[i]! < 128) return i + 1 + length <= data.length ? i + 1 + length : 0;
  }
  return -1;
}

/** Reads one whole packet. Never throws. */
export function parse(raw: Uint8Array, level: Level): Seen {
  const cursor = new Cursor(raw, level);
  const type = raw[0]! >> 4;
  const flags = raw[0]! & 15;
  const seen: Mutable<Seen> = { type, flags, raw, faults: cursor.faults, properties: [] };
  cursor.header();
  READERS[type]?.(cursor, seen);
  if (READERS[type] === undefined) cursor.faults.push(`packet type ${type} does not exist`);
  else if (cursor.left > 0) cursor.faults.push(`${cursor.left} bytes behind the end of its fields`);
  if (type !== TYPE.PUBLISH && flags !== (NIBBLE_2.includes(type) ? 2 : 0)) {
    cursor.faults.push(`flags ${flags}`);
  }
  return seen;
}

const NIBBLE_2: readonly number[] = [TYPE.PUBREL, TYPE.SUBSCRIBE, TYPE.UNSUBSCRIBE];

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Read = (cursor: Cursor, seen: Mutable<Seen>) => void;

/** Reads fields one behind the other; what is not there reads as 0 or empty and leaves a fault. */
class Cursor {
  readonly faults: string[] = [];
  readonly level: Level;
  readonly #data: Uint8Array;
  #at = 0;

  constructor(data: Uint8Array, level: Level) {
    this.#data = data;
    this.level = level;
  }

  get left(): number {
    return this.#data.length - this.#at;
  }

  header(): void {
    this.#at = 1;
    this.varint("Remaining Length");
  }

  u8(what: string): number {
    return this.take(1, what)[0] ?? 0;
  }

  u16(what: string): number {
    const [high = 0, low = 0] = this.take(2, what);
    return high << 8 | low;
  }

  u32(what: string): number {
    return this.u16(what) * 65_536 + this.u16(what);
  }

  varint(what: string): number {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const byte = this.u8(what);
      value += (byte & 127) * 128 ** i;
      if (byte > 127) continue;
      if (byte === 0 && i > 0) this.faults.push(`${what} is over-long`);
      return value;
    }
    this.faults.push(`${what} has a fifth byte`);
    return value;
  }

  data(what: string): Uint8Array {
    return this.take(this.u16(what), what);
  }

  text(what: string): string {
    const data = this.data(what);
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
      if (text.includes("\0")) this.faults.push(`${what} has U+0000`);
      return text;
    } catch {
      this.faults.push(`${what} is not UTF-8`);
      return hex(data);
    }
  }

  take(count: number, what: string): Uint8Array {
    if (count > this.left) this.faults.push(`ends inside ${what}`);
    const taken = this.#data.subarray(this.#at, this.#at + count);
    this.#at = Math.min(this.#data.length, this.#at + count);
    return taken;
  }

  rest(): Uint8Array {
    return this.take(this.left, "payload");
  }

  properties(): SeenProperty[] {
    if (this.level !== 5) return [];
    const length = this.varint("Property Length");
    const end = this.left - length;
    const found: SeenProperty[] = [];
    while (this.left > end && this.left > 0) {
      const id = this.varint("Property Identifier");
      const kind = KINDS[id];
      if (kind === undefined) {
        this.faults.push(`property ${id} does not exist`);
        this.take(this.left - Math.max(0, end), "properties");
        break;
      }
      found.push({ id, value: this.#value(kind) });
    }
    if (this.left !== end) this.faults.push("Property Length does not fit its properties");
    return found;
  }

  #value(kind: Kind): SeenProperty["value"] {
    switch (kind) {
      case "u8":
        return this.u8("property");
      case "u16":
        return this.u16("property");
      case "u32":
        return this.u32("property");
      case "varint":
        return this.varint("property");
      case "text":
        return this.text("property");
      case "data":
        return hex(this.data("property"));
      case "pair":
        return [this.text("User Property name"), this.text("User Property value")];
    }
  }
}

type Kind = "u8" | "u16" | "u32" | "varint" | "text" | "data" | "pair";

const KINDS: Readonly<Record<number, Kind>> = {
  0x01: "u8",
  0x02: "u32",
  0x03: "text",
  0x08: "text",
  0x09: "data",
  0x0b: "varint",
  0x11: "u32",
  0x12: "text",
  0x13: "u16",
  0x15: "text",
  0x16: "data",
  0x17: "u8",
  0x18: "u32",
  0x19: "u8",
  0x1a: "text",
  0x1c: "text",
  0x1f: "text",
  0x21: "u16",
  0x22: "u16",
  0x23: "u16",
  0x24: "u8",
  0x25: "u8",
  0x26: "pair",
  0x27: "u32",
  0x28: "u8",
  0x29: "u8",
  0x2a: "u8",
};

function readCoded(cursor: Cursor, seen: Mutable<Seen>): void {
  seen.codeWritten = cursor.left > 0;
  seen.code = seen.codeWritten ? cursor.u8("Reason Code") : 0;
  if (cursor.left > 0) seen.properties = cursor.properties();
}

function readAcknowledgement(cursor: Cursor, seen: Mutable<Seen>): void {
  seen.id = cursor.u16("Packet Identifier");
  if (cursor.level === 5) readCoded(cursor, seen);
}

function readCodes(cursor: Cursor, seen: Mutable<Seen>): void {
  seen.id = cursor.u16("Packet Identifier");
  seen.properties = cursor.properties();
  if (cursor.level === 5 || seen.type === TYPE.SUBACK) seen.codes = [...cursor.rest()];
}

function readFilters(cursor: Cursor, seen: Mutable<Seen>): void {
  seen.id = cursor.u16("Packet Identifier");
  seen.properties = cursor.properties();
  const filters: { filter: string; options?: number }[] = [];
  while (cursor.left > 0) {
    const filter = cursor.text("Topic Filter");
    if (seen.type === TYPE.SUBSCRIBE) filters.push({ filter, options: cursor.u8("Subscription Options") });
    else filters.push({ filter });
  }
  seen.filters = filters;
}

const READERS: Readonly<Record<number, Read>> = {
  [TYPE.CONNECT]: readConnect,
  [TYPE.CONNACK](cursor, seen) {
    seen.acknowledgeFlags = cursor.u8("Connect Acknowledge Flags");
    seen.sessionPresent = (seen.acknowledgeFlags & 1) !== 0;
    seen.code = cursor.u8("Reason Code");
    if (cursor.level === 5) seen.properties = cursor.properties();
  },
  [TYPE.PUBLISH](cursor, seen) {
    seen.qos = (seen.flags >> 1) & 3;
    seen.dup = (seen.flags & 8) !== 0;
    seen.retain = (seen.flags & 1) !== 0;
    seen.topic = cursor.text("Topic Name");
    if (seen.qos > 0) seen.id = cursor.u16("Packet Identifier");
    seen.properties = cursor.properties();
    seen.payload = cursor.rest();
  },
  [TYPE.PUBACK]: readAcknowledgement,
  [TYPE.PUBREC]: readAcknowledgement,
  [TYPE.PUBREL]: readAcknowledgement,
  [TYPE.PUBCOMP]: readAcknowledgement,
  [TYPE.SUBSCRIBE]: readFilters,
  [TYPE.SUBACK]: readCodes,
  [TYPE.UNSUBSCRIBE]: readFilters,
  [TYPE.UNSUBACK]: readCodes,
  [TYPE.PINGREQ]() {},
  [TYPE.PINGRESP]() {},
  [TYPE.DISCONNECT](cursor, seen) {
    if (cursor.level === 5) readCoded(cursor, seen);
  },
  [TYPE.AUTH]: readCoded,
};

function readConnect(cursor: Cursor, seen: Mutable<Seen>): void {
  const protocolName = cursor.text("Protocol Name");
  const version = cursor.u8("Protocol Version");
  const flags = cursor.u8("Connect Flags");
  const connect: Mutable<SeenConnect> = {
    protocolName,
    version,
    flags,
    keepAlive: cursor.u16("Keep Alive"),
    clientId: "",
  };
  seen.properties = cursor.properties();
  connect.clientId = cursor.text("Client Identifier");
  if ((flags & 4) !== 0) {
    connect.willProperties = cursor.properties();
    connect.willTopic = cursor.text("Will Topic");
    connect.willPayload = cursor.data("Will Payload");
  }
  if ((flags & 128) !== 0) connect.username = cursor.text("User Name");
  if ((flags & 64) !== 0) connect.password = cursor.data("Password");
  seen.connect = connect;
}
