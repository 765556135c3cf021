/**
 * Publishers and subscribers of level 4 that keep a broker as busy as it can be, in bytes laid out beforehand.
 * Knows the exact length of every packet that comes; refuses to decode any.
 * @module
 */
import { connect, type Socket } from "node:net";
import { encodePacket, PacketType } from "../../../src/codec/mod.ts";
import { connectOf } from "../../lib/raw_client.ts";
import { WAIT_MS } from "../../../src/testing/patience.ts";
import { within } from "../../lib/within.ts";

/** What the load is. */
export interface LoadOptions {
  readonly port: number;
  readonly qos: 0 | 1;
  readonly publishers: number;
  readonly subscribers: number;
  readonly payloadBytes: number;
}

const CONNACK_BYTES = 4;
const SUBACK_BYTES = 5;
const PUBACK_BYTES = 4;
/** Messages in one write. */
const BATCH = 64;
/** How far the slowest subscriber may be behind: enough that nobody waits for a publisher, too little to be dropped. */
const WINDOW_BYTES = 1024 * 1024;
/** Messages a publisher has open at QoS 1. */
const OPEN_MAX = 512;

async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const connected = new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  await within(connected, "a TCP connection");
  return socket;
}

function hello(id: string): Uint8Array {
  return encodePacket(connectOf(4, id), 4);
}

/** A SUBSCRIBE to one filter. */
export function subscribeTo(filter: string, qos: 0 | 1): Uint8Array {
  const none = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  return encodePacket(
    { type: PacketType.SUBSCRIBE, packetId: 1, subscriptions: [{ filter, qos, ...none }] },
    4,
  );
}

/** Counts what comes, and at QoS 1 acknowledges it. */
class Subscriber {
  messages = 0;
  readonly #socket: Socket;
  readonly #qos: 0 | 1;
  readonly #frameBytes: number;
  /** Where the Packet Identifier stands in a frame. */
  readonly #idAt: number;
  readonly #arrived: () => void;
  /** Bytes of CONNACK and SUBACK still to come. */
  #preface = CONNACK_BYTES + SUBACK_BYTES;
  /** Bytes of the frame that is not complete. */
  #partial = 0;
  #id = 0;
  readonly ready: Promise<void>;
  #onReady!: () => void;

