/**
 * The PUBLISH packets of this harness: each says in its payload which message it is, and shows damage.
 * Knows payloads and properties; refuses to know who sends and who gets them.
 * @module
 */
import type { MessageProperties, ProtocolLevel, Publish, QoS } from "../../../src/codec/mod.ts";

/** Bytes of a payload without padding. */
const HEAD_BYTES = 4;
/** Seconds until a message expires, for those that do: longer than any run. */
const EXPIRY_SECONDS = 86_400;

/** What a message is to be. */
export interface MessageInit {
  readonly serial: number;
  readonly topic: string;
  readonly qos: QoS;
  readonly retain?: boolean;
  /** Bytes beside its number. */
  readonly padding?: number;
}

/** Its payload. */
export function payloadOf(serial: number, padding: number): Uint8Array {
  const payload = new Uint8Array(HEAD_BYTES + padding);
  new DataView(payload.buffer).setUint32(0, serial);
  for (let i = HEAD_BYTES; i < payload.length; i++) payload[i] = serial * 7 + i * 31;
  return payload;
}

/** Which message it is; undefined if it is damaged. */
export function serialOf(payload: Uint8Array): number | undefined {
  if (payload.length < HEAD_BYTES) return undefined;
  const serial = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  for (let i = HEAD_BYTES; i < payload.length; i++) {
    if (payload[i] !== (serial * 7 + i * 31 & 255)) return undefined;
  }
  return serial;
}

/** §3.3.2.3 of a message of level 5: they must come with it. */
export function propertiesOf(serial: number): MessageProperties {
  return {
    ...(serial % 3 === 0 && { messageExpiryInterval: EXPIRY_SECONDS }),
    ...(serial % 4 === 0 && { contentType: "crash", correlationData: Uint8Array.of(serial & 255) }),
    userProperties: [["serial", `${serial}`], ["serial", "again"]],
  };
}

/** The PUBLISH at this level, sent for the first time. */
export function publishOf(level: ProtocolLevel, init: MessageInit, packetId: number): Publish {
  const { serial, topic, qos, retain = false, padding = 0 } = init;
  return {
    type: 3,
    dup: false,
    qos,
    retain,
    topic,
    payload: payloadOf(serial, padding),
    ...(qos > 0 && { packetId }),
    ...(level === 5 && { properties: propertiesOf(serial) }),
  };
}

/** What is wrong with the properties of a message that was published at one level and came at another; undefined if nothing. */
export function wrongProperties(
  serial: number,
  sent: ProtocolLevel,
  came: ProtocolLevel,
  publish: Publish,
): string | undefined {
  if (came !== 5) return undefined;
  const { topicAlias: _alias, subscriptionIdentifiers: _ids, messageExpiryInterval, ...rest } =
    publish.properties ?? {};
  const { messageExpiryInterval: expiry, ...wanted } = sent === 5 ? propertiesOf(serial) : {};
  const isAged = messageExpiryInterval === undefined || expiry === undefined
    ? messageExpiryInterval === expiry
    : messageExpiryInterval <= expiry;
  if (!isAged) return `Message Expiry Interval is ${messageExpiryInterval}, published with ${expiry}`;
  return text(rest) === text(wanted)
    ? undefined
    : `properties are ${text(rest)}, published with ${text(wanted)}`;
}

function text(properties: MessageProperties): string {
  const { contentType, correlationData, userProperties } = properties;
  return JSON.stringify([contentType, correlationData && [...correlationData], userProperties ?? []]);
}
