/**
 * A publisher and a subscriber that must not notice what happens beside them: every message comes, whole, in order, in time.
 * Knows one topic and what its QoS promises; refuses to know who else is connected.
 * @module
 */
import {
  type Connect,
  type Packet,
  PacketType,
  type ProtocolLevel,
  type Publish,
  type QoS,
} from "../../../src/codec/mod.ts";
import type { ConnectionOptions } from "node:tls";
import { connectOf, RawClient } from "../../lib/raw_client.ts";
import { Inbox } from "../../lib/within.ts";
import type { Dice } from "./dice.ts";

/** What a canary is to be. */
export interface CanaryOptions {
  readonly port: number;
  readonly level: ProtocolLevel;
  readonly qos: QoS;
  /** Its connections are cut again and again; its sessions go on. */
  readonly roaming: boolean;
  /** What both halves say in CONNECT besides. */
  readonly connect?: Partial<Connect>;
  /** Whom they trust, where the listener has TLS. */
  readonly tls?: ConnectionOptions;
  /** The broker ends a connection without CONNECT after this long. */
  readonly connectTimeoutMs: number;
  /** A message that takes longer is missing. */
  readonly limitMs: number;
  readonly dice: Dice;
  /** Told what is wrong. */
  readonly problem: (text: string) => void;
}

/** Exchanges that the publisher has open at most. */
const WINDOW = 100;
/** Shorter than any Keep Alive that a broker may impose here. */
const PING_MS = 5_000;
/** Payloads from 16 KiB on take another way through the broker. */
const LARGE_BYTES = 40_000;

/** One half of a canary: a Client that connects again when it roams. */
class Half {
  readonly name: string;
  readonly level: ProtocolLevel;
  readonly ready: Inbox<true> = new Inbox();
  cuts = 0;
  readonly #options: CanaryOptions;
  readonly #connected: (half: Half, first: boolean) => void;
  readonly #packet: (packet: Packet, half: Half) => void;
  #client: RawClient | undefined;
  #first = true;
  #ending = false;
  #open = false;
  #lastWords = "";

  constructor(
    name: string,
    options: CanaryOptions,
    connected: (half: Half, first: boolean) => void,
    packet: (packet: Packet, half: Half) => void,
  ) {
    this.name = name;
    this.level = options.level;
    this.#options = options;
    this.#connected = connected;
    this.#packet = packet;
    this.#connect();
  }

  /** Whether packets can be sent. */
  get open(): boolean {
    return this.#open;
  }

  #connect(): void {
    const { port, roaming, level, connect, tls } = this.#options;
    const began = performance.now();
    const client = new RawClient(
      port,
      level,
      {
        packet: (packet) => {
          if (client !== this.#client) return;
          if (packet.type === PacketType.CONNACK) this.#connack(packet.reasonCode, packet.sessionPresent);
          else if (packet.type === PacketType.DISCONNECT) {
            const { reasonCode, properties } = packet;
            this.#lastWords = ` with ${reasonCode} ${properties?.reasonString ?? ""}`;
          } else this.#packet(packet, this);
        },
        broken: (error) => this.#problem(`gets what is no packet: ${error}`),
        closed: () => {
          if (client !== this.#client || this.#ending) return;
          // On a busy machine it may be we who were late with CONNECT.
          if (!this.#open && performance.now() - began >= this.#options.connectTimeoutMs) {
            return this.#connect();
          }
          this.#problem(`lost its connection${this.#lastWords}`);
        },
      },
      "127.0.0.1",
      tls,
    );
    this.#client = client;
    const session = roaming && level === 5 ? { properties: { sessionExpiryInterval: 600 } } : {};
    client.send(connectOf(level, this.name, { cleanStart: !roaming, ...session, ...connect }));
  }

  #connack(code: number, present: boolean): void {
    if (code !== 0) return this.#problem(`is refused with ${code}`);
    if (!this.#first && !present && this.level > 3) this.#problem("has lost its session");
    this.#open = true;
    const first = this.#first;
    this.#first = false;
    this.#connected(this, first);
  }

  #problem(text: string): void {
    this.#options.problem(`Canary ${this.name} ${text}`);
  }

