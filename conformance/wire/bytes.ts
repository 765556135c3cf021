/**
 * §1.5, §2, §3 The auditor's own byte language: packets as they should be, and every way to get them wrong.
 * Knows bytes; shares nothing with the codec, whose faults it is to find.
 * @module
 */

/** Bytes, or parts of them in order. */
export type Part = number | string | Uint8Array | readonly Part[];

/** The packet types by name. */
export const TYPE = {
  CONNECT: 1,
  CONNACK: 2,
  PUBLISH: 3,
  PUBACK: 4,
  PUBREC: 5,
  PUBREL: 6,
  PUBCOMP: 7,
  SUBSCRIBE: 8,
  SUBACK: 9,
  UNSUBSCRIBE: 10,
  UNSUBACK: 11,
  PINGREQ: 12,
  PINGRESP: 13,
  DISCONNECT: 14,
  AUTH: 15,
} as const;

/** Puts parts together: a number is one byte, a text its UTF-8 bytes without a length. */
export function bytes(...parts: readonly Part[]): Uint8Array {
  const flat: (number | Uint8Array)[] = [];
  const length = gather(parts, flat);
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of flat) {
    if (typeof part === "number") out[at++] = part;
    else {
      out.set(part, at);
      at += part.length;
    }
  }
  return out;
}

/** Flattens `part` into `into`; returns how many bytes that are. */
function gather(part: Part, into: (number | Uint8Array)[]): number {
  if (typeof part === "number" || part instanceof Uint8Array) {
    into.push(part);
    return typeof part === "number" ? 1 : part.length;
  }
  if (typeof part === "string") return gather(new TextEncoder().encode(part), into);
  let length = 0;
  for (const one of part) length += gather(one, into);
  return length;
}

/** §1.5.2 */
export function u16(value: number): Uint8Array {
  return bytes(value >> 8, value);
}

/** §1.5.3 */
export function u32(value: number): Uint8Array {
  return bytes(value >>> 24, value >>> 16, value >>> 8, value);
}

/** §1.5.5 in its shortest form. */
export function varint(value: number): Uint8Array {
  const out: number[] = [];
  do {
    out.push((value & 127) | (value > 127 ? 128 : 0));
    value = Math.floor(value / 128);
  } while (value > 0);
  return Uint8Array.from(out);
}

/** §1.5.4 and §1.5.6: a length of two bytes, then the content, whatever it is. */
export function field(content: Part): Uint8Array {
  const inner = bytes(content);
  return bytes(u16(inner.length), inner);
}

/** §2.1 a packet: first byte, Remaining Length, body. */
export function packet(type: number, flags: number, ...body: readonly Part[]): Uint8Array {
  const inner = bytes(...body);
  return bytes(type << 4 | flags, varint(inner.length), inner);
}

/** §2.2.2 Properties by their identifiers, value encoded. */
export const property = {
  payloadFormat: (value: number): Uint8Array => bytes(0x01, value),
  messageExpiry: (seconds: number): Uint8Array => bytes(0x02, u32(seconds)),
  contentType: (text: Part): Uint8Array => bytes(0x03, field(text)),
  responseTopic: (text: Part): Uint8Array => bytes(0x08, field(text)),
  correlationData: (data: Part): Uint8Array => bytes(0x09, field(data)),
  subscriptionIdentifier: (value: number): Uint8Array => bytes(0x0b, varint(value)),
  sessionExpiry: (seconds: number): Uint8Array => bytes(0x11, u32(seconds)),
  assignedClientIdentifier: (text: Part): Uint8Array => bytes(0x12, field(text)),
  serverKeepAlive: (seconds: number): Uint8Array => bytes(0x13, u16(seconds)),
  authenticationMethod: (text: Part): Uint8Array => bytes(0x15, field(text)),
  authenticationData: (data: Part): Uint8Array => bytes(0x16, field(data)),
  requestProblemInformation: (value: number): Uint8Array => bytes(0x17, value),
  willDelay: (seconds: number): Uint8Array => bytes(0x18, u32(seconds)),
  requestResponseInformation: (value: number): Uint8Array => bytes(0x19, value),
  responseInformation: (text: Part): Uint8Array => bytes(0x1a, field(text)),
  serverReference: (text: Part): Uint8Array => bytes(0x1c, field(text)),
  reasonString: (text: Part): Uint8Array => bytes(0x1f, field(text)),
  receiveMaximum: (value: number): Uint8Array => bytes(0x21, u16(value)),
  topicAliasMaximum: (value: number): Uint8Array => bytes(0x22, u16(value)),
  topicAlias: (value: number): Uint8Array => bytes(0x23, u16(value)),
  maximumQos: (value: number): Uint8Array => bytes(0x24, value),
  retainAvailable: (value: number): Uint8Array => bytes(0x25, value),
  userProperty: (name: Part, value: Part): Uint8Array => bytes(0x26, field(name), field(value)),
  maximumPacketSize: (value: number): Uint8Array => bytes(0x27, u32(value)),
  wildcardAvailable: (value: number): Uint8Array => bytes(0x28, value),
  identifiersAvailable: (value: number): Uint8Array => bytes(0x29, value),
  sharedAvailable: (value: number): Uint8Array => bytes(0x2a, value),
} as const;

/** §2.2.2 Property Length and properties. */
export function properties(...all: readonly Part[]): Uint8Array {
  const inner = bytes(...all);
  return bytes(varint(inner.length), inner);
}

