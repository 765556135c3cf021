/**
 * A broker without a network: Clients whose transports take every byte and keep none.
 * Knows how to connect, publish, subscribe and acknowledge in bytes laid out beforehand; refuses to read what comes back.
 * @module
 */
import { Broker, type BrokerOptions, type Connection, type SessionStats } from "../../../src/broker/mod.ts";
import { type Connect, encodePacket, PacketType, type ProtocolLevel } from "../../../src/codec/mod.ts";
import type { Publish, Subscribe } from "../../../src/codec/mod.ts";
import type { Transport } from "../../../src/transport/transport.ts";
import { must } from "./bench.ts";

/** Takes everything. */
export class NullTransport implements Transport {
  readonly label = "null";
  /** All bytes taken. */
  bytes = 0;
  /** The sum of the last bytes of what was taken. */
  sum = 0;
  /** The last byte taken. */
  last = 0;

  start(): void {}

  write(chunk: Uint8Array): number {
    this.bytes += chunk.length;
    this.last = chunk[chunk.length - 1]!;
    this.sum = (this.sum + this.last) & 0xffff;
    return chunk.length;
  }

  pause(): void {}
  resume(): void {}
  close(): void {}
  abort(): void {}
}

/** The identifiers that a sender gives, if none is left open for long: 1, 2, … 65535, 1, … */
export class Ids {
  #next = 1;

  /** The next `count`. */
  take(count: number): number[] {
    return Array.from({ length: count }, () => this.next());
  }

  /** The next one. */
  next(): number {
    const id = this.#next;
    this.#next = id === 0xffff ? 1 : id + 1;
    return id;
  }
}

/** One Client. */
export class StageClient {
  readonly connection: Connection;
  readonly transport: NullTransport;
  readonly level: ProtocolLevel;
  /** Those that the broker uses towards it. */
  readonly ids: Ids = new Ids();

  constructor(connection: Connection, transport: NullTransport, level: ProtocolLevel) {
    this.connection = connection;
    this.transport = transport;
    this.level = level;
  }
}

/** One broker. Time stands still unless somebody moves it. */
export class Stage {
  readonly broker: Broker;
  /** ms since the epoch. */
  now = 1_800_000_000_000;

  constructor(options: BrokerOptions = {}) {
    this.broker = new Broker({
      ...options,
      limits: {
        inFlightMax: 65_535,
        inFlightMaxLevel4: 65_535,
        receiveMaximum: 65_535,
        connectTimeoutMs: 3_600_000,
        ...options.limits,
      },
      hooks: {
        failed: (error) => {
          throw error;
        },
        ...options.hooks,
      },
    });
  }

  /** Opens a connection and sends its CONNECT. */
  connect(level: ProtocolLevel, clientId: string, more: Partial<Connect> = {}): StageClient {
    return this.connectWith(connectBytes(level, clientId, more), level);
  }

  /** The same, with the CONNECT as bytes. */
  connectWith(bytes: Uint8Array, level: ProtocolLevel): StageClient {
    const transport = new NullTransport();
    const connection = this.broker.opened(transport, PEER, this.now);
    connection.received(bytes, this.now);
    this.turn();
    must(connection.client !== undefined, "a CONNECT is accepted");
    return new StageClient(connection, transport, level);
  }

  /** Subscribes. */
  subscribe(client: StageClient, filter: string, qos: 0 | 1 | 2, identifier = 0): void {
    const packet: Subscribe = {
      type: PacketType.SUBSCRIBE,
      packetId: 1,
      subscriptions: [{ filter, qos, noLocal: false, retainAsPublished: false, retainHandling: 0 }],
      ...(identifier > 0 && { properties: { subscriptionIdentifier: identifier } }),
    };
    client.transport.last = 0xff;
    client.connection.received(encodePacket(packet, client.level), this.now);
    this.turn();
    must(client.transport.last === qos, "SUBACK grants the subscription");
  }

  /** The session of a connection whose CONNECT was accepted. */
  sessionOf(connection: Connection): SessionStats {
    return this.broker.session(connection.client!.clientId)!;
  }

  /** The end of a turn, and of those that follow from it. */
  turn(): void {
    do this.broker.flush(this.now); while (this.broker.work !== "none");
  }

  /** Acknowledges, from a Client, what it got under these identifiers: at QoS 2 both steps. */
  finish(client: StageClient, qos: 0 | 1 | 2, ids: readonly number[]): void {
    if (qos === 0) return;
    const steps = qos === 1 ? [PUBACK] : [PUBREC, PUBCOMP];
    for (const first of steps) client.connection.received(acknowledgements(first, ids), this.now);
    this.turn();
  }
}

const PEER = { address: "192.0.2.1", port: 1, transport: "memory" } as const;

/** First bytes. */
export const PUBACK: number = PacketType.PUBACK << 4;
export const PUBREC: number = PacketType.PUBREC << 4;
export const PUBREL: number = PacketType.PUBREL << 4 | 2;
export const PUBCOMP: number = PacketType.PUBCOMP << 4;

/** A CONNECT, clean and without Keep Alive unless more is said. */
export function connectBytes(
  level: ProtocolLevel,
  clientId: string,
  more: Partial<Connect> = {},
): Uint8Array {
  return encodePacket(
    { type: PacketType.CONNECT, level, cleanStart: true, keepAlive: 0, clientId, ...more },
    level,
  );
}

/** A PUBLISH; its identifier, if it has one, is 1. */
export function publishBytes(
  level: ProtocolLevel,
  topic: string,
  qos: 0 | 1 | 2,
  payloadBytes: number,
  more: Partial<Publish> = {},
): Uint8Array {
  const packet: Publish = {
    type: PacketType.PUBLISH,
    dup: false,
    retain: false,
    qos,
    topic,
    payload: new Uint8Array(payloadBytes).fill(0x2a),
    ...(qos > 0 && { packetId: 1 }),
    ...more,
  };
  return encodePacket(packet, level);
}

/** Where the Packet Identifier of a PUBLISH shorter than 130 bytes stands. */
export function idAt(frame: Uint8Array): number {
  must(frame[1]! < 128, "a PUBLISH has a Remaining Length of one byte");
  return 4 + (frame[2]! << 8 | frame[3]!);
}

/** One chunk of acknowledgements. */
export function acknowledgements(first: number, ids: readonly number[]): Uint8Array {
  const chunk = acknowledgementChunk(first, ids.length);
  ids.forEach((id, i) => putId(chunk, i * 4 + 2, id));
  return chunk;
}

/** The same, identifiers still to be put in at 2, 6, … */
export function acknowledgementChunk(first: number, count: number): Uint8Array {
  const chunk = new Uint8Array(count * 4);
  for (let i = 0; i < count; i++) {
    chunk[i * 4] = first;
    chunk[i * 4 + 1] = 2;
  }
  return chunk;
}

/** Writes a Packet Identifier. */
export function putId(bytes: Uint8Array, at: number, id: number): void {
  bytes[at] = id >> 8;
  bytes[at + 1] = id & 255;
}