  send(packet: Packet): void {
    if (this.#open) this.#client!.send(packet);
  }

  /** Loses the connection and makes a new one. */
  cut(): void {
    if (!this.#open) return;
    this.cuts++;
    this.#open = false;
    const old = this.#client!;
    this.#connect();
    old.reset();
  }

  async end(): Promise<void> {
    this.#ending = true;
    const sessionExpiry = this.level === 5 && this.#options.roaming
      ? { properties: { sessionExpiryInterval: 0 } }
      : {};
    this.send({ type: PacketType.DISCONNECT, reasonCode: 0, ...sessionExpiry });
    this.#client!.end();
    await this.#client!.closed();
  }
}

/** An exchange of the publisher that is not over. */
interface Open {
  readonly publish: Publish;
  released: boolean;
}

/** One pair. */
export class Canary {
  readonly name: string;
  received = 0;
  /** QoS 1 messages that came again, as they may. */
  repeated = 0;
  worstMs = 0;
  readonly #options: CanaryOptions;
  readonly #topic: string;
  readonly #publisher: Half;
  readonly #subscriber: Half;
  readonly #subscribed: Inbox<true> = new Inbox();
  /** When each message was published first, by its number. */
  readonly #sentAt: number[] = [];
  readonly #open: Map<number, Open> = new Map();
  /** §4.3.3 of the subscriber. */
  readonly #unreleased: Set<number> = new Set();
  #nextId = 1;
  #pingedAt = 0;
  #told = false;

  constructor(options: CanaryOptions) {
    this.#options = options;
    const { level, qos, roaming, tls } = options;
    this.name = `canary-${level}-${qos}${roaming ? "-roaming" : ""}${tls === undefined ? "" : "-tls"}`;
    this.#topic = this.name.replaceAll("-", "/");
    this.#publisher = new Half(
      `${this.name}-publisher`,
      options,
      () => this.#publishAgain(),
      (packet) => this.#acknowledged(packet),
    );
    this.#subscriber = new Half(
      `${this.name}-subscriber`,
      options,
      (half, first) => first && half.send(this.#subscribe()),
      (packet, half) => this.#arrived(packet, half),
    );
  }

  /** Messages published. */
  get sent(): number {
    return this.#sentAt.length;
  }

  /** Connections it has cut itself. */
  get cuts(): number {
    return this.#publisher.cuts + this.#subscriber.cuts;
  }

  #subscribe(): Packet {
    const { qos } = this.#options;
    const subscription = { filter: this.#topic, qos, noLocal: false, retainAsPublished: false } as const;
    return {
      type: PacketType.SUBSCRIBE,
      packetId: 1,
      subscriptions: [{ ...subscription, retainHandling: 0 }],
    };
  }

  /** Waits until the subscriber is there. */
  async start(): Promise<void> {
    await this.#subscribed.take(`SUBACK for ${this.name}`);
  }

  /** Publishes the next message, if the connection is open and the window has room. */
  publish(now: number): void {
    if (!this.#publisher.open || this.#open.size >= WINDOW) return;
    const { qos, dice } = this.#options;
    const number = this.#sentAt.length;
    this.#sentAt.push(now);
    const bytes = dice.chance(2) ? LARGE_BYTES : dice.below(1_500);
    const publish: Publish = {
      type: PacketType.PUBLISH,
      dup: false,
      qos,
      retain: false,
      topic: this.#topic,
      payload: payloadOf(number, bytes),
    };
    if (qos > 0) {
      publish.packetId = this.#freeId();
      this.#open.set(publish.packetId, { publish, released: false });
    }
    this.#publisher.send(publish);
  }

  #freeId(): number {
    while (this.#nextId > 0xffff || this.#open.has(this.#nextId)) {
      this.#nextId = this.#nextId >= 0xffff ? 1 : this.#nextId + 1;
    }
    return this.#nextId++;
  }

  /** §4.4 */
  #publishAgain(): void {
    for (const [packetId, { publish, released }] of this.#open) {
      if (released) this.#publisher.send({ type: PacketType.PUBREL, packetId, reasonCode: 0 });
      else this.#publisher.send({ ...publish, dup: true });
    }
  }

