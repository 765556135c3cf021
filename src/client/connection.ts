/**
 * §3.1, §3.2, §3.12–3.15, §4.12, §4.13 One Network Connection of a Client: from CONNECT to its end, its silence, and each packet to the part
 * that it is for.
 * Knows phases, Keep Alive and authentication; refuses to know messages, subscriptions, and what comes after its end.
 * @module
 */
import { decodeAcknowledgement } from "../codec/acknowledgement.ts";
import { decodeConnack } from "../codec/connack.ts";
import { encodeConnect } from "../codec/connect.ts";
import { decodeDisconnect, encodeDisconnect } from "../codec/disconnect.ts";
import { PeerError, protocolError } from "../codec/error.ts";
import { checkFirstByte } from "../codec/first_byte.ts";
import type { Auth, Connack, Connect, DisconnectProperties } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { decodePingresp } from "../codec/ping.ts";
import { Reader } from "../codec/reader.ts";
import { isReasonAllowedFrom } from "../codec/reason_code.ts";
import { decodeSuback } from "../codec/suback.ts";
import { decodeUnsuback } from "../codec/unsuback.ts";
import type { Transport } from "../transport/transport.ts";
import type { Authentication } from "./authentication.ts";
import { ConnectionError, type MqttError, RefusedError, ServerError, TimeoutError } from "./error.ts";
import type { Inbound } from "./inbound.ts";
import type { ClientLimits } from "./limits.ts";
import { type Encoder, Link, type LinkHandler, type LinkOwner } from "./link.ts";
import type { Outbound } from "./outbound.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** A timer that comes later than this says that the process or the machine stood still. */
const LATE_MS = 1_000;

/** CONNECT is sent, CONNACK awaited. */
const CONNECTING = 0;
/** The Server has accepted. */
const OPEN = 1;
/** Nothing more is taken or sent: our last bytes are on their way. */
const CLOSING = 2;
/** The transport is over. */
const CLOSED = 3;
/** Where a connection stands; numbers of their own are smaller in a bundle than an object of them. */
type Phase = typeof CONNECTING | typeof OPEN | typeof CLOSING | typeof CLOSED;

/** The engine, for its connections. */
export interface ConnectionHost extends LinkOwner {
  readonly limits: ClientLimits;
  readonly outbound: Outbound;
  readonly inbound: Inbound;
  readonly subscriptions: Subscriptions;
  /** §4.12 if this Client can do it. */
  readonly authentication: Authentication | undefined;
  /** The present time in ms. */
  readonly now: number;
  /** An input begins. */
  begin(now: number): void;
  /** CONNACK 0x00. */
  accepted(connection: Connection, connack: Connack): void;
  /** A chunk has been dealt with. */
  chunkDone(): void;
  /** It can be used no more; the transport may still send our last bytes. `isUnheard`: the Server has not said anything. */
  lost(connection: Connection, error: MqttError, isUnheard: boolean): void;
  /** The transport is over. */
  ended(connection: Connection): void;
}

/** One connection. Its driver calls `received`, `drained` and `closed`; all else is the engine's. */
export class Connection implements LinkHandler {
  /** Packets and bytes. */
  readonly link: Link;
  readonly #host: ConnectionHost;
  readonly #connect: Connect;
  readonly #reader: Reader = new Reader();
  #phase: Phase = CONNECTING;
  /** §3.1.2.10, §3.2.2.3.14 ms without a packet after which PINGREQ is sent; Infinity for never. */
  #pingMs = Infinity;
  /** ms since the epoch. */
  #sentAt: number;
  #receivedAt: number;
  /** When the present phase, or the wait for PINGRESP, comes to a bad end. */
  #deadline: number;
  #isPinging = false;
  #isUnheard = true;

  /** Sends CONNECT [MQTT-3.1.0-1]. @throws {UsageError} for one that cannot be sent. */
  constructor(host: ConnectionHost, transport: Transport, connect: Connect) {
    this.#host = host;
    this.#connect = connect;
    const { level, properties } = connect;
    this.link = new Link(transport, level, properties?.maximumPacketSize ?? Infinity, host, this);
    this.#sentAt = this.#receivedAt = host.now;
    this.#deadline = host.now + host.limits.connackTimeoutMs;
    this.link.send(encodeConnect, connect);
  }

  /** Whether CONNACK has accepted it, and it can be used. */
  get isOpen(): boolean {
    return this.#phase === OPEN;
  }

  /** §4.12 the Authentication Method of CONNECT. */
  get method(): string | undefined {
    return this.#connect.properties?.authenticationMethod;
  }

  /** Whether the transport is over. */
  get isClosed(): boolean {
    return this.#phase === CLOSED;
  }

  // Inputs.

