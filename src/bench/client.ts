/**
 * A lean Client for load: §3.1 CONNECT, §3.8 SUBSCRIBE, §3.3 PUBLISH and its acknowledgements, in bytes laid out beforehand.
 * Knows one connection; refuses to know what is measured, to build an object for a message, and to repair anything.
 * @module
 */
import { decodePacket } from "../codec/decode.ts";
import { Deframer, type FrameHandler } from "../codec/deframer.ts";
import { encodePacket } from "../codec/encode.ts";
import type { Connack, Connect, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { reasonName } from "../codec/reason_code.ts";
import { viewOf } from "../codec/publish_view.ts";
import { type BufferPool, Outbox } from "../engine/outbox.ts";
import { dial, dialTrouble } from "../runtime/dial.ts";
import type { Transport, TransportHandler } from "../transport/transport.ts";
import { putStamp } from "./stamp.ts";
import type { Target } from "./target.ts";
import type { Turn, Writing } from "./turn.ts";

/** The part that all Clients of a thread share. */
export interface ClientContext {
  readonly turn: Turn;
  readonly pool: BufferPool;
  readonly target: Target;
  readonly level: 4 | 5;
  /** A message has come: its payload is `bytes[at, end)`, the callee's only during the call. */
  delivered(client: LoadClient, bytes: Uint8Array, at: number, end: number): void;
  /** One message fewer is in flight, or late bytes have left: more can be published. */
  ready(client: LoadClient): void;
  /** The run is over: something happened that must not. */
  failed(error: Error): void;
}

/** Who a Client is. */
export interface ClientOptions {
  /** As it is called in errors: `subscriber 3`. */
  readonly name: string;
  /** Its number among those of its role. */
  readonly index: number;
  readonly clientId: string;
  /** §3.1.2.11.2 seconds that the session outlives the connection; 0 is none. */
  readonly sessionExpiry: number;
}

/** What went wrong with a Client. One line. */
export class ClientError extends Error {
  override readonly name = "ClientError";
}

/** A PUBLISH to be stamped, and where. */
export interface PublishFrame {
  readonly bytes: Uint8Array;
  /** -1 at QoS 0. */
  readonly packetIdAt: number;
  readonly payloadAt: number;
}

/** §3.3 lays out the PUBLISH of a publisher. */
export function publishFrame(
  topic: string,
  qos: QoS,
  payload: Uint8Array,
  level: 4 | 5,
  retain = false,
): PublishFrame {
  const init = qos === 0 ? {} : { packetId: 1 };
  const bytes = encodePacket(
    { type: PacketType.PUBLISH, dup: false, qos, retain, topic, payload, ...init },
    level,
  );
  const { packetIdAt, payloadAt } = viewOf(bytes, level === 5);
  return { bytes, packetIdAt, payloadAt };
}

const NONE = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
/** §2.1.2 and §2.1.3: first bytes. */
const PUBACK = 0x40;
const PUBREC = 0x50;
const PUBREL = 0x62;
const PUBCOMP = 0x70;
/** How long the Server may take to answer. */
const PATIENCE_MS = 20_000;
/** How long the Server may take to let us go. */
const GOODBYE_MS = 2000;

/** One connection. Every answer that the standard demands of it is given; nothing is kept alive, nothing sent again. */
export class LoadClient implements FrameHandler, TransportHandler, Writing {
  /** Its number among those of its role. */
  readonly index: number;
  /** Messages published at QoS 1 or 2 that are not acknowledged. */
  inFlight = 0;
  /** Acknowledgements with a Reason Code of 0x80 or above. */
  refused = 0;
  /** Written bytes wait for the peer. */
  blocked = false;
  /** §3.2.2.3.3 the Server's Receive Maximum. */
  receiveMaximum = 65_535;
  readonly #context: ClientContext;
  readonly #name: string;
  readonly #level5: boolean;
  readonly #outbox: Outbox;
  readonly #deframer = new Deframer(Infinity);
  readonly #transport: Transport;
  /** It will be flushed at the end of this turn. */
  #flushing = false;
  #packetId = 0;
  /** The answer that is awaited: CONNACK, SUBACK. */
  #answer: ((packet: Uint8Array | Error) => void) | undefined;
  #gone: (() => void) | undefined;
  #over = false;

  private constructor(context: ClientContext, transport: Transport, { name, index }: ClientOptions) {
    this.#context = context;
    this.#transport = transport;
    this.#name = name;
    this.index = index;
    this.#level5 = context.level === 5;
    this.#outbox = new Outbox(context.pool);
  }

  /** Connects; resolves with CONNACK, rejects if there is none or it says no. */
  static async open(context: ClientContext, options: ClientOptions): Promise<LoadClient> {
    const client = new LoadClient(context, await reach(context.target), options);
    client.#transport.start(client);
    try {
      await client.#connect(connectBytes(context, options));
    } catch (error) {
      client.abort();
      throw error;
    }
    return client;
  }

  async #connect(bytes: Uint8Array): Promise<void> {
    const { level } = this.#context;
    const answer = this.#await("CONNACK");
    this.#send(bytes);
    const { reasonCode, properties } = decodePacket(await answer, level) as Connack;
    if (reasonCode !== 0) {
      throw this.#error(`was refused: CONNACK ${codeText(reasonCode, PacketType.CONNACK, level)}`);
    }
    this.receiveMaximum = properties?.receiveMaximum ?? 65_535;
  }

  /** Subscribes; resolves with SUBACK, rejects if it says no or a lower QoS. */
  async subscribe(filter: string, qos: QoS): Promise<void> {
    const { level } = this.#context;
    const answer = this.#await("SUBACK");
    const subscriptions = [{ filter, qos, ...NONE }];
    this.#send(encodePacket({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions }, level));
    const suback = decodePacket(await answer, level);
    const code = suback.type === PacketType.SUBACK ? suback.reasonCodes[0]! : 0x80;
    if (code >= 0x80) {
      throw this.#error(`may not subscribe: SUBACK ${codeText(code, PacketType.SUBACK, level)}`);
    }
    if (code < qos) throw this.#error(`was granted QoS ${code}, not ${qos}`);
  }

  /** Publishes: the frame, stamped. It leaves at the end of the turn. */
  publish(frame: PublishFrame, run: number, us: number, number: number, publisher: number): void {
    const at = this.#put(frame);
    putStamp(this.#outbox.buffer, at + frame.payloadAt, run, us, number, publisher);
  }

  /** Publishes the frame as it is, but for the Packet Identifier. */
  publishBare(frame: PublishFrame): void {
    this.#put(frame);
  }

  /** §3.14 says good-bye; resolves when the connection is over. `ends`: §3.14.2.2.2 the session is to end with it. */
  async leave(ends = false): Promise<void> {
    if (this.#over) return;
    const gone = new Promise<void>((resolve) => this.#gone = resolve);
    const properties = ends && this.#level5 ? { properties: { sessionExpiryInterval: 0 } } : {};
    this.#send(
      encodePacket({ type: PacketType.DISCONNECT, reasonCode: 0, ...properties }, this.#context.level),
    );
    this.flush();
    this.#transport.close();
    const timer = setTimeout(() => this.#transport.abort(), GOODBYE_MS);
    await gone;
    clearTimeout(timer);
  }

  /** Ends at once. */
  abort(): void {
    this.#gone ??= () => {};
    this.#transport.abort();
  }

  /** Writes the gathered bytes. */
  flush(): void {
    this.#flushing = false;
    if (!this.#over && !this.blocked) this.blocked = !this.#outbox.flush(this.#transport);
  }

  received(chunk: Uint8Array): void {
    this.#context.turn.began();
    try {
      this.#deframer.receive(chunk, this);
    } catch (error) {
      this.#fail(this.#error(`cannot read what the Server sends: ${(error as Error).message}`));
      this.abort();
    }
  }

  drained(): void {
    this.blocked = false;
    this.flush();
    if (!this.blocked) this.#context.ready(this);
  }

  closed(error?: Error): void {
    this.#over = true;
    this.#outbox.clear();
    if (this.#gone !== undefined) return this.#gone();
    const why = error === undefined ? "" : ` (${error.message})`;
    this.#fail(this.#error(`lost its connection: the Server closed it${why}`));
  }

  frame(bytes: Uint8Array, at: number, body: number, end: number): boolean {
    const first = bytes[at]!;
    switch (first >> 4) {
      case PacketType.PUBLISH:
        this.#published(first, bytes, body, end);
        break;
      case PacketType.PUBACK:
      case PacketType.PUBCOMP:
        this.#acknowledged(bytes, body, end);
        break;
      case PacketType.PUBREC: // one that refuses is the end of it, §4.3.3
        if (end - body > 2 && bytes[body + 2]! >= 0x80) this.#acknowledged(bytes, body, end);
        else this.#acknowledge(PUBREL, bytes[body]!, bytes[body + 1]!);
        break;
      case PacketType.PUBREL:
        this.#acknowledge(PUBCOMP, bytes[body]!, bytes[body + 1]!);
        break;
      case PacketType.CONNACK:
      case PacketType.SUBACK:
        this.#answer?.(bytes.slice(at, end));
        break;
      case PacketType.DISCONNECT:
        this.#dismissed(end > body ? bytes[body]! : 0);
        break;
    }
    return true;
  }

  #published(first: number, bytes: Uint8Array, body: number, end: number): void {
    const qos = first >> 1 & 3;
    let at = body + 2 + (bytes[body]! << 8 | bytes[body + 1]!);
    if (qos > 0) {
      this.#acknowledge(qos === 1 ? PUBACK : PUBREC, bytes[at]!, bytes[at + 1]!);
      at += 2;
    }
    if (this.#level5) {
      if (bytes[at] === 0) at++;
      else at = afterProperties(bytes, at);
    }
    this.#context.delivered(this, bytes, at, end);
  }

  #put({ bytes, packetIdAt }: PublishFrame): number {
    const at = this.#outbox.append(bytes, 0, bytes.length);
    if (packetIdAt >= 0) {
      const { buffer } = this.#outbox;
      this.#packetId = this.#packetId === 65_535 ? 1 : this.#packetId + 1;
      buffer[at + packetIdAt] = this.#packetId >> 8;
      buffer[at + packetIdAt + 1] = this.#packetId;
      this.inFlight++;
    }
    this.#flushSoon();
    return at;
  }

  #acknowledged(bytes: Uint8Array, body: number, end: number): void {
    this.inFlight--;
    if (end - body > 2 && bytes[body + 2]! >= 0x80) this.refused++;
    this.#context.ready(this);
  }

  #acknowledge(first: number, high: number, low: number): void {
    const at = this.#outbox.room(4);
    const { buffer } = this.#outbox;
    buffer[at] = first;
    buffer[at + 1] = 2;
    buffer[at + 2] = high;
    buffer[at + 3] = low;
    this.#flushSoon();
  }

  #dismissed(code: number): void {
    const text = codeText(code, PacketType.DISCONNECT, this.#context.level);
    this.#fail(this.#error(`was sent away: DISCONNECT ${text}`));
    this.abort();
  }

  #send(bytes: Uint8Array): void {
    this.#outbox.append(bytes, 0, bytes.length);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#context.turn.flushes(this);
  }

  /** The next CONNACK or SUBACK; rejects when the connection is lost or patience is. */
  #await(what: string): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const none = `waited ${PATIENCE_MS / 1000} s in vain for ${what}`;
      const timer = setTimeout(() => reject(this.#error(none)), PATIENCE_MS);
      this.#answer = (packet) => {
        clearTimeout(timer);
        this.#answer = undefined;
        if (packet instanceof Error) reject(packet);
        else resolve(packet);
      };
    });
  }

  /** Rejects the answer that is awaited; if none is, it is the end of the run. */
  #fail(error: ClientError): void {
    if (this.#answer !== undefined) this.#answer(error);
    else this.#context.failed(error);
  }

  #error(what: string): ClientError {
    return new ClientError(`${this.#name} ${what}`);
  }
}