  #acknowledged(packet: Packet): void {
    const { type } = packet;
    if (type === PacketType.PINGRESP) return;
    if (type !== PacketType.PUBACK && type !== PacketType.PUBREC && type !== PacketType.PUBCOMP) {
      return this.#problem(`publisher gets a packet of type ${type}`);
    }
    const { packetId, reasonCode } = packet;
    const { roaming } = this.#options;
    const open = this.#open.get(packetId);
    // §3.7.2.1 after a cut 0x92 says that PUBREL had come and PUBCOMP was lost.
    const recovered = roaming && type === PacketType.PUBCOMP && reasonCode === 0x92;
    if (reasonCode >= 0x80 && !recovered) this.#problem(`publisher gets ${type} with ${reasonCode}`);
    if (open === undefined) {
      if (!roaming) this.#problem(`publisher gets ${type} for an identifier that is not open`);
    } else if (type === PacketType.PUBREC) {
      open.released = true;
      this.#publisher.send({ type: PacketType.PUBREL, packetId, reasonCode: 0 });
    } else this.#open.delete(packetId);
  }

  #arrived(packet: Packet, half: Half): void {
    const { qos } = this.#options;
    if (packet.type === PacketType.SUBACK) {
      if (packet.reasonCodes[0] === qos) this.#subscribed.put(true);
      else this.#problem(`subscriber is granted ${packet.reasonCodes}`);
    } else if (packet.type === PacketType.PUBREL) {
      this.#unreleased.delete(packet.packetId);
      half.send({ type: PacketType.PUBCOMP, packetId: packet.packetId, reasonCode: 0 });
    } else if (packet.type === PacketType.PUBLISH) {
      const { packetId = 0 } = packet;
      const known = qos === 2 && this.#unreleased.has(packetId);
      if (!known) this.#take(packet);
      if (qos === 1) half.send({ type: PacketType.PUBACK, packetId, reasonCode: 0 });
      else if (qos === 2) {
        this.#unreleased.add(packetId);
        half.send({ type: PacketType.PUBREC, packetId, reasonCode: 0 });
      }
    } else if (packet.type !== PacketType.PINGRESP) {
      this.#problem(`subscriber gets a packet of type ${packet.type}`);
    }
  }

  #take({ topic, qos, payload }: Publish): void {
    const { roaming } = this.#options;
    if (topic !== this.#topic || qos !== this.#options.qos) {
      return this.#problem(`subscriber gets ${JSON.stringify(topic)} at QoS ${qos}`);
    }
    const number = numberOf(payload);
    if (number === undefined) return this.#problem("subscriber gets a damaged message");
    if (roaming && qos === 1 && number < this.received) {
      this.repeated++;
      return;
    }
    if (number !== this.received) {
      return this.#problem(`subscriber gets message ${number}, not ${this.received}`);
    }
    this.received++;
    this.worstMs = Math.max(this.worstMs, performance.now() - this.#sentAt[number]!);
  }

  #problem(text: string): void {
    if (!this.#told) this.#options.problem(`Canary ${this.name}: ${text}`);
    this.#told = true; // the first one says it, the others follow from it
  }

  /** Complains of a message that has not come in time; says that both halves are there. */
  check(now: number): void {
    if (now - this.#pingedAt > PING_MS) {
      this.#pingedAt = now;
      for (const half of [this.#publisher, this.#subscriber]) half.send({ type: PacketType.PINGREQ });
    }
    const sentAt = this.#sentAt[this.received];
    if (sentAt !== undefined && now - sentAt > this.#options.limitMs) {
      this.#problem(`message ${this.received} has not come within ${this.#options.limitMs} ms`);
    }
  }

  /** Loses a connection, if it roams. */
  roam(): void {
    if (!this.#options.roaming) return;
    if (this.#options.dice.chance(50)) this.#publisher.cut();
    else this.#subscriber.cut();
  }

  /** Whether every message has come and every exchange is over. */
  get done(): boolean {
    return this.received === this.sent && this.#open.size === 0 && this.#unreleased.size === 0;
  }

  /** Ends both halves. */
  async end(): Promise<void> {
    if (!this.done) {
      this.#problem(`ends with ${this.sent - this.received} messages missing, ${this.#open.size} open`);
    }
    await Promise.all([this.#publisher.end(), this.#subscriber.end()]);
  }
}

/** A message with its number, and bytes in which damage shows. */
function payloadOf(number: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(4 + bytes);
  new DataView(payload.buffer).setUint32(0, number);
  for (let i = 4; i < payload.length; i++) payload[i] = number * 7 + i * 31;
  return payload;
}

/** The number of a message, undefined if it is damaged. */
function numberOf(payload: Uint8Array): number | undefined {
  if (payload.length < 4) return undefined;
  const number = new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  for (let i = 4; i < payload.length; i++) {
    if (payload[i] !== (number * 7 + i * 31 & 255)) return undefined;
  }
  return number;
}
