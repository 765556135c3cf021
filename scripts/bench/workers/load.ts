/**
 * Pairs of Clients, each on the worker that it is meant for, that exchange messages as fast as they come.
 * Knows sockets and frames; refuses to know what that costs.
 * @module
 */
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { Deframer } from "../../../src/codec/deframer.ts";
import { type Connect, encodePacket, type Packet, PacketType } from "../../../src/codec/mod.ts";
import { until } from "../../../src/testing/patience.ts";
import { connectOf } from "../../lib/raw_client.ts";
import type { WorkersProcess } from "../../lib/workers_process.ts";

/** Enough that 2, 3 and 4 workers have as many each, half of them crossing. */
const PAIRS = 24;
/** Messages of a pair that are under way. */
const WINDOW = 16;
const PAYLOAD_BYTES = 64;

/** One connection that counts. */
export class Side {
  readonly socket: Socket;
  readonly #level: Connect["level"];
  /** Packets that answered: CONNACK, SUBACK. */
  answers = 0;
  /** PUBLISH or PUBACK packets. */
  count = 0;
  readonly #deframer: Deframer = new Deframer(Infinity);
  readonly #moved: () => void;
  #out: number[] = [];

  /** `moved` is called behind each chunk. */
  constructor(port: number, moved: () => void, first: Connect = connectOf(5, "")) {
    this.#moved = moved;
    this.#level = first.level;
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.on("error", () => {}); // it is seen by what does not come
    this.socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    this.send(first);
  }

  send(packet: Packet): void {
    this.socket.write(this.encode(packet));
  }

  encode(packet: Packet): Uint8Array {
    return encodePacket(packet, this.#level);
  }

  #received(chunk: Uint8Array): void {
    this.#deframer.receive(chunk, {
      frame: (bytes, at, body) => {
        const first = bytes[at]!;
        const type = first >> 4;
        if (type === PacketType.PUBLISH || type === PacketType.PUBACK) this.count++;
        else this.answers++;
        if (first >> 1 !== (PacketType.PUBLISH << 3 | 1)) return true; // else QoS 1
        const id = body + 2 + (bytes[body]! << 8 | bytes[body + 1]!);
        this.#out.push(PacketType.PUBACK << 4, 2, bytes[id]!, bytes[id + 1]!);
        return true;
      },
    });
    if (this.#out.length > 0) this.socket.write(Uint8Array.from(this.#out));
    this.#out = [];
    this.#moved();
  }
}

/** Makes a side; `moved` is for its constructor. */
export type SideMaker = (moved: () => void) => Promise<Side>;

/** One publisher and one subscriber. */
export class Pair {
  readonly #publisher: Side;
  readonly #subscriber: Side;
  readonly #topic: string;
  #qos: 0 | 1 = 0;
  #sent = 0;
  #isOn = false;
  #lastId = 0;

  private constructor(topic: string, publisher: Side, subscriber: Side) {
    this.#topic = topic;
    this.#publisher = publisher;
    this.#subscriber = subscriber;
  }

  static async open(topic: string, from: SideMaker, to: SideMaker): Promise<Pair> {
    const moved = () => pair?.sendOn();
    let pair: Pair | undefined;
    const publisher = await from(moved);
    const subscriber = await to(moved);
    subscriber.send({
      type: PacketType.SUBSCRIBE,
      packetId: 1,
      subscriptions: [{ filter: topic, qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 2 }],
    });
    await until(() => subscriber.answers === 2, "SUBACK");
    return pair = new Pair(topic, publisher, subscriber);
  }

  get delivered(): number {
    return this.#subscriber.count;
  }

  begin(qos: 0 | 1): void {
    this.#qos = qos;
    this.#sent = this.#subscriber.count = this.#publisher.count = 0;
    this.#isOn = true;
    this.sendOn();
  }

  /** Resolves when nothing is under way any more. */
  async end(): Promise<void> {
    this.#isOn = false;
    await until(() => this.#over === this.#sent, "the last messages");
  }

  get #over(): number {
    const { count } = this.#subscriber;
    return this.#qos === 0 ? count : Math.min(count, this.#publisher.count);
  }

  sendOn(): void {
    const room = this.#isOn ? WINDOW - (this.#sent - this.#over) : 0;
    if (room <= 0) return;
    const frames: Uint8Array[] = [];
    for (let i = 0; i < room; i++) frames.push(this.#frame());
    this.#sent += room;
    this.#publisher.socket.write(Buffer.concat(frames));
  }

  #frame(): Uint8Array {
    const qos = this.#qos;
    const packetId = this.#lastId = this.#lastId % 0xffff + 1;
    return this.#publisher.encode({
      type: PacketType.PUBLISH,
      dup: false,
      qos,
      retain: false,
      topic: this.#topic,
      payload: PAYLOAD,
      ...qos > 0 && { packetId },
    });
  }

  close(): void {
    this.#publisher.socket.destroy();
    this.#subscriber.socket.destroy();
  }
}

const PAYLOAD = new Uint8Array(PAYLOAD_BYTES);

/** Connects until it has come to that worker. */
async function at(broker: WorkersProcess, worker: number, moved: () => void): Promise<Side> {
  for (;;) {
    const side = new Side(broker.port, moved);
    await until(() => side.answers === 1, "CONNACK");
    if (broker.count === 1 || broker.workerOf(side.socket.localPort!) === worker) return side;
    side.socket.destroy();
  }
}

/** All pairs of a broker. */
export class Load {
  readonly #pairs: readonly Pair[];

  constructor(pairs: readonly Pair[]) {
    this.#pairs = pairs;
  }

  /** Of every two pairs one crosses, from its worker to the next one. */
  static async open(broker: WorkersProcess): Promise<Load> {
    const pairs: Pair[] = [];
    for (let i = 0; i < PAIRS; i++) {
      const from = (i >> 1) % broker.count;
      const to = i % 2 === 0 ? from : (from + 1) % broker.count;
      const maker = (worker: number): SideMaker => (moved) => at(broker, worker, moved);
      pairs.push(await Pair.open(`pairs/${i}`, maker(from + 1), maker(to + 1)));
    }
    return new Load(pairs);
  }

  /** Messages that have been delivered since `begin()`. */
  get delivered(): number {
    return this.#pairs.reduce((sum, { delivered }) => sum + delivered, 0);
  }

  begin(qos: 0 | 1): void {
    for (const pair of this.#pairs) pair.begin(qos);
  }

  async end(): Promise<void> {
    await Promise.all(this.#pairs.map((pair) => pair.end()));
  }

  close(): void {
    for (const pair of this.#pairs) pair.close();
  }
}
