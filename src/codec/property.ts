/**
 * §2.2.2 Properties: one table of identifier, name, wire kind, the packets that may carry each, and the rules broken
 * by a second one or by a value out of range.
 * Knows every rule that one property can break by itself; refuses to know what a property causes.
 * @module
 */
import { malformed, type PeerError, protocolError, type Rule, UsageError } from "./error.ts";
import { hasWildcard } from "./field.ts";
import type {
  AuthProperties,
  ConnackProperties,
  ConnectProperties,
  DisconnectProperties,
  PublishProperties,
  ReasonProperties,
  SubscribeProperties,
  UserProperties,
  WillProperties,
} from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import type { Reader } from "./reader.ts";
import type { ReasonCode } from "./reason_code.ts";
import type { Writer } from "./writer.ts";

/** §3.1.3.2 stands for Will Properties where a packet type is asked for: no packet has type 0. */
export const WILL = 0;

/** Where properties stand, and which. PINGREQ and PINGRESP have none. */
export type PropertiesOf = {
  [WILL]: WillProperties;
  [PacketType.CONNECT]: ConnectProperties;
  [PacketType.CONNACK]: ConnackProperties;
  [PacketType.PUBLISH]: PublishProperties;
  [PacketType.PUBACK]: ReasonProperties;
  [PacketType.PUBREC]: ReasonProperties;
  [PacketType.PUBREL]: ReasonProperties;
  [PacketType.PUBCOMP]: ReasonProperties;
  [PacketType.SUBSCRIBE]: SubscribeProperties;
  [PacketType.SUBACK]: ReasonProperties;
  [PacketType.UNSUBSCRIBE]: { userProperties?: UserProperties };
  [PacketType.UNSUBACK]: ReasonProperties;
  [PacketType.DISCONNECT]: DisconnectProperties;
  [PacketType.AUTH]: AuthProperties;
};
/** A packet type that has properties, or {@linkcode WILL}. */
export type PropertyPlace = keyof PropertiesOf;

/** §2.2.2.2 the types of a property's value; `bit` is a Byte of 0 or 1 kept as number, `boolean` one kept as boolean. */
export type PropertyKind = "bit" | "boolean" | "u16" | "u32" | "varint" | "utf8" | "binary" | "pair";

/** The key of a property in the `properties` of a packet. */
export type PropertyName =
  | keyof WillProperties
  | keyof AuthProperties
  | keyof ConnectProperties
  | keyof ConnackProperties
  | keyof PublishProperties
  | keyof SubscribeProperties
  | keyof DisconnectProperties;

/** The value in {@linkcode PropertyRow.twice} where a property may repeat. */
export const MAY_REPEAT = "";

/** One property. */
export interface PropertyRow {
  /** The Property Identifier. */
  readonly id: number;
  /** The key in `properties`. */
  readonly name: PropertyName;
  /** The type of the value. */
  readonly kind: PropertyKind;
  /** By place: the rule a second one breaks, {@linkcode MAY_REPEAT}, or `undefined` where the property is not allowed. */
  readonly twice: readonly (Rule | typeof MAY_REPEAT | undefined)[];
  /** By place: the rule a value out of range breaks. */
  readonly range: readonly (Rule | undefined)[];
  /** The Reason Code for a value out of range. */
  readonly rangeCode: ReasonCode;
}

/** §2.2.2.2 the row of a Property Identifier in that place; `undefined` where it is not allowed. */
export function propertyAt(place: PropertyPlace, id: number): PropertyRow | undefined {
  return id < IDS ? TABLE.byPlace[place * IDS + id] : undefined;
}

/** §2.2.2.2 whether the standard assigns a Property Identifier at all. */
export function isPropertyId(id: number): boolean {
  for (const row of TABLE.byName.values()) if (row.id === id) return true;
  return false;
}

/** The row of a property's name in `properties`; `undefined` for an unknown one. */
export function propertyByName(name: string): PropertyRow | undefined {
  return TABLE.byName.get(name);
}

/**
 * §2.2.2 reads the Property Length and the properties behind it, in the order of the wire.
 * Without any the result is `undefined`. Throws a {@linkcode PeerError} for whatever one property can do wrong.
 */
