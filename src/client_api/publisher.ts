/**
 * A Client for small devices and pages that only publish: MQTT 5.0, QoS 0 and 1, one connection.
 *
 * It can: CONNECT with credentials and Will; PUBLISH with Message Expiry Interval, Content Type and User Properties; Keep Alive; and it keeps to
 * the Server's Receive Maximum, Maximum Packet Size, Maximum QoS and Retain Available. It cannot: subscribe, QoS 2, keep a session, connect
 * again, speak other levels, or tell Reason Strings. Packets are written and read by hand, so that the tables of all packets stay out of a bundle.
 *
 * @example
 * ```ts
 * import { connectPublisher } from "@plumb/mqtt/client/publisher";
 *
 * const device = await connectPublisher("wss://broker.example/mqtt", { clientId: "thermometer" });
 * await device.publish("home/kitchen/temperature", "21.5", { qos: 1 });
 * device.close();
 * ```
 *
 * Knows what a publisher is told by a Server; refuses to know sessions and subscriptions.
 * @module
 */
import { UsageError } from "../codec/error.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Writer } from "../codec/writer.ts";
import type { Transport } from "../transport/transport.ts";
import type { Dialer } from "./options.ts";
import { dialWebSocket } from "./web_socket.ts";

/** Bytes that may wait for the transport. */
const UNSENT_MAX = 262_144;
/** Bytes of the largest packet that is taken from the Server. */
const ANSWER_MAX = 65_536;
const ANSWER_MS = 10_000;

/** How a publisher connects. */
export interface PublisherOptions {
  /** §3.1.3.1 default: the Server chooses. */
  readonly clientId?: string;
  /** §3.1.3.5 */
  readonly username?: string;
  /** §3.1.3.6 */
  readonly password?: Uint8Array;
  /** §3.1.2.10 seconds, default 60; 0 for none. */
  readonly keepAlive?: number;
  /** §3.1.2.5 */
  readonly will?: PublisherMessage & { readonly topic: string; readonly payload: Uint8Array | string };
  /** Default: the WebSocket object of the runtime. */
  readonly dial?: Dialer;
}

/** How one message is published. */
export interface PublisherMessage {
  /** Default 0. */
  readonly qos?: 0 | 1;
  /** Default false. */
  readonly retain?: boolean;
  /** §3.3.2.3.3 seconds. */
  readonly messageExpiryInterval?: number;
  /** §3.3.2.3.9 */
  readonly contentType?: string;
  /** §3.3.2.3.7 */
  readonly userProperties?: readonly (readonly [name: string, value: string])[];
}

/** The Server has refused something, or the connection is over; `reasonCode` if the Server has given one. */
export class PublisherError extends Error {
  /** §2.4 */
  readonly reasonCode: number | undefined;

  /** A publisher makes them. */
  constructor(message: string, reasonCode?: number) {
    super(reasonCode === undefined ? message : `${message} 0x${reasonCode.toString(16)}`);
    this.reasonCode = reasonCode;
  }
}

/** Connects; resolves when the Server has accepted, rejects with why not. */
export async function connectPublisher(
  url: string | URL,
  options: PublisherOptions = {},
): Promise<Publisher> {
  const { keepAlive = 60, dial = dialWebSocket } = options;
  const writer = new Writer();
  writeConnect(writer, options, keepAlive);
  const transport = await dial(new URL(url), { tls: {}, signal: new AbortController().signal });
  return await new Publisher(transport, writer, keepAlive).accepted;
}

interface Waiting {
  /** Of QoS 1: the bytes to be sent when there is quota; undefined when they have been. */
  bytes: Uint8Array | undefined;
  resolve(reasonCode: number): void;
  reject(error: unknown): void;
}

/** One connection. `connectPublisher()` makes it. */
export class Publisher {
  /** @internal Resolves with CONNACK. */
  readonly accepted: Promise<Publisher>;
  /** Resolves with what ended the connection. */
  readonly closed: Promise<PublisherError>;
  readonly #transport: Transport;
  readonly #writer: Writer;
  /** QoS 1 by Packet Identifier, in order. */
  readonly #waiting: Map<number, Waiting> = new Map();
  #settle: { resolve(publisher: Publisher): void; reject(error: unknown): void } | undefined;
  #ended!: (error: PublisherError) => void;
  #isOpen = false;
  #end: PublisherError | undefined;
  #kept: Uint8Array = new Uint8Array();
  #unsent: Uint8Array = new Uint8Array();
  #lastId = 0;
  #quota = 65_535;
  #packetMax = Infinity;
  #qosMax = 2;
  #retains = true;
  #keepAliveMs: number;
  #timer: unknown;
  #isPinging = false;