  /** Bytes arrived. Never throws. `chunk` is the engine's only during the call. */
  received(chunk: Uint8Array, now: number): void {
    this.#host.begin(now);
    if (this.#phase >= CLOSING) return;
    this.#receivedAt = now;
    this.#isUnheard = this.#isPinging = false;
    this.#host.inbound.chunkBegins();
    try {
      this.link.receive(chunk);
      this.#host.chunkDone();
    } catch (error) {
      this.#caught(error);
    }
  }

  /** The transport can take more. */
  drained(now: number): void {
    this.#host.begin(now);
    if (this.#phase === CLOSED) return;
    this.link.drained();
    if (this.isOpen) this.flushed();
  }

  /** The transport is over. */
  closed(now: number, error?: Error): void {
    this.#host.begin(now);
    if (this.#phase === CLOSED) return;
    const wasInUse = this.#phase < CLOSING;
    this.#phase = CLOSED;
    this.link.discard();
    if (wasInUse) {
      this.#host.lost(this, new ConnectionError("The connection was lost", error), this.#isUnheard);
    }
    this.#host.ended(this);
  }

  /** The readers are no longer behind. */
  readOn(): void {
    if (!this.link.isPaused || this.#phase >= CLOSING) return;
    this.#receivedAt = this.#host.now; // the Server's silence was ours
    this.#host.inbound.chunkBegins();
    try {
      this.link.readOn();
    } catch (error) {
      this.#caught(error);
    }
  }

  // Time.

  /** When `ticked()` is to be called: ms since the epoch. */
  get deadline(): number {
    if (this.#phase !== OPEN || this.#isPinging) return this.#deadline;
    return Math.min(this.#sentAt, this.#receivedAt) + this.#pingMs;
  }

  /** Time has come to `now`. */
  ticked(now: number): void {
    if (this.#phase === CLOSED) return;
    if (now < this.#sentAt || now < this.#receivedAt) return this.#ping(now); // the clock was set back
    if (now < this.deadline) return;
    if (this.#phase === CLOSING) return this.link.transport.abort();
    if (this.#phase === CONNECTING) {
      return this.fail(new TimeoutError("No CONNACK in time"));
    }
    const isLate = now - this.#deadline > LATE_MS; // what the Server sent meanwhile may not have been read
    if (!this.#isPinging || isLate || this.link.isTransportPaused) return this.#ping(now);
    this.fail(new TimeoutError("No PINGRESP in time"));
  }

  /** §3.12 [MQTT-3.1.2-20] */
  #ping(now: number): void {
    this.#sentAt = this.#receivedAt = now;
    if (this.#phase !== OPEN) {
      this.#deadline = now + this.#host.limits.closeTimeoutMs;
      return;
    }
    this.#isPinging = true;
    this.#deadline = now + this.#host.limits.pingTimeoutMs;
    this.link.answer(PacketType.PINGREQ << 4, -1, 0);
  }

  /** Bytes have been written. */
  wrote(): void {
    this.#sentAt = this.#host.now;
  }

  // The link.

  flushed(): void {
    if (!this.isOpen) return;
    this.#host.outbound.written();
    this.#host.outbound.pump(this.#host.now);
  }

  // Frames.

  /** A frame whose rest is still to come. */
  begun(first: number): void {
    checkFirstByte(first, this.link.level);
  }

  /** One frame. */
  frame(bytes: Uint8Array, at: number, body: number, end: number): void {
    const first = bytes[at]!;
    const type = first >> 4;
    if (this.#phase === OPEN && type === PacketType.PUBLISH) {
      this.#host.inbound.publish(bytes, first, body, end);
    } else if (this.#phase === OPEN && type >= PacketType.PUBACK && type <= PacketType.PUBCOMP) {
      this.#acknowledgement(type as 4 | 5 | 6 | 7, bytes, first, body, end);
    } else if (this.#phase < CLOSING) this.#packet(type, bytes, first, body, end);
  }

  #acknowledgement(type: 4 | 5 | 6 | 7, bytes: Uint8Array, first: number, body: number, end: number): void {
    let id = end - body === 2 ? bytes[body]! << 8 | bytes[body + 1]! : 0;
    let code = 0;
    let reason: string | undefined;
    if (id === 0 || (first & 15) !== (type === PacketType.PUBREL ? 2 : 0)) { // not of the shortest form, or wrong
      const packet = decodeAcknowledgement(
        type,
        this.#reader.aim(bytes, body, end),
        first & 15,
        this.link.level,
      );
      id = packet.packetId;
      code = packet.reasonCode;
      reason = packet.properties?.reasonString;
    }
    const { outbound, inbound } = this.#host;
    if (type === PacketType.PUBACK) outbound.puback(id, code, reason);
    else if (type === PacketType.PUBREC) outbound.pubrec(id, code, reason);
    else if (type === PacketType.PUBCOMP) outbound.pubcomp(id);
    else inbound.pubrel(id);
  }

  #packet(type: number, bytes: Uint8Array, first: number, body: number, end: number): void {
    const { level } = this.link;
    const flags = first & 15;
    const reader = this.#reader.aim(bytes, body, end);
    if (type === PacketType.CONNACK) {
      // A Server that does not know level 5 may refuse it in its own layout.
      const isOlder = end - body === 2 && !this.isOpen && bytes[body + 1] !== 0;
      const connack = decodeConnack(reader, flags, isOlder ? 4 : level);
      if (this.isOpen) throw protocolError("MQTT-3.2.0-2");
      return this.#connack(connack);
    }
    if (type === PacketType.AUTH && level === 5) {
      if (this.#host.authentication !== undefined) {
        return this.#host.authentication.received(this, reader, flags);
      }
      throw protocolError("4.12/not-under-way");
    }
    if (!this.isOpen) {
      checkFirstByte(first, level);
      throw protocolError(type === PacketType.DISCONNECT ? "MQTT-3.14.0-1" : "MQTT-3.2.0-1");
    }
    switch (type) {
      case PacketType.SUBACK: {
        const { packetId, reasonCodes, properties } = decodeSuback(reader, flags, level);
        this.#host.subscriptions.suback(packetId, reasonCodes, properties?.reasonString);
        return this.#host.inbound.subscribed();
      }
      case PacketType.UNSUBACK: {
        const { packetId, reasonCodes, properties } = decodeUnsuback(reader, flags, level);
        return this.#host.subscriptions.unsuback(packetId, reasonCodes, properties?.reasonString);
      }
      case PacketType.PINGRESP:
        return void decodePingresp(reader, flags, level);
      case PacketType.DISCONNECT:
        if (level === 5) {
          const { reasonCode, properties } = decodeDisconnect(reader, flags, level);
          if (properties?.sessionExpiryInterval !== undefined) {
            throw protocolError("MQTT-3.14.2-2");
          }
          const { reasonString, serverReference } = properties ?? {};
          return this.#leave(new RefusedError("DISCONNECT", reasonCode, reasonString, serverReference));
        }
    }
    checkFirstByte(first, level);
    throw protocolError("3.1.0/direction");
  }

  /** §3.2 */
  #connack(connack: Connack): void {
    const { sessionPresent, reasonCode, properties } = connack;
    if (reasonCode !== 0) {
      if (sessionPresent) throw protocolError("MQTT-3.2.2-6");
      const { reasonString, serverReference } = properties ?? {};
      return this.#leave(new RefusedError("CONNACK", reasonCode, reasonString, serverReference));
    }
    const { cleanStart, keepAlive } = this.#connect;
    if (sessionPresent && cleanStart) throw protocolError("MQTT-3.2.2-4");
    if (properties?.authenticationMethod !== this.method) throw protocolError("MQTT-4.12.0-5");
    this.#phase = OPEN;
    this.link.maximumPacketSize = properties?.maximumPacketSize ?? Infinity;
    const seconds = properties?.serverKeepAlive ?? keepAlive; // [MQTT-3.2.2-21] [MQTT-3.1.2-21]
    // A quarter of it is left for the way there.
    this.#pingMs = seconds === 0 ? Infinity : seconds * 750;
    this.#host.accepted(this, connack);
  }

  // The end.

  #caught(error: unknown): void {
    if (error instanceof PeerError) {
      const fault = new ServerError(error);
      return this.fail(fault, error.code, fault.message);
    }
    this.fail(new ConnectionError("The client engine failed", error), 0x83);
  }

  /** Sends AUTH, if anything may still be sent. */
  send(encode: Encoder<Auth>, auth: Auth): void {
    if (this.#phase < CLOSING) this.link.send(encode, auth);
  }

  /** We end it: DISCONNECT, and then nothing more [MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT-4.13.2-1]. */
  fail(error: MqttError, code = 0x80, reasonString?: string): void {
    if (this.#phase >= CLOSING) return;
    this.disconnect(
      isReasonAllowedFrom("client", PacketType.DISCONNECT, code) ? code : 0x80,
      reasonString === undefined ? undefined : { reasonString },
    );
    this.#host.lost(this, error, this.#isUnheard);
  }

  /** §3.14 sends DISCONNECT and closes; the engine is told nothing but the end. */
  disconnect(reasonCode: number, properties?: DisconnectProperties): void {
    if (this.#phase >= CLOSING) return;
    // Below level 5 DISCONNECT means that all is well, and the Will is dropped.
    if (this.link.level === 5 || reasonCode === 0) {
      this.link.send(encodeDisconnect, {
        type: PacketType.DISCONNECT,
        reasonCode,
        ...properties !== undefined && { properties },
      });
    }
    this.#end();
  }

  /** The Server has ended it. */
  #leave(error: RefusedError): void {
    this.#end();
    this.#host.lost(this, error, false);
  }

  #end(): void {
    this.#phase = CLOSING;
    this.#deadline = this.#host.now + this.#host.limits.closeTimeoutMs;
    this.link.end();
  }
}