export function readProperties<P extends PropertyPlace>(
  reader: Reader,
  place: P,
): PropertiesOf[P] | undefined {
  const length = reader.varint();
  if (length === 0) return undefined;
  const outer = reader.sub(length);
  const found: Found = {};
  while (reader.left > 0) readProperty(reader, place, found);
  reader.resume(outer);
  return found as PropertiesOf[P];
}

/**
 * §2.2.2 writes the Property Length and the properties, in the order of the object's keys.
 * Throws `UsageError` for an unknown key, one that this packet does not have, or a value out of range.
 */
export function writeProperties<P extends PropertyPlace>(
  writer: Writer,
  place: P,
  properties: PropertiesOf[P] | undefined,
): void {
  const start = writer.open(); // [MQTT-2.2.2-1]
  if (properties !== undefined) {
    const given = properties as Found;
    for (const name in given) {
      const value = given[name];
      if (value !== undefined) writeProperty(writer, place, name, value);
    }
  }
  writer.close(start);
}

/** Properties under way: any key may come, the table decides which may stay. */
type Found = Record<string, unknown>;

function readProperty(reader: Reader, place: PropertyPlace, found: Found): void {
  const id = reader.varint();
  const row = propertyAt(place, id);
  if (row === undefined) throw misplaced(id);
  const value = readValue(reader, row, place);
  const twice = row.twice[place]!;
  if (twice === MAY_REPEAT) {
    const list = found[row.name] as unknown[] | undefined;
    if (list === undefined) found[row.name] = [value];
    else list.push(value); // in the order of the wire [MQTT-3.1.3-10]
    return;
  }
  if (found[row.name] !== undefined) throw protocolError(twice, `Property ${row.name} stands twice`);
  found[row.name] = value;
}

/** The rule an identifier breaks that {@linkcode propertyAt} does not know. */
export function misplaced(id: number): PeerError {
  if (!isPropertyId(id)) return malformed("2.2.2.2/unknown", `Property 0x${hex(id)} is unknown`);
  return malformed("2.2.2.2/not-allowed", `Property 0x${hex(id)} is not for this packet`);
}

function readValue(reader: Reader, row: PropertyRow, place: PropertyPlace): unknown {
  switch (row.kind) {
    case "bit":
    case "boolean": {
      const value = reader.u8();
      if (value > 1) throw outOfRange(row, place, value);
      return row.kind === "bit" ? value : value === 1;
    }
    case "u16":
      return inRange(row, place, reader.u16());
    case "u32":
      return inRange(row, place, reader.u32());
    case "varint":
      return inRange(row, place, reader.varint());
    case "utf8": {
      const text = reader.utf8();
      // The only text with a rule beyond UTF-8 is a Topic Name.
      if (row.range[place] !== undefined && text === "") throw emptyTopic(row);
      if (row.range[place] !== undefined && hasWildcard(text)) throw outOfRange(row, place, text);
      return text;
    }
    case "binary":
      return reader.binary();
    case "pair":
      return reader.pair();
  }
}

/** A number's range rule, where it has one, is always "not 0". */
function inRange(row: PropertyRow, place: PropertyPlace, value: number): number {
  if (value === 0 && row.range[place] !== undefined) throw outOfRange(row, place, value);
  return value;
}

function outOfRange(row: PropertyRow, place: PropertyPlace, value: number | string): PeerError {
  return protocolError(row.range[place]!, `Property ${row.name} has the value ${value}`, row.rangeCode);
}

/** A Topic Name has a character. */
function emptyTopic({ name }: PropertyRow): PeerError {
  return protocolError("MQTT-4.7.3-1", `Property ${name} is empty`);
}

function writeProperty(writer: Writer, place: PropertyPlace, name: string, value: unknown): void {
  const row = TABLE.byName.get(name);
  const twice = row?.twice[place];
  if (row === undefined || twice === undefined) {
    throw new UsageError(`Property ${name} is not one of this packet's [2.2.2.2/not-allowed]`);
  }
  if (twice !== MAY_REPEAT) return writeValue(writer, row, place, value);
  if (!Array.isArray(value)) throw unwritable(row, place, value);
  for (const each of value) writeValue(writer, row, place, each); // [MQTT-3.1.3-10]
}

