/**
 * Packets to throw: generated ones of every type, and conversations as a real Client would have them.
 * Knows the codec and chance; refuses to know how they are sent.
 * @module
 */
import fc from "fast-check";
import {
  type Auth,
  type Connect,
  encodePacket,
  type Packet,
  PacketType,
  type ProtocolLevel,
  type Publish,
  type QoS,
  type Subscribe,
  type Will,
} from "../../../src/codec/mod.ts";
import * as arbitrary from "../../../src/testing/arbitrary.ts";
import { connectOf } from "../../lib/raw_client.ts";
import type { Dice } from "./dice.ts";

/** The levels. */
export const LEVELS: readonly ProtocolLevel[] = [3, 4, 5];

/** Packets generated at a time. */
const BATCH = 200;

/** Generated packets, each used once. */
export class GeneratedPackets {
  readonly #dice: Dice;
  readonly #ready: Map<ProtocolLevel, Uint8Array[]> = new Map();

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** The next one of that level. */
  next(level: ProtocolLevel): Uint8Array {
    let ready = this.#ready.get(level);
    if (ready === undefined || ready.length === 0) {
      const packets = fc.sample(arbitrary.packet(level), { seed: this.#dice.below(2 ** 31), numRuns: BATCH });
      ready = packets.map((packet) => encodePacket(packet, level));
      this.#ready.set(level, ready);
    }
    return ready.pop()!;
  }
}

/** A few identifiers, so that sessions are resumed and taken over. */
export function clientId(dice: Dice): string {
  return `visitor-${dice.below(40)}`;
}

/** One of a hundred Topic Names. */
export function topicName(dice: Dice): string {
  return `t/${dice.below(10)}/${dice.below(10)}`;
}

/** Filters that overlap, and shared ones. */
export function topicFilter(dice: Dice): string {
  const filter = dice.pick([
    "#",
    "t/#",
    "t/+/#",
    "+/+/3",
    "t/5/+",
    "canary/#",
    topicName(dice),
    topicName(dice),
    topicName(dice),
  ]);
  return dice.chance(30) ? `$share/group-${dice.below(4)}/${filter}` : filter;
}

function qosOf(dice: Dice): QoS {
  return dice.pick<QoS>([0, 1, 2]);
}

/** A payload: mostly short, at times long enough to be shared between receivers. */
export function payload(dice: Dice): Uint8Array {
  return dice.chance(4) ? new Uint8Array(dice.between(16_000, 60_000)) : dice.bytes(dice.below(200));
}

/** A CONNECT as Clients send it. */
export function connect(level: ProtocolLevel, dice: Dice): Connect {
  const will: Will = {
    topic: topicName(dice),
    payload: dice.bytes(20),
    qos: qosOf(dice),
    retain: dice.chance(20),
  };
  if (level === 5 && dice.chance(50)) will.properties = { willDelayInterval: dice.below(3) };
  return connectOf(level, clientId(dice), {
    cleanStart: dice.chance(40),
    keepAlive: dice.pick([0, 1, 2, 60]),
    ...(dice.chance(40) && { will }),
    ...(dice.chance(30) && { username: "somebody", password: dice.bytes(8) }),
    ...(level === 5 && {
      properties: {
        ...(dice.chance(60) && { sessionExpiryInterval: dice.pick([0, 1, 2, 0xffff_ffff]) }),
        ...(dice.chance(40) && { receiveMaximum: dice.pick([1, 2, 10, 65_535]) }),
        ...(dice.chance(20) && { maximumPacketSize: dice.pick([20, 100, 5_000, 100_000]) }),
        ...(dice.chance(40) && { topicAliasMaximum: dice.pick([1, 5, 1_000]) }),
        ...(dice.chance(20) && { requestProblemInformation: dice.chance(50) }),
        ...(dice.chance(10) && { authenticationMethod: "m" }),
      },
    }),
  });
}

/** §4.12 what a Client with an Authentication Method says next: 0x18 to go on, 0x19 to begin anew. */
export function auth(reasonCode: 0x18 | 0x19): Auth {
  const properties = { authenticationMethod: "m", authenticationData: Uint8Array.of(4, 5) };
  return { type: PacketType.AUTH, reasonCode, properties };
}

/** A SUBSCRIBE as Clients send it. */
export function subscribe(level: ProtocolLevel, dice: Dice): Subscribe {
  const subscriptions = Array.from({ length: dice.between(1, 4) }, () => {
    const filter = topicFilter(dice);
    const five = level === 5;
    return {
      filter,
      qos: qosOf(dice),
      noLocal: five && !filter.startsWith("$share") && dice.chance(20),
      retainAsPublished: five && dice.chance(30),
      retainHandling: five ? dice.pick<0 | 1 | 2>([0, 1, 2]) : 0 as const,
    };
  });
  const packet: Subscribe = { type: PacketType.SUBSCRIBE, packetId: dice.between(1, 65_535), subscriptions };
  if (level === 5 && dice.chance(30)) packet.properties = { subscriptionIdentifier: dice.between(1, 300) };
  return packet;
}

/** A PUBLISH as Clients send it, under that identifier. */
export function publish(level: ProtocolLevel, dice: Dice, packetId: number): Publish {
  const qos = qosOf(dice);
  const packet: Publish = {
    type: PacketType.PUBLISH,
    dup: qos > 0 && dice.chance(5),
    qos,
    retain: dice.chance(10),
    topic: topicName(dice),
    payload: dice.chance(5) ? new Uint8Array(0) : payload(dice),
  };
  if (qos > 0) packet.packetId = packetId;
  if (level === 5 && dice.chance(40)) {
    packet.properties = {
      ...(dice.chance(40) && { messageExpiryInterval: dice.pick([0, 1, 60]) }),
      ...(dice.chance(40) && { userProperties: [["name", "value"], ["name", "other"]] }),
      ...(dice.chance(30) && { responseTopic: topicName(dice), correlationData: dice.bytes(8) }),
      ...(dice.chance(30) && { topicAlias: dice.between(1, 20) }),
    };
  }
  return packet;
}

/** A whole conversation, frame by frame. */
export function conversation(level: ProtocolLevel, dice: Dice): Uint8Array[] {
  const packets: Packet[] = [connect(level, dice), subscribe(level, dice)];
  for (let i = dice.between(1, 12); i > 0; i--) {
    const packetId = dice.between(1, 10);
    packets.push(
      dice.pick<() => Packet>([
        () => publish(level, dice, packetId),
        () => publish(level, dice, packetId),
        () => ({ type: PacketType.PUBREL, packetId, reasonCode: 0 }),
        () => ({ type: PacketType.PUBACK, packetId, reasonCode: 0 }),
        () => ({ type: PacketType.PUBREC, packetId, reasonCode: 0 }),
        () => ({ type: PacketType.PUBCOMP, packetId, reasonCode: 0 }),
        () => ({ type: PacketType.PINGREQ }),
        () => subscribe(level, dice),
        () => ({ type: PacketType.UNSUBSCRIBE, packetId, filters: [topicFilter(dice)] }),
      ])(),
    );
  }
  if (dice.chance(50)) packets.push({ type: PacketType.DISCONNECT, reasonCode: 0 });
  return packets.map((packet) => encodePacket(packet, level));
}