/** What a packet has of properties: parts without their length, or the whole section as it is to be sent. */
export type Properties = readonly Part[] | Uint8Array;

function section(all: Properties = []): Uint8Array {
  return all instanceof Uint8Array ? all : properties(...all);
}

/** The versions of the standard by their level. */
export type Level = 4 | 5;

/** What `connect()` builds; everything can be overridden, right or wrong. */
export interface ConnectParts {
  readonly level: Level;
  /** The field as parts, length included; default `MQTT`. */
  readonly protocolName?: Part;
  /** The byte on the wire; default `level`. */
  readonly version?: number;
  readonly clientId?: Part;
  readonly cleanStart?: boolean;
  readonly keepAlive?: number;
  /** Level 5 only. */
  readonly properties?: Properties;
  readonly will?: {
    readonly topic: Part;
    readonly payload?: Part;
    readonly qos?: number;
    readonly retain?: boolean;
    readonly properties?: Properties;
  };
  readonly username?: Part;
  readonly password?: Part;
  /** The Connect Flags in place of the flags that follow from the rest. */
  readonly flags?: number;
  /** The low nibble of the first byte. */
  readonly headerFlags?: number;
}

/** §3.1 */
export function connect(parts: ConnectParts): Uint8Array {
  const { level, will, username, password } = parts;
  const five = level === 5;
  const flags = parts.flags ??
    ((parts.cleanStart === false ? 0 : 2) |
      (will === undefined ? 0 : 4 | (will.qos ?? 0) << 3 | (will.retain === true ? 32 : 0)) |
      (password === undefined ? 0 : 64) | (username === undefined ? 0 : 128));
  return packet(
    TYPE.CONNECT,
    parts.headerFlags ?? 0,
    parts.protocolName ?? field("MQTT"),
    parts.version ?? level,
    flags,
    u16(parts.keepAlive ?? 0),
    five ? section(parts.properties) : [],
    field(parts.clientId ?? ""),
    will === undefined ? [] : [
      five ? section(will.properties) : [],
      field(will.topic),
      field(will.payload ?? ""),
    ],
    username === undefined ? [] : field(username),
    password === undefined ? [] : field(password),
  );
}

/** What `publish()` builds. */
export interface PublishParts {
  readonly level: Level;
  readonly topic: Part;
  readonly payload?: Part;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly dup?: boolean;
  /** Written if the QoS is above 0. */
  readonly id?: number;
  readonly properties?: Properties;
  /** The low nibble of the first byte in place of the one that follows from the rest. */
  readonly headerFlags?: number;
}

/** §3.3 */
export function publish(parts: PublishParts): Uint8Array {
  const { level, qos = 0 } = parts;
  const flags = parts.headerFlags ??
    ((parts.dup === true ? 8 : 0) | qos << 1 | (parts.retain === true ? 1 : 0));
  return packet(
    TYPE.PUBLISH,
    flags,
    field(parts.topic),
    qos > 0 ? u16(parts.id ?? 1) : [],
    level === 5 ? section(parts.properties) : [],
    parts.payload ?? "",
  );
}

/** §3.4–3.7 an acknowledgement; without code and properties the two are left out. */
export function acknowledgement(
  type: 4 | 5 | 6 | 7,
  id: number,
  code?: number,
  all?: Properties,
): Uint8Array {
  const tail = code === undefined ? [] : [code, all === undefined ? [] : section(all)];
  return packet(type, type === TYPE.PUBREL ? 2 : 0, u16(id), tail);
}

/** §3.8 filters with their options byte. */
export function subscribe(
  level: Level,
  id: number,
  filters: readonly (readonly [filter: Part, options: number])[],
  all: Properties = [],
): Uint8Array {
  const body = filters.map(([filter, options]) => [field(filter), options]);
  return packet(TYPE.SUBSCRIBE, 2, u16(id), level === 5 ? section(all) : [], body);
}

/** What an options byte can say beside the QoS. */
export interface OptionBits {
  readonly noLocal?: boolean;
  readonly retainAsPublished?: boolean;
  readonly retainHandling?: number;
}

/** §3.8.3.1 the options byte. */
export function options(
  qos: number,
  { noLocal = false, retainAsPublished = false, retainHandling = 0 }: OptionBits = {},
): number {
  return qos | (noLocal ? 4 : 0) | (retainAsPublished ? 8 : 0) | retainHandling << 4;
}

/** §3.10 */
export function unsubscribe(
  level: Level,
  id: number,
  filters: readonly Part[],
  all: Properties = [],
): Uint8Array {
  return packet(TYPE.UNSUBSCRIBE, 2, u16(id), level === 5 ? section(all) : [], filters.map(field));
}

/** §3.12 */
export function pingreq(): Uint8Array {
  return packet(TYPE.PINGREQ, 0);
}

/** §3.14; without code the packet ends behind the header. */
export function disconnect(code?: number, all?: Properties): Uint8Array {
  return packet(
    TYPE.DISCONNECT,
    0,
    code === undefined ? [] : [code, all === undefined ? [] : section(all)],
  );
}

/** §3.15 */
export function auth(code: number, ...all: readonly Part[]): Uint8Array {
  return packet(TYPE.AUTH, 0, code, properties(...all));
}

/** Lower-case hex, two digits a byte, without spaces. */
export function hex(data: Uint8Array): string {
  return [...data].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
