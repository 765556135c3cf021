/**
 * A light load for a broker, in bytes laid out beforehand and in step: the next batch goes when all of the last
 * one has come and is acknowledged. So it depends little on how busy the machine is how much is read and written at once,
 * and the CPU time for a message says what the program does, not what else goes on.
 * Knows the length of everything that comes; refuses to decode any of it.
 * @module
 */
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { encodePacket, PacketType } from "../../../src/codec/mod.ts";
import { CA } from "../../../src/testing/tls.ts";
import { connectOf } from "../../lib/raw_client.ts";
import { within } from "../../lib/within.ts";
import type { Scenario } from "./figures.ts";

/** Messages in a batch: many, so that what is measured is the program more than the system's calls; 255 at most (`batchOf`). */
const BATCH = 200;
const PAYLOAD_BYTES = 64;
const PAIRS = 8;
const RECEIVERS = 10;
const ACK_BYTES = 4;
const CONNACK_BYTES = 4;
const SUBACK_BYTES = 5;
/** Level 4, topics of seven bytes: header, topic, payload. At QoS 1 and 2 two more for the identifier. */
const TOPIC_BYTES = 7;
/** Topics of the publisher in a fan-out: no two messages behind each other have the same one. */
const TOPICS = 16;
/** Nothing that comes at all takes so long. */
const STEP_MS = 30_000;

