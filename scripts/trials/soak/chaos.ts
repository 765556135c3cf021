/**
 * Clients that should not be: each one an act of at most a few seconds, many at once.
 * Knows how to misbehave, and what a broker must do about it; refuses to know how it does that.
 * @module
 */
import {
  type Connect,
  encodePacket,
  type Packet,
  PacketType,
  type ProtocolLevel,
  type Publish,
} from "../../../src/codec/mod.ts";
import { connectOf, RawClient, type RawHandler } from "../../lib/raw_client.ts";
import { Dice } from "./dice.ts";
import { mutate } from "./mutate.ts";
import * as packets from "./packets.ts";

/** What the acts need to know. */
export interface ChaosOptions {
  readonly port: number;
  readonly seed: number;
  /** Acts at a time. */
  readonly width: number;
  /** The broker ends a connection without CONNECT after this long. */
  readonly connectTimeoutMs: number;
  /** The broker takes packets up to this size. */
  readonly packetBytesMax: number;
  /** How much later than it should the broker may be, on a busy machine. */
  readonly marginMs: number;
  /** Told what is wrong. */
  readonly problem: (text: string) => void;
}

type Act = (chaos: Chaos) => Promise<void>;

/** No act waits longer for the broker to end a connection of which it does not know that it will be ended. */
const PATIENCE_MS = 400;

/** Many acts at once, from one seed. */
export class Chaos {
  readonly options: ChaosOptions;
  readonly dice: Dice;
  readonly generated: packets.GeneratedPackets;
  /** Acts done, by name. */
  readonly done: Map<string, number> = new Map();
  connections = 0;
  packets = 0;
  bytes = 0;
  #stopping = false;

  constructor(options: ChaosOptions) {
    this.options = options;
    this.dice = new Dice(options.seed);
    this.generated = new packets.GeneratedPackets(this.dice);
  }

  /** Acts until `stop()`; resolves when the last act is over. */
  async run(): Promise<void> {
    const lanes = Array.from({ length: this.options.width }, async () => {
      while (!this.#stopping) await this.#act();
    });
    await Promise.all(lanes);
  }

  /** Begins no more acts. */
  stop(): void {
    this.#stopping = true;
  }

  async #act(): Promise<void> {
    const name = this.dice.pick(PLAN);
    try {
      await ACTS[name]!(this);
    } catch (error) {
      this.options.problem(`Act ${name}: ${error instanceof Error ? error.message : error}`);
    }
    this.done.set(name, (this.done.get(name) ?? 0) + 1);
  }

  /** A connection that is made; without a handler nothing that comes is looked at. */
  async connect(level: ProtocolLevel, handler: RawHandler = {}): Promise<RawClient> {
    const { problem } = this.options;
    const client = new RawClient(this.options.port, level, {
      broken: (error) => problem(`A Client of level ${level} gets what is no packet: ${error}`),
      ...handler,
    });
    this.connections++;
    await client.connected();
    return client;
  }

  /** Sends bytes, at times in pieces that the network could make of them. */
  async write(client: RawClient, bytes: Uint8Array): Promise<void> {
    this.bytes += bytes.length;
    if (this.dice.chance(70)) return client.write(bytes);
    for (let at = 0; at < bytes.length && !client.over;) {
      const to = at + this.dice.between(1, Math.max(1, bytes.length >> 2));
      client.write(bytes.subarray(at, to));
      at = to;
      await pause(this.dice.below(5));
    }
  }

  /** Sends a packet. */
  send(client: RawClient, packet: Packet): Promise<void> {
    this.packets++;
    return this.write(client, encodePacket(packet, client.level));
  }

