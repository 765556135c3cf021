/**
 * -D: properties of MQTT 5.0 as they are written on a command line.
 * Knows names, packets and values; refuses to know where they go.
 * @module
 */
import { encodeUtf8 } from "../../codec/utf8.ts";
import { CallError } from "../error.ts";
import { nearest } from "../nearest.ts";

/** The packets that have properties of the user's. */
export type PacketName = "connect" | "publish" | "subscribe" | "unsubscribe" | "disconnect" | "will";

/** By packet, by the name that the codec has for a property. */
export type PacketProperties = Readonly<Partial<Record<PacketName, Readonly<Record<string, unknown>>>>>;

type Kind = "bit" | "boolean" | "u16" | "u32" | "varint" | "text" | "binary" | "pair";

interface PropertyRow {
  readonly kind: Kind;
  readonly key: string;
  readonly packets: readonly PacketName[];
}

const MESSAGE: readonly PacketName[] = ["publish", "will"];

/** §2.2.2.2 */
const PROPERTIES: Readonly<Record<string, PropertyRow>> = {
  "payload-format-indicator": { kind: "bit", key: "payloadFormatIndicator", packets: MESSAGE },
  "message-expiry-interval": { kind: "u32", key: "messageExpiryInterval", packets: MESSAGE },
  "content-type": { kind: "text", key: "contentType", packets: MESSAGE },
  "response-topic": { kind: "text", key: "responseTopic", packets: MESSAGE },
  "correlation-data": { kind: "binary", key: "correlationData", packets: MESSAGE },
  "subscription-identifier": { kind: "varint", key: "subscriptionIdentifier", packets: ["subscribe"] },
  "session-expiry-interval": { kind: "u32", key: "sessionExpiry", packets: ["connect", "disconnect"] },
  "authentication-method": { kind: "text", key: "authenticationMethod", packets: ["connect"] },
  "authentication-data": { kind: "binary", key: "authenticationData", packets: ["connect"] },
  "request-response-information": {
    kind: "boolean",
    key: "requestResponseInformation",
    packets: ["connect"],
  },
  "request-problem-information": {
    kind: "boolean",
    key: "requestProblemInformation",
    packets: ["connect"],
  },
  "will-delay-interval": { kind: "u32", key: "willDelayInterval", packets: ["will"] },
  "receive-maximum": { kind: "u16", key: "receiveMaximum", packets: ["connect"] },
  "topic-alias-maximum": { kind: "u16", key: "topicAliasMaximum", packets: ["connect"] },
  "maximum-packet-size": { kind: "u32", key: "maximumPacketSize", packets: ["connect"] },
  "reason-string": { kind: "text", key: "reasonString", packets: ["disconnect"] },
  "user-property": {
    kind: "pair",
    key: "userProperties",
    packets: ["connect", "subscribe", "unsubscribe", "disconnect", ...MESSAGE],
  },
};

/** Why mosquitto's tools have a property that is not in the table. */
const WHY_NOT: Readonly<Record<string, string>> = {
  "topic-alias": "the Client chooses Topic Aliases itself",
};

const PACKETS: readonly PacketName[] = [
  "connect",
  "publish",
  "subscribe",
  "unsubscribe",
  "disconnect",
  "will",
];

const MOST: Readonly<Partial<Record<Kind, number>>> = {
  bit: 1,
  boolean: 1,
  u16: 0xffff,
  u32: 0xffffffff,
  varint: 268_435_455,
};

/**
 * Reads what each -D was given. `sends` are the packets of the command, which is called `command`.
 * @throws {CallError}
 */
export function readProperties(
  groups: readonly (readonly string[])[],
  sends: readonly PacketName[],
  command: string,
): PacketProperties {
  const found: Partial<Record<PacketName, Record<string, unknown>>> = {};
  for (const [packet = "", name = "", value = "", second = ""] of groups) {
    const at = packet.toLowerCase() as PacketName;
    if (!PACKETS.includes(at)) {
      throw new CallError(`-D ${packet}: the first is one of ${PACKETS.join(", ")}`);
    }
    const why = WHY_NOT[name];
    if (why !== undefined) throw new CallError(`-D ${packet} ${name}: ${why}`);
    if (!Object.hasOwn(PROPERTIES, name)) {
      const meant = nearest(name, Object.keys(PROPERTIES));
      const hint = meant === undefined ? Object.keys(PROPERTIES).join(", ") : `did you mean ${meant}?`;
      throw new CallError(`-D ${packet} ${name}: no such property; ${hint}`);
    }
    const { kind, key, packets } = PROPERTIES[name]!;
    if (!packets.includes(at)) {
      throw new CallError(`-D ${packet} ${name}: it goes with ${packets.join(", ")}`);
    }
    if (!sends.includes(at)) throw new CallError(`-D ${packet} ${name}: ${command} sends none`);
    const properties = found[at] ??= {};
    if (kind !== "pair") properties[key] = valueOf(kind, value, `-D ${packet} ${name}`);
    else properties[key] = [...properties[key] as [string, string][] | undefined ?? [], [value, second]];
  }
  return found;
}

function valueOf(kind: Kind, text: string, where: string): unknown {
  if (kind === "text") return text;
  if (kind === "binary") return encodeUtf8(text);
  const most = MOST[kind]!;
  if (!/^\d+$/.test(text) || Number(text) > most) {
    throw new CallError(`${where} takes a whole number from 0 to ${most}, not ${JSON.stringify(text)}`);
  }
  return kind === "boolean" ? text === "1" : Number(text);
}

/** The name on the command line for a key of the codec, for messages. */
export const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(PROPERTIES).map(([name, { key }]) => [key, name]),
);