function writeValue(writer: Writer, row: PropertyRow, place: PropertyPlace, value: unknown): void {
  writer.varint(row.id);
  switch (row.kind) {
    case "bit":
      if (value !== 0 && value !== 1) throw unwritable(row, place, value);
      return writer.u8(value);
    case "boolean":
      if (typeof value !== "boolean") throw unwritable(row, place, value);
      return writer.u8(value ? 1 : 0);
    case "u16":
      return writer.u16(writable(row, place, value));
    case "u32":
      return writer.u32(writable(row, place, value));
    case "varint":
      return writer.varint(writable(row, place, value));
    case "utf8":
      if (typeof value !== "string") throw unwritable(row, place, value);
      if (row.range[place] !== undefined && value === "") {
        throw new UsageError(`Property ${row.name} is empty [MQTT-4.7.3-1]`);
      }
      if (row.range[place] !== undefined && hasWildcard(value)) throw unwritable(row, place, value);
      return writer.utf8(value);
    case "binary":
      if (!(value instanceof Uint8Array)) throw unwritable(row, place, value);
      return writer.binary(value);
    case "pair":
      if (!isPair(value)) throw unwritable(row, place, value);
      return writer.pair(value);
  }
}

function isPair(value: unknown): value is readonly [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === "string");
}

function writable(row: PropertyRow, place: PropertyPlace, value: unknown): number {
  const isZero = value === 0 && row.range[place] !== undefined;
  if (typeof value !== "number" || isZero) throw unwritable(row, place, value);
  return value;
}

function unwritable(row: PropertyRow, place: PropertyPlace, value: unknown): UsageError {
  const shown = typeof value === "object" && value !== null ? "an object" : String(value);
  return new UsageError(`Property ${row.name} cannot be ${shown} [${row.range[place] ?? row.kind}]`);
}

function hex(value: number): string {
  return value.toString(16).toUpperCase().padStart(2, "0");
}

/** One more than the highest identifier. */
const IDS = 0x2b;

interface PropertyTable {
  /** The row of an identifier in a place is at `place * IDS + id`. */
  readonly byPlace: readonly (PropertyRow | undefined)[];
  readonly byName: ReadonlyMap<string, PropertyRow>;
}

const TABLE: PropertyTable = /* @__PURE__ */ propertyTable();