  /** Leaves in one of the ways there are, and waits for the end. */
  async leave(client: RawClient): Promise<void> {
    const { dice } = this;
    if (client.over) return;
    client.thaw();
    switch (dice.below(5)) {
      case 0:
        client.send({ type: PacketType.DISCONNECT, reasonCode: 0 });
        client.end();
        break;
      case 1: // the will is wanted; below level 5 there is only one way to say good-bye
        client.send({ type: PacketType.DISCONNECT, reasonCode: client.level === 5 ? 4 : 0 });
        break;
      case 2:
        client.end();
        break;
      case 3: // says nothing any more
        await endedBy(client, dice.below(PATIENCE_MS));
        client.reset();
        break;
      default:
        client.reset();
    }
    if (!await endedBy(client, PATIENCE_MS)) client.reset();
    await client.closed();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Whether the connection is over within that time. */
async function endedBy(client: RawClient, ms: number): Promise<boolean> {
  return await client.closed(Math.max(1, ms)).then(() => true, () => false);
}

/** Waits for the broker to end a connection, as it must. */
async function mustEnd(chaos: Chaos, client: RawClient, ms: number, why: string): Promise<void> {
  const began = performance.now();
  if (await endedBy(client, ms + chaos.options.marginMs)) return;
  client.reset();
  throw new Error(
    `The broker has not ended a connection ${why} after ${Math.round(performance.now() - began)} ms`,
  );
}

const ACTS: Readonly<Record<string, Act>> = {
  /** Generated packets of one level behind a good CONNECT, a generated one, or none. */
  async generated(chaos) {
    const { dice, generated } = chaos;
    const level = dice.pick(packets.LEVELS);
    const good = dice.chance(75);
    const client = await chaos.connect(level, good ? { packet() {} } : {});
    if (good) await chaos.send(client, packets.connect(level, dice));
    for (let i = dice.between(1, 40); i > 0 && !client.over; i--) {
      chaos.packets++;
      await chaos.write(client, generated.next(level));
      if (dice.chance(20)) await pause(dice.below(10));
    }
    await pause(dice.below(50));
    await chaos.leave(client);
  },

  /** A real conversation, broken. */
  async mutated(chaos) {
    const { dice } = chaos;
    const level = dice.pick(packets.LEVELS);
    const client = await chaos.connect(level);
    const frames = packets.conversation(level, dice);
    chaos.packets += frames.length;
    if (dice.chance(70)) await chaos.write(client, frames.shift()!); // a good CONNECT
    await chaos.write(client, mutate(frames, dice));
    await pause(dice.below(30));
    await chaos.leave(client);
  },

  /** Bytes without any sense. */
  async garbage(chaos) {
    const { dice } = chaos;
    const client = await chaos.connect(4);
    await chaos.write(client, dice.bytes(dice.between(1, 2_000)));
    await chaos.leave(client);
  },

  /** A CONNECT byte by byte, slower than is allowed. */
  async loris(chaos) {
    const { dice, options } = chaos;
    const client = await chaos.connect(4);
    const bytes = encodePacket(connectOf(4, "x".repeat(100)), 4);
    const began = performance.now();
    for (const byte of bytes) {
      if (client.over || performance.now() - began > options.connectTimeoutMs) break;
      client.write(Uint8Array.of(byte));
      await pause(dice.between(10, 60));
    }
    await mustEnd(chaos, client, options.connectTimeoutMs, "whose CONNECT does not come to an end");
  },

  /** Nothing at all. */
  async silent(chaos) {
    const client = await chaos.connect(4);
    await mustEnd(chaos, client, chaos.options.connectTimeoutMs, "without CONNECT");
  },

  /** A CONNECT with a Keep Alive, then nothing. */
  async mute(chaos) {
    const { dice } = chaos;
    const level = dice.pick(packets.LEVELS);
    const client = await chaos.connect(level, { packet() {} });
    await chaos.send(client, connectOf(level, "mute-" + dice.below(1e6), { keepAlive: 1 }));
    await mustEnd(chaos, client, 1_500, "silent for longer than its Keep Alive");
  },

  /** Many connections at once, gone at once. */
  async burst(chaos) {
    const { dice } = chaos;
    const clients = Array.from({ length: dice.between(5, 40) }, () => new RawClient(chaos.options.port, 4));
    chaos.connections += clients.length;
    if (dice.chance(50)) await Promise.all(clients.map((client) => client.connected()));
    const hello = encodePacket(packets.connect(4, dice), 4);
    for (const client of clients) {
      if (dice.chance(50)) client.write(hello);
      if (dice.chance(50)) client.reset();
      else client.end();
    }
    await Promise.all(clients.map(async (client) => {
      if (!await endedBy(client, PATIENCE_MS)) client.reset();
      await client.closed();
    }));
  },

  /** Subscribes to everything and reads nothing. */
  async frozen(chaos) {
    const { dice } = chaos;
    const level = dice.pick(packets.LEVELS);
    const client = await chaos.connect(level);
    client.freeze();
    await chaos.send(client, packets.connect(level, dice));
    await chaos.send(client, everything(dice.pick([0, 1, 2])));
    await pause(dice.between(100, 2_000));
    await chaos.leave(client);
  },

  /** Asks and asks, and reads no answer. */
  async asking(chaos) {
    const { dice } = chaos;
    const client = await chaos.connect(4);
    client.freeze();
    await chaos.send(client, connectOf(4, "asking-" + dice.below(1e6)));
    const pings = new Uint8Array(20_000);
    for (let i = 0; i < pings.length; i += 2) pings[i] = 0xc0;
    for (let i = dice.between(1, 80); i > 0 && !client.over; i--) {
      client.write(pings);
      chaos.bytes += pings.length;
      if (client.pending > 200_000) await pause(5);
    }
    client.reset();
    await client.closed();
  },

  /** Large messages, some above what is taken, some that never end. */
  async large(chaos) {
    const { dice, options } = chaos;
    const level = dice.pick(packets.LEVELS);
    const client = await chaos.connect(level, { packet() {} });
    await chaos.send(client, connectOf(level, "large-" + dice.below(1e6)));
    const most = options.packetBytesMax;
    const bytes = dice.pick([most >> 2, most >> 1, most - 100, most + 1]);
    const payload = new Uint8Array(bytes);
    const frame = encodePacket({ ...large(dice), payload }, level);
    const until = dice.chance(70) ? frame.length : dice.below(frame.length);
    for (let at = 0; at < until && !client.over; at += 65_536) {
      client.write(frame.subarray(at, Math.min(until, at + 65_536)));
      chaos.bytes += 65_536;
      if (client.pending > 200_000) await pause(2);
    }
    await pause(dice.below(50));
    await chaos.leave(client);
  },

  /** The same Client connects again and again, without waiting for the end of its last connection. */
  async twins(chaos) {
    const { dice } = chaos;
    const level = dice.pick(packets.LEVELS);
    const id = "twin-" + dice.below(3);
    const clients: RawClient[] = [];
    for (let i = dice.between(2, 8); i > 0; i--) {
      const client = await chaos.connect(level, { packet() {} });
      clients.push(client);
      await chaos.send(client, connectOf(level, id, { cleanStart: dice.chance(50) }));
      await chaos.send(client, packets.subscribe(level, dice));
      await chaos.send(client, packets.publish(level, dice, 1));
    }
    await Promise.all(clients.map((client) => chaos.leave(client)));
  },

  /** A Client that does nearly everything right, with a session that others take over. */
  async visitor(chaos) {
    const { dice } = chaos;
    const level = dice.pick(packets.LEVELS);
    const forgetful = dice.chance(20);
    const hello = packets.connect(level, dice);
    const told = new ToldLimits(hello, chaos.options.problem);
    const client: RawClient = await chaos.connect(level, {
      packet: (packet, bytes) => {
        told.received(packet, bytes);
        const answer = answerTo(packet);
        if (answer === undefined || (forgetful && dice.chance(30))) return;
        told.sent(answer);
        client.send(answer);
      },
    });
    const known = hello.properties?.authenticationMethod !== undefined;
    await chaos.send(client, hello);
    if (known) await pause(dice.between(20, 60)); // nothing but AUTH may come before CONNACK [MQTT-3.1.2-30]
    await chaos.send(client, packets.subscribe(level, dice));
    for (let i = 1; i <= dice.between(1, 60) && !client.over; i++) {
      await chaos.send(client, packets.publish(level, dice, i));
      if (dice.chance(5)) await chaos.send(client, packets.subscribe(level, dice));
      if (known && dice.chance(5)) await chaos.send(client, packets.auth(0x19));
      if (dice.chance(5)) {
        const filters = [packets.topicFilter(dice), packets.topicFilter(dice)];
        await chaos.send(client, { type: PacketType.UNSUBSCRIBE, packetId: 1_000, filters });
      }
      await pause(dice.below(20));
    }
    await pause(dice.below(100));
    await chaos.leave(client);
  },
};

/** Whether the broker keeps to what a CONNECT said of its Client. */
class ToldLimits {
  readonly #maximumPacketSize: number;
  readonly #receiveMaximum: number;
  readonly #problem: (text: string) => void;
  /** QoS 1 and 2 messages that the Client has not ended. */
  readonly #open: Set<number> = new Set();

  constructor({ properties }: Connect, problem: (text: string) => void) {
    this.#maximumPacketSize = properties?.maximumPacketSize ?? Infinity;
    this.#receiveMaximum = properties?.receiveMaximum ?? 65_535;
    this.#problem = problem;
  }

  received(packet: Packet, bytes: number): void {
    if (bytes > this.#maximumPacketSize) {
      this.#problem(`A Client gets ${bytes} bytes, its Maximum Packet Size is ${this.#maximumPacketSize}`);
    }
    if (packet.type !== PacketType.PUBLISH || packet.qos === 0) return;
    this.#open.add(packet.packetId!);
    if (this.#open.size > this.#receiveMaximum) {
      this.#problem(
        `A Client has ${this.#open.size} messages open, its Receive Maximum is ${this.#receiveMaximum}`,
      );
    }
  }

  sent(packet: Packet): void {
    if (packet.type === PacketType.PUBACK || packet.type === PacketType.PUBCOMP) {
      this.#open.delete(packet.packetId);
    }
  }
}

/** How often each act comes up. */
const PLAN: readonly string[] = Object.entries({
  generated: 25,
  mutated: 35,
  garbage: 4,
  loris: 2,
  silent: 2,
  mute: 2,
  burst: 3,
  frozen: 4,
  asking: 2,
  large: 3,
  twins: 4,
  visitor: 20,
}).flatMap(([name, times]) => Array.from({ length: times }, () => name));

function everything(qos: 0 | 1 | 2): Packet {
  const subscription = {
    filter: "#",
    qos,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
  } as const;
  return { type: PacketType.SUBSCRIBE, packetId: 1, subscriptions: [subscription] };
}

function large(dice: Dice): Omit<Publish, "payload"> {
  const qos = dice.pick([0, 1, 2] as const);
  const packet = { type: PacketType.PUBLISH, dup: false, qos, retain: false, topic: packets.topicName(dice) };
  return qos === 0 ? packet : { ...packet, packetId: 1 };
}

/** What a Client answers. */
function answerTo(packet: Packet): Packet | undefined {
  const reasonCode = 0;
  switch (packet.type) {
    case PacketType.PUBLISH: {
      const { qos, packetId = 0 } = packet;
      if (qos === 0) return undefined;
      return { type: qos === 1 ? PacketType.PUBACK : PacketType.PUBREC, packetId, reasonCode };
    }
    case PacketType.PUBREC:
      return packet.reasonCode >= 0x80
        ? undefined
        : { type: PacketType.PUBREL, packetId: packet.packetId, reasonCode };
    case PacketType.PUBREL:
      return { type: PacketType.PUBCOMP, packetId: packet.packetId, reasonCode };
    case PacketType.AUTH:
      return packet.reasonCode === 0x18 ? packets.auth(0x18) : undefined;
    default:
      return undefined;
  }
}
