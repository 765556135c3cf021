/**
 * §4.3 The receiver's half of a Client: what came, what it owes for it, and what must not come again.
 * Knows Packet Identifiers over all connections of a session; refuses to know what a message says.
 * @module
 */
import { type Packet, PacketType, type Publish } from "../../../src/codec/mod.ts";

/** Who is told. */
export interface IncomingOptions {
  /** §3.1.2.11.3 of the Client. */
  readonly receiveMaximum: number;
  /** The application gets a message. */
  readonly delivered: (publish: Publish, serial: number) => void;
  readonly problem: (text: string) => void;
}

/** Of one session. */
export class Incoming {
  readonly #options: IncomingOptions;
  /** QoS 2 identifiers that are not released, with what came under them. */
  readonly #received: Map<number, number> = new Map();
  /** Every identifier that QoS 2 messages ever came under. */
  readonly #known: Set<number> = new Set();
  /** Identifiers of this connection whose exchange we have not ended. */
  readonly #open: Set<number> = new Set();
  /** Identifiers whose PUBCOMP is owed. */
  readonly #releasing: Set<number> = new Set();
  /** The session may go on at the Server, though we have forgotten it. */
  #mayGoOn = false;
  #owed: Packet[] = [];

  constructor(options: IncomingOptions) {
    this.#options = options;
  }

  /** Whether nothing is owed, and no exchange of QoS 2 is open. */
  get idle(): boolean {
    return this.#owed.length === 0 && this.#received.size === 0;
  }

  /** A new connection, with the session or with a new one: what was owed on the old one is not sent any more. */
  connected(present: boolean): void {
    if (!present) {
      this.forget();
      this.#mayGoOn = false;
    }
    this.#owed = [];
    this.#open.clear();
    this.#releasing.clear();
  }

  /** We have ended the session, whether the Server knows it yet or not. */
  forget(): void {
    this.#owed = [];
    this.#received.clear();
    this.#known.clear();
    this.#mayGoOn = true;
  }

  /** A PUBLISH came that holds this message. */
  publish(publish: Publish, serial: number): void {
    const { qos, dup, packetId: id = 0 } = publish;
    if (qos === 0) return this.#options.delivered(publish, serial);
    const what = `message ${serial} under identifier ${id}`;
    if (this.#open.has(id) || this.#releasing.has(id)) this.#options.problem(`gets ${what}, which is open`);
    this.#open.add(id);
    if (this.#open.size > this.#options.receiveMaximum) {
      this.#options.problem(`gets ${what}, the ${this.#open.size}th above its Receive Maximum`);
    }
    const before = this.#received.get(id);
    if (before !== undefined && (qos === 1 || before !== serial)) {
      this.#options.problem(`gets ${what}, under which message ${before} is open`);
    } else if (before !== undefined && !dup) this.#options.problem(`gets ${what} again without DUP`);
    this.#owed.push({ type: qos === 1 ? PacketType.PUBACK : PacketType.PUBREC, packetId: id, reasonCode: 0 });
    if (qos === 2) {
      this.#received.set(id, serial);
      this.#known.add(id);
    }
    if (before !== serial) this.#options.delivered(publish, serial);
  }

  /** PUBREL came. */
  pubrel(id: number): void {
    if (!this.#known.has(id) && !this.#mayGoOn) {
      this.#options.problem(`gets PUBREL for identifier ${id}, under which nothing came`);
    }
    this.#received.delete(id);
    this.#releasing.add(id);
    this.#owed.push({ type: PacketType.PUBCOMP, packetId: id, reasonCode: 0 });
  }

  /** Sends up to so many of the acknowledgements that are owed, in their order [MQTT-4.6.0-2] [MQTT-4.6.0-3]. */
  acknowledge(most: number, send: (packet: Packet) => void): void {
    for (const packet of this.#owed.splice(0, most)) {
      const { packetId } = packet as { packetId: number };
      if (packet.type !== PacketType.PUBREC) {
        this.#open.delete(packetId);
        this.#releasing.delete(packetId);
      }
      send(packet);
    }
  }
}
