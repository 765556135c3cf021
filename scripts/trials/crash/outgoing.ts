/**
 * §4.3 The sender's half of a Client: what it has handed over, how far each message has got, what it sends again.
 * Knows Packet Identifiers over all connections of a session; refuses to know who gets a message.
 * @module
 */
import { type Packet, PacketType, type Publish } from "../../../src/codec/mod.ts";

/** A QoS 1 or 2 message that is not at its end. */
interface Exchange {
  readonly serial: number;
  readonly publish: Publish;
  /** PUBREL packets that were sent for it. */
  releases: number;
}

/** Identifiers come from few, so that they are used again soon. */
const ID_MAX = 60;
/** Exchanges that may be open. */
const OPEN_MAX = 40;

/** Who is told. */
export interface OutgoingOptions {
  /** PUBACK or PUBREC came for this message. */
  readonly acknowledged: (serial: number, code: number) => void;
  readonly problem: (text: string) => void;
}

/** Of one session. */
export class Outgoing {
  readonly #options: OutgoingOptions;
  /** By identifier, in the order of their first PUBLISH. */
  readonly #open: Map<number, Exchange> = new Map();
  /** Released ones in the order of their PUBREC. */
  readonly #released: Map<number, Exchange> = new Map();
  #lastId = 0;

  constructor(options: OutgoingOptions) {
    this.#options = options;
  }

  /** Whether every exchange is over. */
  get idle(): boolean {
    return this.#open.size + this.#released.size === 0;
  }

  /** Messages without PUBACK or PUBREC. */
  get unanswered(): number {
    return this.#open.size;
  }

  /** Whether another one may be opened. */
  get free(): boolean {
    return this.#open.size + this.#released.size < OPEN_MAX;
  }

  /** An identifier that no exchange uses [MQTT-2.2.1-3]. */
  nextId(): number {
    do this.#lastId = this.#lastId % ID_MAX + 1; while (
      this.#open.has(this.#lastId) || this.#released.has(this.#lastId)
    );
    return this.#lastId;
  }

  /** A PUBLISH is sent for the first time. */
  begin(publish: Publish, serial: number): void {
    this.#open.set(publish.packetId!, { serial, publish, releases: 0 });
  }

  /** §4.4 on a new connection; tells which messages are handed over again. */
  again(send: (packet: Packet) => void, published: (serial: number, publish: Publish) => void): void {
    for (const [packetId, exchange] of this.#released) this.#release(packetId, exchange, send);
    for (const { serial, publish } of this.#open.values()) {
      published(serial, publish);
      send({ ...publish, dup: true });
    }
  }

  #release(packetId: number, exchange: Exchange, send: (packet: Packet) => void): void {
    exchange.releases++;
    send({ type: PacketType.PUBREL, packetId, reasonCode: 0 });
  }

  /** PUBACK came. */
  puback(id: number, code: number): void {
    const exchange = this.#take(id, 1, "PUBACK");
    if (exchange !== undefined) this.#options.acknowledged(exchange.serial, code);
  }

  /** PUBREC came. */
  pubrec(id: number, code: number, send: (packet: Packet) => void): void {
    const exchange = this.#take(id, 2, "PUBREC");
    if (exchange === undefined) return;
    this.#options.acknowledged(exchange.serial, code);
    if (code >= 0x80) return;
    this.#released.set(id, exchange);
    this.#release(id, exchange, send);
  }

  /** PUBCOMP came. Packet Identifier not found is right only if an earlier PUBREL may have arrived. */
  pubcomp(id: number, code: number): void {
    const exchange = this.#released.get(id);
    if (exchange === undefined) {
      return this.#options.problem(`gets PUBCOMP for identifier ${id}, which is not released`);
    }
    this.#released.delete(id);
    if (code !== 0 && !(code === 0x92 && exchange.releases > 1)) {
      this.#options.problem(
        `gets PUBCOMP with ${code} for message ${exchange.serial}, whose PUBREC had come`,
      );
    }
  }

  #take(id: number, qos: 1 | 2, name: string): Exchange | undefined {
    const exchange = this.#open.get(id);
    if (exchange?.publish.qos !== qos) {
      this.#options.problem(`gets ${name} for identifier ${id}, under which no QoS ${qos} message is open`);
      return undefined;
    }
    this.#open.delete(id);
    return exchange;
  }
}