  constructor(socket: Socket, options: LoadOptions, frameBytes: number, index: number, arrived: () => void) {
    this.#socket = socket;
    this.#qos = options.qos;
    this.#frameBytes = frameBytes;
    this.#idAt = frameBytes - options.payloadBytes - 2;
    this.#arrived = arrived;
    this.ready = new Promise((resolve) => this.#onReady = resolve);
    socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    socket.write(hello(`subscriber-${index}`));
    socket.write(subscribeTo("load/#", options.qos));
  }

  #received(chunk: Uint8Array): void {
    let at = 0;
    if (this.#preface > 0) {
      at = Math.min(this.#preface, chunk.length);
      this.#preface -= at;
      if (this.#preface === 0) this.#onReady();
    }
    if (this.#qos === 0) {
      const bytes = this.#partial + chunk.length - at;
      this.messages += Math.floor(bytes / this.#frameBytes);
      this.#partial = bytes % this.#frameBytes;
    } else this.#acknowledge(chunk, at);
    this.#arrived();
  }

  /** A PUBACK for each frame that this chunk completes. */
  #acknowledge(chunk: Uint8Array, from: number): void {
    const acks = new Uint8Array(
      PUBACK_BYTES * Math.ceil((this.#partial + chunk.length - from) / this.#frameBytes),
    );
    let ack = 0;
    // The frame that is under way began `partial` bytes before the chunk.
    for (let start = from - this.#partial; start < chunk.length; start += this.#frameBytes) {
      const high = start + this.#idAt;
      if (high >= from && high < chunk.length) this.#id = chunk[high]! << 8;
      if (high + 1 >= from && high + 1 < chunk.length) this.#id |= chunk[high + 1]!;
      if (start + this.#frameBytes > chunk.length) {
        this.#partial = chunk.length - start;
        this.#socket.write(acks.subarray(0, ack));
        return;
      }
      acks[ack] = PacketType.PUBACK << 4;
      acks[ack + 1] = 2;
      acks[ack + 2] = this.#id >> 8;
      acks[ack + 3] = this.#id & 255;
      ack += PUBACK_BYTES;
      this.messages++;
    }
    this.#partial = 0;
    if (ack > 0) this.#socket.write(acks.subarray(0, ack));
  }
}

/** Sends batches as long as it may. */
class Publisher {
  sent = 0;
  readonly #socket: Socket;
  readonly #qos: 0 | 1;
  readonly #frame: Uint8Array;
  readonly #idAt: number;
  readonly #batch: Uint8Array;
  #preface = CONNACK_BYTES;
  #acknowledged = 0;
  #ackBytes = 0;
  #nextId = 1;

  constructor(
    socket: Socket,
    options: LoadOptions,
    frame: Uint8Array,
    index: number,
    acknowledged: () => void,
  ) {
    this.#socket = socket;
    this.#qos = options.qos;
    this.#frame = frame;
    this.#idAt = frame.length - options.payloadBytes - 2;
    this.#batch = new Uint8Array(frame.length * BATCH);
    for (let i = 0; i < BATCH; i++) this.#batch.set(frame, i * frame.length);
    socket.on("data", (chunk: Uint8Array) => {
      const skipped = Math.min(this.#preface, chunk.length);
      this.#preface -= skipped;
      const bytes = this.#ackBytes + chunk.length - skipped;
      this.#acknowledged += Math.floor(bytes / PUBACK_BYTES);
      this.#ackBytes = bytes % PUBACK_BYTES;
      acknowledged();
    });
    socket.write(hello(`publisher-${index}`));
  }

  /** Whether another batch may go. */
  get free(): boolean {
    return this.#qos === 0 || this.sent - this.#acknowledged <= OPEN_MAX - BATCH;
  }

  publish(): void {
    this.sent += BATCH;
    if (this.#qos === 0) {
      this.#socket.write(this.#batch);
      return;
    }
    const batch = this.#batch.slice();
    for (let i = 0; i < BATCH; i++) {
      const at = i * this.#frame.length + this.#idAt;
      batch[at] = this.#nextId >> 8;
      batch[at + 1] = this.#nextId & 255;
      this.#nextId = this.#nextId === 0xffff ? 1 : this.#nextId + 1;
    }
    this.#socket.write(batch);
  }
}

/** All of them; they rest until `run()`. */
export class Load {
  readonly #sockets: Socket[] = [];
  readonly #publishers: Publisher[] = [];
  readonly #subscribers: Subscriber[] = [];
  /** Messages. */
  #window = 0;
  #running = false;
  #lost: string | undefined;
  #turn = 0;

  /** Connects everybody. */
  static async start(options: LoadOptions): Promise<Load> {
    const load = new Load();
    const pump = (): void => load.#pump();
    const frame = (topic: string) =>
      encodePacket({
        type: PacketType.PUBLISH,
        dup: false,
        retain: false,
        topic,
        payload: new Uint8Array(options.payloadBytes),
        ...(options.qos === 0 ? { qos: 0 } : { qos: 1, packetId: 1 }),
      }, 4);
    const frameBytes = frame("load/00").length;
    load.#window = Math.floor(WINDOW_BYTES / frameBytes);
    for (let i = 0; i < options.subscribers; i++) {
      const socket = await load.#dial(options.port, `subscriber ${i}`);
      load.#subscribers.push(new Subscriber(socket, options, frameBytes, i, pump));
    }
    await within(Promise.all(load.#subscribers.map(({ ready }) => ready)), "every SUBACK");
    for (let i = 0; i < options.publishers; i++) {
      const socket = await load.#dial(options.port, `publisher ${i}`);
      const topic = `load/${`${i}`.padStart(2, "0")}`;
      load.#publishers.push(new Publisher(socket, options, frame(topic), i, pump));
    }
    return load;
  }

  async #dial(port: number, who: string): Promise<Socket> {
    const socket = await dial(port);
    this.#sockets.push(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#lost ??= who);
    return socket;
  }

  /** Messages that have come, all subscribers together. */
  get delivered(): number {
    return this.#subscribers.reduce((sum, { messages }) => sum + messages, 0);
  }

  get #sent(): number {
    return this.#publishers.reduce((sum, { sent }) => sum + sent, 0);
  }

  #pump(): void {
    if (!this.#running) return;
    let least = Infinity;
    for (const { messages } of this.#subscribers) if (messages < least) least = messages;
    let room = Math.floor((this.#window - (this.#sent - least)) / BATCH);
    for (let tried = 0; room > 0 && tried < this.#publishers.length; tried++) {
      const publisher = this.#publishers[this.#turn++ % this.#publishers.length]!;
      if (!publisher.free) continue;
      publisher.publish();
      room--;
      tried = -1;
    }
  }

  /** Publishes until `stop()`. */
  run(): void {
    this.#running = true;
    this.#pump();
  }

  /** Publishes no more; resolves when every subscriber has everything. Fails when a connection was lost. */
  async stop(): Promise<void> {
    this.#running = false;
    const expected = this.#sent * this.#subscribers.length;
    const end = performance.now() + WAIT_MS;
    while (this.delivered < expected && this.#lost === undefined) {
      if (performance.now() > end) throw new Error(`${expected - this.delivered} messages have not come`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    if (this.#lost !== undefined) throw new Error(`The connection of ${this.#lost} was lost`);
  }

  /** Ends all connections. */
  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