/** A function, so that a bundle without properties can leave the table out. */
function propertyTable(): PropertyTable {
  const byPlace: (PropertyRow | undefined)[] = new Array(16 * IDS).fill(undefined);
  const byName = new Map<string, PropertyRow>();
  const { PINGREQ: _, PINGRESP: __, ...others } = PacketType;
  const everywhere: readonly number[] = [WILL, ...Object.values(others)];

  /** `rules`: those that a second one breaks, and those that a value out of range does; without any it may stand, and repeat, everywhere. */
  function row(id: number, name: PropertyName, kind: PropertyKind, ...rules: Rule[]): void {
    const twice: (Rule | typeof MAY_REPEAT | undefined)[] = new Array(16).fill(undefined);
    const range: (Rule | undefined)[] = new Array(16).fill(undefined);
    const added = { id, name, kind, twice, range, rangeCode: id === 0x23 ? 0x94 : 0x82 } as const;
    byName.set(name, added);
    for (const rule of rules) (rule.endsWith("/twice") ? twice : range)[placeOf(rule)] = rule;
    for (const place of rules.length === 0 ? everywhere : rules.map(placeOf)) {
      twice[place] ??= MAY_REPEAT;
      byPlace[place * IDS + id] = added;
    }
  }

  row(
    0x01,
    "payloadFormatIndicator",
    "bit",
    "3.3.2.3.2/twice",
    "3.1.3.2.3/twice",
    "3.3.2.3.2/range",
    "3.1.3.2.3/range",
  );
  row(0x02, "messageExpiryInterval", "u32", "3.3.2.3.3/twice", "3.1.3.2.4/twice");
  row(0x03, "contentType", "utf8", "3.3.2.3.9/twice", "3.1.3.2.5/twice"); // [MQTT-3.3.2-19]
  row(
    0x08,
    "responseTopic",
    "utf8", // [MQTT-3.3.2-13]
    "3.3.2.3.5/twice",
    "3.1.3.2.6/twice",
    "MQTT-3.3.2-14",
    "3.1.3.2.6/wildcard",
  );
  row(0x09, "correlationData", "binary", "3.3.2.3.6/twice", "3.1.3.2.7/twice");
  row(0x0b, "subscriptionIdentifier", "varint", "3.8.2.1.2/twice", "3.8.2.1.2/zero");
  row(0x0b, "subscriptionIdentifiers", "varint", "3.3.2.3.8/zero");
  row(0x11, "sessionExpiryInterval", "u32", "3.1.2.11.2/twice", "3.2.2.3.2/twice", "3.14.2.2.2/twice");
  row(0x12, "assignedClientIdentifier", "utf8", "3.2.2.3.7/twice");
  row(0x13, "serverKeepAlive", "u16", "3.2.2.3.14/twice");
  row(0x15, "authenticationMethod", "utf8", "3.1.2.11.9/twice", "3.2.2.3.17/twice", "3.15.2.2.2/twice");
  row(0x16, "authenticationData", "binary", "3.1.2.11.10/twice", "3.2.2.3.18/twice", "3.15.2.2.3/twice");
  row(0x17, "requestProblemInformation", "boolean", "3.1.2.11.7/twice", "3.1.2.11.7/range");
  row(0x18, "willDelayInterval", "u32", "3.1.3.2.2/twice");
  row(0x19, "requestResponseInformation", "boolean", "3.1.2.11.6/twice", "3.1.2.11.6/range");
  row(0x1a, "responseInformation", "utf8", "3.2.2.3.15/twice");
  row(0x1c, "serverReference", "utf8", "3.2.2.3.16/twice", "3.14.2.2.5/twice");
  row(
    0x1f,
    "reasonString",
    "utf8",
    "3.2.2.3.9/twice",
    "3.4.2.2.2/twice",
    "3.5.2.2.2/twice",
    "3.6.2.2.2/twice",
    "3.7.2.2.2/twice",
    "3.9.2.1.2/twice",
    "3.11.2.1.2/twice",
    "3.14.2.2.3/twice",
    "3.15.2.2.4/twice",
  );
  row(
    0x21,
    "receiveMaximum",
    "u16",
    "3.1.2.11.3/twice",
    "3.2.2.3.3/twice",
    "3.1.2.11.3/zero",
    "3.2.2.3.3/zero",
  );
  row(0x22, "topicAliasMaximum", "u16", "3.1.2.11.5/twice", "3.2.2.3.8/twice");
  row(0x23, "topicAlias", "u16", "3.3.2.3.4/twice", "MQTT-3.3.2-8");
  row(0x24, "maximumQos", "bit", "3.2.2.3.4/twice", "3.2.2.3.4/range");
  row(0x25, "retainAvailable", "boolean", "3.2.2.3.5/twice", "3.2.2.3.5/range");
  row(0x26, "userProperties", "pair");
  row(
    0x27,
    "maximumPacketSize",
    "u32",
    "3.1.2.11.4/twice",
    "3.2.2.3.6/twice",
    "3.1.2.11.4/zero",
    "3.2.2.3.6/zero",
  );
  row(0x28, "wildcardSubscriptionAvailable", "boolean", "3.2.2.3.11/twice", "3.2.2.3.11/range");
  row(0x29, "subscriptionIdentifiersAvailable", "boolean", "3.2.2.3.12/twice", "3.2.2.3.12/range");
  row(0x2a, "sharedSubscriptionAvailable", "boolean", "3.2.2.3.13/twice", "3.2.2.3.13/range");
  return { byPlace, byName };
}

/** The section of a rule names its place: 3.N is of packet type N, and 3.1.3 of the Will. */
function placeOf(rule: Rule): number {
  return rule.startsWith("3.1.3") ? WILL : Number(/3\.(\d+)/.exec(rule)![1]);
}