async function reach({ host, port, tls, webSocket, url }: Target): Promise<Transport> {
  try {
    return await dial({ host, port }, tls, webSocket);
  } catch (error) {
    throw new ClientError(`${url} cannot be reached: ${dialTrouble(error)}`);
  }
}

function connectBytes(
  { target: { username, password }, level }: ClientContext,
  { clientId, sessionExpiry }: ClientOptions,
): Uint8Array {
  const isDurable = sessionExpiry > 0;
  const packet: Connect = { type: PacketType.CONNECT, level, cleanStart: !isDurable, keepAlive: 0, clientId };
  if (username !== undefined) packet.username = username;
  if (password !== undefined) packet.password = new TextEncoder().encode(password);
  // The default, and yet it has to be said: without it some Servers keep less in flight, and drop messages beyond it.
  const receiveMaximum = 65_535;
  if (level === 5) {
    packet.properties = { receiveMaximum, ...isDurable && { sessionExpiryInterval: sessionExpiry } };
  }
  return encodePacket(packet, level);
}

/** §2.4; below level 5 there is a number only. */
function codeText(code: number, type: PacketType, level: 4 | 5): string {
  return `0x${code.toString(16).padStart(2, "0")}${level === 5 ? ` (${reasonName(type, code)})` : ""}`;
}

/** Where the payload begins when the Property Length stands at `at`. */
function afterProperties(bytes: Uint8Array, at: number): number {
  let length = 0;
  let shift = 0;
  let byte: number;
  do {
    byte = bytes[at++]!;
    length |= (byte & 127) << shift;
    shift += 7;
  } while (byte > 127);
  return at + length;
}
