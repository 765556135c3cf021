/**
 * §3.1 CONNECT: decodes and encodes at every protocol level; knows nothing of sessions and credentials.
 * @module
 */
import { malformed, PeerError, protocolError, type Rule, UsageError } from "./error.ts";
import { hasWildcard, requireFlags } from "./field.ts";
import type { Connect, ProtocolLevel, QoS, Will } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { readProperties, WILL, writeProperties } from "./property.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** §3.1.2.3 the bits of the Connect Flags. */
const RESERVED = 0x01;
const CLEAN_START = 0x02;
const WILL_FLAG = 0x04;
const WILL_QOS_SHIFT = 3;
const WILL_QOS = 0x18;
const WILL_RETAIN = 0x20;
const PASSWORD = 0x40;
const USER_NAME = 0x80;

/** Bit 7 of the Protocol Version: some brokers' bridges set it; not in the standard. */
const BRIDGE = 0x80;

/** §3.1.2.2 the CONNECT is of a version that does not exist here. `version` lets the caller choose the layout of the answer. */
export class UnsupportedVersion extends PeerError {
  /** The Protocol Version byte as it was sent. */
  readonly version: number;

  /** `rule` says whether it was the name or the version. */
  constructor(rule: Rule, name: string, version: number) {
    super("refused", 0x84, rule, `Protocol ${JSON.stringify(name)} version ${version} is not supported`);
    this.version = version;
  }
}

/** §3.1 reads the body of a CONNECT, at the level that it names. Throws `PeerError` where the format is broken [MQTT-3.1.4-1]. */
export function decodeConnect(reader: Reader, flags: number): Connect {
  requireFlags(flags, 0, "MQTT-2.1.3-1");
  const name = reader.utf8();
  const version = reader.u8();
  const level = protocolLevel(name, version);
  const connectFlags = reader.u8();
  if (level === 3) checkFlagsOf31(connectFlags);
  else checkFlags(connectFlags, level);

  const packet: Connect = {
    type: PacketType.CONNECT,
    level,
    cleanStart: (connectFlags & CLEAN_START) !== 0,
    keepAlive: reader.u16(),
    clientId: "",
  };
  if (version > BRIDGE) packet.bridge = true;
  if (level === 5) {
    const properties = readProperties(reader, PacketType.CONNECT);
    if (properties !== undefined) {
      if (properties.authenticationData !== undefined && properties.authenticationMethod === undefined) {
        throw protocolError("3.1.2.11.10/no-method");
      }
      packet.properties = properties;
    }
  }
  decodePayload(reader, packet, connectFlags); // [MQTT-3.1.3-1]
  reader.end(); // [MQTT-3.1.2-16] [MQTT-3.1.2-18]
  return packet;
}

/** §3.1.2.1 and §3.1.2.2: "MQTT" is 4 or 5, "MQIsdp" is 3. Throws `UnsupportedVersion`. */
export function protocolLevel(name: string, version: number): ProtocolLevel {
  if (name === "MQTT") {
    if (version === 5) return 5;
    if ((version & ~BRIDGE) === 4) return 4;
    throw new UnsupportedVersion("MQTT-3.1.2-2", name, version);
  }
  if (name === "MQIsdp" && (version & ~BRIDGE) === 3) return 3;
  throw new UnsupportedVersion("MQTT-3.1.2-1", name, version);
}

/** §3.1.2.3 the flags that contradict themselves. */
function checkFlags(flags: number, level: ProtocolLevel): void {
  if ((flags & RESERVED) !== 0) throw malformed("MQTT-3.1.2-3");
  if ((flags & WILL_FLAG) === 0) {
    if ((flags & WILL_QOS) !== 0) throw malformed("MQTT-3.1.2-11");
    if ((flags & WILL_RETAIN) !== 0) throw malformed("MQTT-3.1.2-13");
  }
  if ((flags & WILL_QOS) === WILL_QOS) throw malformed("MQTT-3.1.2-12");
  if (level === 4) checkPasswordFlag(flags);
}

/** MQTT 3.1 disregards the bits that later versions reserve. */
function checkFlagsOf31(flags: number): void {
  if ((flags & WILL_FLAG) !== 0 && (flags & WILL_QOS) === WILL_QOS) {
    throw malformed("MQTT-3.1.2-12");
  }
  checkPasswordFlag(flags);
}

function checkPasswordFlag(flags: number): void {
  if ((flags & (USER_NAME | PASSWORD)) === PASSWORD) {
    throw malformed("MQTT311-3.1.2-22");
  }
}