  /** @internal `writer` holds CONNECT. */
  constructor(transport: Transport, writer: Writer, keepAlive: number) {
    this.#transport = transport;
    this.#writer = writer;
    this.#keepAliveMs = keepAlive * 1_000;
    this.accepted = new Promise((resolve, reject) => this.#settle = { resolve, reject });
    this.closed = new Promise((resolve) => this.#ended = resolve);
    transport.start({
      received: (chunk) => this.#received(chunk),
      drained: () => this.#drained(),
      closed: () => {
        this.#over(new PublisherError("The connection is lost"));
        clearTimeout(this.#timer);
      },
    });
    this.#send(writer.bytes());
    this.#wait(ANSWER_MS);
  }

  /**
   * §3.3 resolves at QoS 0 when the bytes have been handed on, at QoS 1 with the Reason Code of PUBACK (0x10: nobody subscribes). Rejects with
   * a `PublisherError`, or a `UsageError` for what cannot be written.
   */
  publish(topic: string, payload: Uint8Array | string, message: PublisherMessage = {}): Promise<number> {
    return new Promise((resolve, reject) => {
      const { qos = 0, retain = false } = message;
      if (this.#end !== undefined) throw this.#end;
      if (qos > this.#qosMax || (retain && !this.#retains)) { // [MQTT-3.2.2-11] [MQTT-3.2.2-14]
        throw new PublisherError("The Server does not support this", qos > this.#qosMax ? 0x9b : 0x9a);
      }
      const writer = this.#writer;
      writer.reset();
      writer.begin(PacketType.PUBLISH << 4 | qos << 1 | (retain ? 1 : 0));
      writeTopic(writer, topic);
      const packetId = qos === 1 ? this.#nextId() : undefined;
      if (packetId !== undefined) writer.u16(packetId);
      writeProperties(writer, message);
      writer.raw(bytesOf(payload));
      writer.end();
      const bytes = writer.bytes();
      if (bytes.length > this.#packetMax) throw new PublisherError("Too large for the Server", 0x95); // [MQTT-3.2.2-15]
      if (this.#unsent.length > UNSENT_MAX) throw new PublisherError("Too much waits to be sent");
      if (packetId === undefined) {
        this.#send(bytes);
        return resolve(0);
      }
      const isHeld = this.#quota === 0; // [MQTT-4.9.0-2]
      this.#waiting.set(packetId, { bytes: isHeld ? bytes.slice() : undefined, resolve, reject });
      if (!isHeld) {
        this.#quota--;
        this.#send(bytes);
      }
    });
  }

  /** §3.14 says DISCONNECT and closes; what waits for PUBACK rejects. */
  close(): void {
    if (this.#end === undefined) {
      this.#send(new Uint8Array([PacketType.DISCONNECT << 4, 0]));
      this.#over(new PublisherError("Closed"));
    }
  }

  #nextId(): number {
    if (this.#waiting.size === 65_535) throw new PublisherError("Too much waits for PUBACK");
    do this.#lastId = this.#lastId % 65_535 + 1; while (this.#waiting.has(this.#lastId)); // [MQTT-2.2.1-3]
    return this.#lastId;
  }

  #send(bytes: Uint8Array): void {
    const taken = this.#unsent.length > 0 ? 0 : this.#transport.write(bytes);
    if (taken < bytes.length) this.#unsent = joined(this.#unsent, bytes.subarray(taken));
  }

  #drained(): void {
    const bytes = this.#unsent;
    this.#unsent = new Uint8Array();
    if (bytes.length > 0) this.#send(bytes);
    if (this.#end !== undefined && this.#unsent.length === 0) this.#transport.close();
  }

  #over(error: PublisherError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    clearTimeout(this.#timer);
    if (this.#unsent.length === 0) this.#transport.close();
    else this.#timer = setTimeout(() => this.#transport.abort(), ANSWER_MS);
    this.#settle?.reject(error);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#ended(error);
  }

  /** §3.1.2.10, and the time for CONNACK. */
  #wait(ms: number): void {
    clearTimeout(this.#timer);
    if (ms === 0) return;
    this.#timer = setTimeout(() => {
      if (!this.#isOpen || this.#isPinging) {
        return this.#over(new PublisherError("The Server does not answer"));
      }
      this.#isPinging = true;
      this.#send(new Uint8Array([PacketType.PINGREQ << 4, 0]));
      this.#wait(ANSWER_MS);
    }, ms);
  }

  #received(chunk: Uint8Array): void {
    let bytes = joined(this.#kept, chunk);
    try {
      while (this.#end === undefined && bytes.length > 1) {
        const [length, body] = varint(bytes, 1);
        if (length > ANSWER_MAX) throw 0x95;
        if (body === 0 || body + length > bytes.length) break;
        this.#packet(bytes[0]!, bytes.subarray(body, body + length));
        bytes = bytes.subarray(body + length);
      }
    } catch (error) {
      const code = typeof error === "number" ? error : 0x81;
      this.#send(new Uint8Array([PacketType.DISCONNECT << 4, 1, code]));
      this.#over(new PublisherError("The Server broke the standard", code));
    }
    this.#kept = bytes;
  }

  #packet(first: number, body: Uint8Array): void {
    const code = body.length > 2 ? body[2]! : 0;
    this.#isPinging = false;
    if (!this.#isOpen) {
      if (first !== PacketType.CONNACK << 4) throw 0x82; // [MQTT-3.2.0-1]
      return this.#connack(body);
    }
    switch (first) {
      case PacketType.PUBACK << 4: {
        const id = body[0]! << 8 | body[1]!;
        const waiting = this.#waiting.get(id);
        if (waiting === undefined || waiting.bytes !== undefined) throw 0x82;
        this.#waiting.delete(id);
        this.#quota++;
        if (code < 0x80) waiting.resolve(code);
        else waiting.reject(new PublisherError("The Server refuses by PUBACK", code));
        for (const next of this.#waiting.values()) {
          if (next.bytes === undefined) continue;
          this.#quota--;
          this.#send(next.bytes);
          next.bytes = undefined;
          break;
        }
        break;
      }
      case PacketType.PINGRESP << 4:
        break;
      case PacketType.DISCONNECT << 4:
        return this.#over(new PublisherError("The Server refuses by DISCONNECT", body[0] ?? 0));
      default:
        throw 0x82;
    }
    this.#wait(this.#keepAliveMs * 0.75);
  }

  /** §3.2 reads what bounds a publisher, and skips the rest by its kind. */
  #connack(body: Uint8Array): void {
    const [flags, code] = body;
    if (code! > 0) return this.#over(new PublisherError("The Server refuses by CONNACK", code!));
    if (flags! > 0) throw 0x82; // [MQTT-3.2.2-4]
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    let [, at] = varint(body, 2);
    while (at < body.length) {
      const id = body[at++]!;
      if (id === 0x21) this.#quota = view.getUint16(at);
      else if (id === 0x24) this.#qosMax = body[at]!;
      else if (id === 0x25) this.#retains = body[at] === 1;
      else if (id === 0x27) this.#packetMax = view.getUint32(at);
      else if (id === 0x13) this.#keepAliveMs = view.getUint16(at) * 1_000; // [MQTT-3.2.2-21]
      at += SIZES[id] ?? view.getUint16(at) + 2;
      if (id === 0x26) at += view.getUint16(at) + 2;
    }
    if (at > body.length) throw 0x81;
    this.#isOpen = true;
    this.#settle!.resolve(this);
    this.#settle = undefined;
    this.#wait(this.#keepAliveMs * 0.75);
  }
}

/** §2.2.2.2 bytes of the properties of CONNACK that are numbers. */
const SIZES: Readonly<Record<number, number>> = {
  0x11: 4,
  0x13: 2,
  0x21: 2,
  0x22: 2,
  0x24: 1,
  0x25: 1,
  0x27: 4,
  0x28: 1,
  0x29: 1,
  0x2a: 1,
};

/** §1.5.5 the value and the position behind it, 0 if it is not complete. */
function varint(bytes: Uint8Array, at: number): [value: number, end: number] {
  let value = 0;
  for (let shift = 0; at < bytes.length; shift += 7) {
    if (shift > 21) throw 0x81;
    const byte = bytes[at++]!;
    value |= (byte & 127) << shift;
    if (byte < 128) return [value, at];
  }
  return [value, 0];
}

/** §3.1 */
function writeConnect(writer: Writer, options: PublisherOptions, keepAlive: number): void {
  const { clientId = "", username, password, will } = options;
  const { qos = 0, retain = false } = will ?? {};
  writer.begin(PacketType.CONNECT << 4);
  writer.utf8("MQTT");
  writer.u8(5);
  writer.u8(
    2 | (will === undefined ? 0 : 4 | qos << 3 | (retain ? 32 : 0)) | (password === undefined ? 0 : 64) |
      (username === undefined ? 0 : 128),
  );
  writer.u16(keepAlive);
  writer.u8(0); // no properties
  writer.utf8(clientId);
  if (will !== undefined) {
    writeProperties(writer, will);
    writeTopic(writer, will.topic);
    writer.binary(bytesOf(will.payload));
  }
  if (username !== undefined) writer.utf8(username);
  if (password !== undefined) writer.binary(password);
  writer.end();
}

function writeTopic(writer: Writer, topic: string): void {
  if (/^$|[+#]/.test(topic)) throw new UsageError("Topic Name [MQTT-3.3.2-2]");
  writer.utf8(topic);
}

/** §3.3.2.3 */
function writeProperties(writer: Writer, message: PublisherMessage): void {
  const { messageExpiryInterval, contentType, userProperties = [] } = message;
  const start = writer.open();
  if (messageExpiryInterval !== undefined) {
    writer.u8(2);
    writer.u32(messageExpiryInterval);
  }
  if (contentType !== undefined) {
    writer.u8(3);
    writer.utf8(contentType);
  }
  for (const pair of userProperties) {
    writer.u8(38);
    writer.pair(pair);
  }
  writer.close(start);
}

function bytesOf(payload: Uint8Array | string): Uint8Array {
  return typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

const { setTimeout, clearTimeout } = globalThis as unknown as {
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
};
