/**
 * Packets of level 5 as bytes laid out beforehand, one or a hundred thousand of them.
 * Knows the codec; refuses to know what they do to a broker.
 * @module
 */
import { encodePacket, PacketType, type PublishProperties, type QoS } from "../../../src/codec/mod.ts";
import type { Connect } from "../../../src/codec/mod.ts";
import { connectOf } from "../../lib/raw_client.ts";

const LEVEL = 5;
/** What one SUBSCRIBE of many holds at most: less than any limit on packets. */
const SUBSCRIBE_BYTES = 32 * 1024;
const OPTIONS = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;

/** A PINGREQ. */
export const PINGREQ: Uint8Array = encodePacket({ type: PacketType.PINGREQ }, LEVEL);

/** A DISCONNECT with 0x00. */
export const DISCONNECT: Uint8Array = encodePacket({ type: PacketType.DISCONNECT, reasonCode: 0 }, LEVEL);

/** 0, 1, 2 and so on. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** User Properties of about that many bytes, none of their strings above 32,000. */
export function userPropertiesOf(bytes: number): [string, string][] {
  const each = Math.min(32_000, Math.floor(bytes / 2) - 200);
  return Array(Math.floor(bytes / (2 * each + 5))).fill(["n".repeat(each), "v".repeat(each)]);
}

/** One behind the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The same again and again. */
export function repeated(bytes: Uint8Array, count: number): Uint8Array {
  return joined(Array<Uint8Array>(count).fill(bytes));
}

/** `count` of what `make` gives. */
export function many(count: number, make: (index: number) => Uint8Array): Uint8Array {
  return joined(numbers(count).map(make));
}

/** A CONNECT: clean and without Keep Alive unless more is said. */
export function connect(clientId: string, more: Partial<Connect> = {}): Uint8Array {
  return encodePacket(connectOf(LEVEL, clientId, more), LEVEL);
}

/** One SUBSCRIBE. */
export function subscribe(filters: readonly string[], qos: QoS = 0, packetId = 1): Uint8Array {
  const subscriptions = filters.map((filter) => ({ filter, qos, ...OPTIONS }));
  return encodePacket({ type: PacketType.SUBSCRIBE, packetId, subscriptions }, LEVEL);
}

/** One SUBSCRIBE with the same Topic Filter `count` times. */
export function subscribeAgain(filter: string, count: number): Uint8Array {
  const subscriptions = Array(count).fill({ filter, qos: 0, ...OPTIONS });
  return encodePacket({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions }, LEVEL);
}

/** As many SUBSCRIBE as are needed, none larger than the limits of any broker unless one Topic Filter is. */
export function* subscribes(filters: Iterable<string>, qos: QoS = 0): Generator<Uint8Array> {
  let some: string[] = [];
  let bytes = 0;
  for (const filter of filters) {
    if (bytes > 0 && bytes + filter.length + 3 > SUBSCRIBE_BYTES) {
      yield subscribe(some, qos);
      some = [];
      bytes = 0;
    }
    some.push(filter);
    bytes += filter.length + 3;
  }
  if (bytes > 0) yield subscribe(some, qos);
}

/** One UNSUBSCRIBE. */
export function unsubscribe(filters: readonly string[], packetId = 2): Uint8Array {
  return encodePacket({ type: PacketType.UNSUBSCRIBE, packetId, filters: [...filters] }, LEVEL);
}

/** What a PUBLISH may be. */
export interface PublishInit {
  readonly qos?: QoS;
  readonly packetId?: number;
  readonly retain?: boolean;
  readonly properties?: PublishProperties;
}

/** One PUBLISH; a number is the length of a payload of zeros. */
export function publish(topic: string, payload: Uint8Array | number = 0, init: PublishInit = {}): Uint8Array {
  const { qos = 0, packetId = 1, retain = false, properties } = init;
  return encodePacket({
    type: PacketType.PUBLISH,
    dup: false,
    retain,
    topic,
    payload: typeof payload === "number" ? new Uint8Array(payload) : payload,
    ...qos === 0 ? { qos } : { qos, packetId },
    ...properties && { properties },
  }, LEVEL);
}

/** A PUBREL. */
export function pubrel(packetId: number): Uint8Array {
  return encodePacket({ type: PacketType.PUBREL, packetId, reasonCode: 0 }, LEVEL);
}

/** A text of that length that no other index has. */
export function long(length: number, index: number): string {
  return `${index}`.padStart(6, "0").padStart(length, "x");
}

/** All 2^levels Topic Filters whose levels are `a` or `+`, each with `end` behind it. */
export function* crossed(levels: number, end = ""): Generator<string> {
  for (let bits = 0; bits < 2 ** levels; bits++) {
    let filter = "";
    for (let i = 0; i < levels; i++) filter += `${i > 0 ? "/" : ""}${bits & (1 << i) ? "+" : "a"}`;
    yield filter + end;
  }
}
