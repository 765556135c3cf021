/**
 * A batch of events as it goes to the thread of the hooks: few objects, and one buffer that is handed over. It costs the thread of the broker
 * a quarter of what an object for each message does.
 * Knows the columns; refuses to know hooks.
 * @module
 */
import type { MessageProperties, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { readProperties } from "../codec/property.ts";
import { Reader } from "../codec/reader.ts";
import { putVarint, varintSize } from "../codec/varint.ts";
import type { PublishEvent } from "./hooks.ts";
import type { Published, RareEvent } from "./event.ts";

/** An event, and which of the hooks for messages it is for. */
export interface Addressed {
  readonly event: RareEvent | Published;
  /** The place of its filter; -1 for what is no message. */
  readonly tap: number;
}

/** A batch. Each column has one value, or as many as it says, for each event of its kind. */
export interface PackedEvents {
  /** For each event. */
  readonly taps: readonly number[];
  readonly rare: readonly RareEvent[];
  readonly topics: readonly string[];
  readonly clientIds: readonly (string | undefined)[];
  /** For each message: time, QoS and RETAIN (4), where its properties end in the buffer, and where its payload does. */
  readonly numbers: readonly number[];
  readonly bytes: ArrayBuffer;
}

const NUMBERS = 4;
const RETAIN = 4;

/** Packs events, which are of no use then. */
export function pack(events: readonly Addressed[]): PackedEvents {
  let length = 0;
  for (const { event } of events) {
    if (event.kind === "publish") length += event.properties.length + event.payload.length;
  }
  const bytes = new Uint8Array(length);
  const rare: RareEvent[] = [];
  const taps: number[] = [];
  const topics: string[] = [];
  const clientIds: (string | undefined)[] = [];
  const numbers: number[] = [];
  let at = 0;
  for (const { event, tap } of events) {
    taps.push(tap);
    if (event.kind !== "publish") {
      rare.push(event);
      continue;
    }
    const { properties, payload } = event;
    bytes.set(properties, at);
    const payloadAt = at + properties.length;
    bytes.set(payload, payloadAt);
    at = payloadAt + payload.length;
    topics.push(event.topic);
    clientIds.push(event.clientId);
    numbers.push(event.at, event.qos | (event.retain ? RETAIN : 0), payloadAt, at);
  }
  return { taps, rare, topics, clientIds, numbers, bytes: bytes.buffer };
}

/** The events of a batch in their order, each with the hook for messages that it is for. */
export function* unpack(
  { taps, rare, topics, clientIds, numbers, bytes }: PackedEvents,
): Generator<{ readonly tap: number; readonly event: RareEvent | PublishEvent }> {
  let [rareAt, messageAt, from] = [0, 0, 0];
  for (const tap of taps) {
    if (tap < 0) {
      yield { tap, event: rare[rareAt++]! };
      continue;
    }
    const ofMessage = numbers.slice(messageAt * NUMBERS, (messageAt + 1) * NUMBERS);
    const [at, flags, payloadAt, end] = ofMessage as [number, number, number, number];
    const properties = new Uint8Array(bytes, from, payloadAt - from);
    const payload = new Uint8Array(bytes, payloadAt, end - payloadAt);
    yield {
      tap,
      event: {
        at,
        clientId: clientIds[messageAt],
        topic: topics[messageAt]!,
        payload,
        qos: (flags & 3) as QoS,
        retain: (flags & RETAIN) !== 0,
        properties: propertiesOf(properties),
        text: () => new TextDecoder().decode(payload),
      },
    };
    messageAt++;
    from = end;
  }
}

/** §3.3.2.3 of the bytes that `readProperties()` wants their length before. */
function propertiesOf(bytes: Uint8Array): MessageProperties {
  if (bytes.length === 0) return {};
  const sized = new Uint8Array(varintSize(bytes.length) + bytes.length);
  sized.set(bytes, putVarint(sized, 0, bytes.length));
  return readProperties(new Reader(sized), PacketType.PUBLISH) ?? {};
}