/** §3.1.3 the fields of the payload, each only if its flag says so. */
function decodePayload(reader: Reader, packet: Connect, flags: number): void {
  if (reader.left === 0) throw malformed("MQTT-3.1.3-3");
  packet.clientId = reader.utf8(); // any text [MQTT-3.1.3-4] [MQTT-3.1.3-5]
  if ((flags & WILL_FLAG) !== 0) packet.will = decodeWill(reader, flags, packet.level);
  if ((flags & USER_NAME) !== 0 && isThere(reader, packet.level, "MQTT-3.1.2-17")) {
    packet.username = reader.utf8(); // [MQTT-3.1.3-12]
  }
  if ((flags & PASSWORD) !== 0 && isThere(reader, packet.level, "MQTT-3.1.2-19")) {
    packet.password = reader.binary();
  }
}

/** MQTT 3.1 lets flagged credentials be missing: packets of older Clients end before them. */
function isThere(reader: Reader, level: ProtocolLevel, rule: Rule): boolean {
  if (reader.left > 0) return true;
  if (level === 3) return false;
  throw malformed(rule, "CONNECT without a field that its flags announce");
}

/** §3.1.3.2 to §3.1.3.4. */
function decodeWill(reader: Reader, flags: number, level: ProtocolLevel): Will {
  if (reader.left === 0) throw malformed("MQTT-3.1.2-9");
  const properties = level === 5 ? readProperties(reader, WILL) : undefined;
  const topic = reader.utf8(); // [MQTT-3.1.3-11]
  if (topic === "") throw protocolError("3.1.3.3/empty", "", 0x90);
  if (hasWildcard(topic)) throw protocolError("3.1.3.3/wildcard", "", 0x90);
  const will: Will = {
    topic,
    payload: reader.binary(),
    qos: (flags & WILL_QOS) >> WILL_QOS_SHIFT as QoS,
    retain: (flags & WILL_RETAIN) !== 0,
  };
  if (properties !== undefined) will.properties = properties;
  return will;
}

/** §3.1 writes a CONNECT at the level it names. Throws `UsageError`. */
export function encodeConnect(writer: Writer, packet: Connect, _level: ProtocolLevel = packet.level): void {
  const { level, will, username, password, properties } = packet;
  checkConnect(packet);
  writer.begin(PacketType.CONNECT << 4);
  writer.utf8(level === 3 ? "MQIsdp" : "MQTT"); // [MQTT-3.1.2-1]
  writer.u8(packet.bridge === true ? level | BRIDGE : level);
  writer.u8(connectFlags(packet));
  writer.u16(packet.keepAlive);
  if (level === 5) writeProperties(writer, PacketType.CONNECT, properties);
  writer.utf8(packet.clientId);
  if (will !== undefined) {
    if (level === 5) writeProperties(writer, WILL, will.properties);
    writer.utf8(will.topic);
    writer.binary(will.payload);
  }
  if (username !== undefined) writer.utf8(username);
  if (password !== undefined) writer.binary(password);
  writer.end();
}

function connectFlags({ cleanStart, will, username, password }: Connect): number {
  let flags = cleanStart ? CLEAN_START : 0;
  if (will !== undefined) flags |= WILL_FLAG | will.qos << WILL_QOS_SHIFT | (will.retain ? WILL_RETAIN : 0);
  if (username !== undefined) flags |= USER_NAME;
  if (password !== undefined) flags |= PASSWORD;
  return flags;
}

function checkConnect(
  { level, bridge, cleanStart, clientId, will, username, password, properties }: Connect,
): void {
  if (level !== 3 && level !== 4 && level !== 5) {
    throw new UsageError(`Protocol level ${level} [MQTT-3.1.2-2]`);
  }
  if (bridge === true && level === 5) {
    throw new UsageError("There is no bridge bit at level 5 [MQTT-3.1.2-2]");
  }
  if (level === 4 && clientId === "" && !cleanStart) {
    throw new UsageError("Empty Client Identifier without Clean Session [MQTT311-3.1.3-7]");
  }
  if (level === 3 && clientId === "") throw new UsageError("Empty Client Identifier [3.1.3.1/level-3-empty]");
  if (level < 5 && password !== undefined && username === undefined) {
    throw new UsageError("Password without User Name [MQTT311-3.1.2-22]");
  }
  if (properties?.authenticationData !== undefined && properties.authenticationMethod === undefined) {
    throw new UsageError("Authentication Data without Authentication Method [3.1.2.11.10/no-method]");
  }
  if (will === undefined) return;
  if (will.qos !== 0 && will.qos !== 1 && will.qos !== 2) {
    throw new UsageError(`Will QoS ${will.qos} [MQTT-3.1.2-12]`);
  }
  if (will.topic === "") throw new UsageError("Empty Will Topic [3.1.3.3/empty]");
  if (hasWildcard(will.topic)) throw new UsageError("Wildcard in the Will Topic [3.1.3.3/wildcard]");
}