/** A socket that can be asked for a number of bytes. */
class Wire {
  readonly #socket: Socket;
  #chunks: Uint8Array[] = [];
  #length = 0;
  #wanted = 0;
  #wake: ((bytes: Uint8Array) => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  #lost: Error | undefined;
  #closing = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      this.#serve();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#lost = new Error("A connection was lost");
      if (!this.#closing) this.#fail?.(this.#lost);
    });
  }

  static async dial(port: number, isSecure = false): Promise<Wire> {
    const where = { port, host: "127.0.0.1", noDelay: true };
    const socket = isSecure ? connectTls({ ...where, ca: CA }) : connect(where);
    await within(
      new Promise<void>((resolve, reject) => {
        socket.once(isSecure ? "secureConnect" : "connect", resolve);
        socket.once("error", reject);
      }),
      "a connection",
    );
    return new Wire(socket);
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The next `bytes` bytes, when all of them are there. */
  take(bytes: number): Promise<Uint8Array> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    this.#wanted = bytes;
    return new Promise((resolve, reject) => {
      this.#wake = resolve;
      this.#fail = reject;
      this.#serve();
    });
  }

  #serve(): void {
    const wake = this.#wake;
    if (wake === undefined || this.#length < this.#wanted) return;
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    const left = all.subarray(this.#wanted);
    this.#chunks = left.length === 0 ? [] : [left];
    this.#length = left.length;
    this.#wake = undefined;
    wake(all.subarray(0, this.#wanted));
  }

  close(): void {
    this.#closing = true;
    this.#socket.destroy();
  }
}

function publishOf(topic: string, qos: 0 | 1 | 2): Uint8Array {
  const id = qos === 0 ? undefined : { packetId: 1 };
  const payload = new Uint8Array(PAYLOAD_BYTES).fill(0x2a);
  return encodePacket({ type: PacketType.PUBLISH, dup: false, retain: false, qos, topic, payload, ...id }, 4);
}

/** Where the identifier of such a PUBLISH stands. */
const ID_AT = 4 + TOPIC_BYTES;

/** A batch of PUBLISH; identifiers are 1, 2, … */
function batchOf(frames: readonly Uint8Array[], qos: 0 | 1 | 2): Uint8Array {
  const length = frames[0]!.length;
  const batch = new Uint8Array(BATCH * length);
  for (let i = 0; i < BATCH; i++) {
    batch.set(frames[i % frames.length]!, i * length);
    if (qos > 0) batch[i * length + ID_AT + 1] = i + 1;
  }
  return batch;
}

/** Acknowledgements of a batch, with the identifiers that stand in `bytes` every `stride` bytes from `at` on. */
function answersTo(bytes: Uint8Array, at: number, stride: number, first: number): Uint8Array {
  const answers = new Uint8Array(BATCH * ACK_BYTES);
  for (let i = 0; i < BATCH; i++) {
    answers[i * ACK_BYTES] = first;
    answers[i * ACK_BYTES + 1] = 2;
    answers[i * ACK_BYTES + 2] = bytes[at + i * stride]!;
    answers[i * ACK_BYTES + 3] = bytes[at + i * stride + 1]!;
  }
  return answers;
}

async function mqttClient(
  port: number,
  isSecure: boolean,
  id: string,
  filter?: string,
  qos: 0 | 1 | 2 = 0,
): Promise<Wire> {
  const wire = await Wire.dial(port, isSecure);
  wire.send(encodePacket(connectOf(4, id), 4));
  await within(wire.take(CONNACK_BYTES), "a CONNACK");
  if (filter === undefined) return wire;
  const options = { qos, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  wire.send(
    encodePacket({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions: [{ filter, ...options }] }, 4),
  );
  await within(wire.take(SUBACK_BYTES), "a SUBACK");
  return wire;
}

/** Connections, and one batch of messages through them at a time. */
export class Load {
  readonly #wires: Wire[];
  /** What may go on beside each other; each resolves when its batch is done. */
  readonly #lanes: (() => Promise<unknown>)[];
  /** Deliveries of one batch. */
  readonly #deliveries: number;

  private constructor(wires: Wire[], lanes: (() => Promise<unknown>)[], deliveries: number) {
    this.#wires = wires;
    this.#lanes = lanes;
    this.#deliveries = deliveries;
  }

  /** For the broker; `isSecure` is with TLS. */
  static onBroker(scenario: Scenario, port: number, isSecure = false): Promise<Load> {
    if (scenario === "fan-out QoS 0") return Load.#brokerFanOut(port, isSecure);
    return Load.#brokerPairs(port, isSecure, Number(scenario.at(-1)) as 0 | 1 | 2);
  }

  static async #brokerPairs(port: number, isSecure: boolean, qos: 0 | 1 | 2): Promise<Load> {
    const wires: Wire[] = [];
    const lanes: (() => Promise<unknown>)[] = [];
    for (let i = 0; i < PAIRS; i++) {
      const topic = `pair/${i}0`;
      const subscriber = await mqttClient(port, isSecure, `subscriber-${i}`, topic, qos);
      const publisher = await mqttClient(port, isSecure, `publisher-${i}`);
      wires.push(subscriber, publisher);
      const frame = publishOf(topic, qos);
      const batch = batchOf([frame], qos);
      const released = answersTo(batch, ID_AT, frame.length, PacketType.PUBREL << 4 | 2);
      lanes.push(async () => {
        publisher.send(batch);
        const [came] = await Promise.all([
          subscriber.take(batch.length),
          qos > 0 && publisher.take(BATCH * ACK_BYTES),
        ]);
        if (qos === 1) subscriber.send(answersTo(came, ID_AT, frame.length, PacketType.PUBACK << 4));
        if (qos < 2) return;
        subscriber.send(answersTo(came, ID_AT, frame.length, PacketType.PUBREC << 4));
        publisher.send(released);
        await Promise.all([subscriber.take(BATCH * ACK_BYTES), publisher.take(BATCH * ACK_BYTES)]);
        subscriber.send(answersTo(came, ID_AT, frame.length, PacketType.PUBCOMP << 4));
      });
    }
    return new Load(wires, lanes, BATCH * PAIRS);
  }

  /**
   * For a relay, as in `../tls/relay_child.ts`: pairs of connections as for the broker, each of which begins with two bytes, the first of
   * which is `S` for who sends and `R` for who receives, which is answered by a byte, and the second the number of the pair.
   */
  static async onRelay(port: number, isSecure: boolean): Promise<Load> {
    const wires: Wire[] = [];
    const batch = batchOf([publishOf("pair/00", 0)], 0);
    const lanes: (() => Promise<unknown>)[] = [];
    for (let i = 0; i < PAIRS; i++) {
      const receiver = await Wire.dial(port, isSecure);
      receiver.send(Uint8Array.of(0x52, i));
      await receiver.take(1);
      const sender = await Wire.dial(port, isSecure);
      sender.send(Uint8Array.of(0x53, i));
      wires.push(receiver, sender);
      lanes.push(async () => {
        sender.send(batch);
        await receiver.take(batch.length);
      });
    }
    return new Load(wires, lanes, BATCH * PAIRS);
  }

  static async #brokerFanOut(port: number, isSecure: boolean): Promise<Load> {
    const receivers: Wire[] = [];
    for (let i = 0; i < RECEIVERS; i++) {
      receivers.push(await mqttClient(port, isSecure, `receiver-${i}`, "fan/#"));
    }
    const sender = await mqttClient(port, isSecure, "sender");
    const frames = Array.from({ length: TOPICS }, (_, i) => publishOf(`fan/${100 + i}`, 0));
    return Load.#fanOut(receivers, sender, batchOf(frames, 0));
  }

  static #fanOut(receivers: Wire[], sender: Wire, batch: Uint8Array): Load {
    const lane = async () => {
      sender.send(batch);
      await Promise.all(receivers.map((wire) => wire.take(batch.length)));
    };
    return new Load([...receivers, sender], [lane], BATCH * RECEIVERS);
  }

  /** Sends batches until at least so many messages are delivered; returns how many were. */
  async run(messages: number): Promise<number> {
    const batches = Math.ceil(messages / this.#deliveries);
    await within(
      Promise.all(this.#lanes.map(async (lane) => {
        for (let i = 0; i < batches; i++) await lane();
      })),
      "every message of a round",
      STEP_MS,
    );
    return batches * this.#deliveries;
  }

  /** Ends all connections. */
  close(): void {
    for (const wire of this.#wires) wire.close();
  }
}
