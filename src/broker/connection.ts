/**
 * One Network Connection on the Server: packets in, each to the file of its name; answers and the end out.
 * Knows the life of a connection; refuses to know what a packet causes.
 * @module
 */
import { decodeAcknowledgement, encodeAcknowledgement } from "../codec/acknowledgement.ts";
import { decodeAuth } from "../codec/auth.ts";
import { decodeConnect } from "../codec/connect.ts";
import { decode } from "../codec/decode.ts";
import { Deframer, type FrameHandler } from "../codec/deframer.ts";
import { decodeDisconnect } from "../codec/disconnect.ts";
import { encode } from "../codec/encode.ts";
import { malformed, PeerError, protocolError, refused, type Rule } from "../codec/error.ts";
import type { Connect, Disconnect, Packet, ProtocolLevel, QoS, ReasonProperties } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { decodePingreq } from "../codec/ping.ts";
import type { PublishStamp } from "../codec/publish_template.ts";
import { isReasonAllowedFrom, type ReasonCode } from "../codec/reason_code.ts";
import { decodeSubscribe } from "../codec/subscribe.ts";
import { decodeUnsubscribe } from "../codec/unsubscribe.ts";
import { Outbox } from "../engine/outbox.ts";
import type { Deadline } from "../engine/timers.ts";
import type { Transport } from "../transport/transport.ts";
import { puback, pubcomp, pubrec, pubrel } from "./acknowledge.ts";
import { authenticated, authPacket } from "./auth.ts";
import { connectPacket, levelAsked, refuseConnect, refusingConnack } from "./connect.ts";
import { firstByte, pump } from "./deliver.ts";
import type { Broker } from "./engine.ts";
import {
  type AuthenticationRequest,
  type ClientInfo,
  type PeerInfo,
  reasonString,
  type Refusal,
  type Verdict,
} from "./options.ts";
import { publishFrame } from "./publish.ts";
import { endRun } from "./run.ts";
import { NEVER_EXPIRES, type Session } from "./session.ts";
import { subscribePacket, unsubscribePacket } from "./subscribe.ts";
import type { ServerWill } from "./will.ts";

/** Where a connection stands. */
export const State = {
  /** Nothing but CONNECT is taken. */
  WAITING: 0,
  /** CONNECT or AUTH is with the authenticator; nothing is read. */
  DECIDING: 1,
  /** §4.12 AUTH is awaited from the Client. */
  EXCHANGING: 2,
  OPEN: 3,
  /** Our last bytes are on their way; what still comes is ignored. */
  CLOSING: 4,
  CLOSED: 5,
} as const;
/** A value of `State`. */
export type State = typeof State[keyof typeof State];

/** Bytes in an outbox from which on it is written at once, not at the end of the turn. */
const WRITE_NOW_BYTES = 64 * 1024;

/**
 * After so many chunks what they caused is written, though the turn goes on: of thousands of Clients that connect at once the
 * first shall not wait for the last.
 */
const CHUNKS_MAX = 128;

/** Above `outboundBytesMax` only answers are added; a peer that makes us answer this much more without reading is cut off. */
const ANSWER_BYTES_MAX = 1024 * 1024;

/** The first two bytes of a Client that speaks TLS: by our reading a CONNECT with wrong flags, of three bytes. */
const TLS_HANDSHAKE = 0x16;
const TLS_VERSION_MAJOR = 3;

/** One connection. Its owner calls `received`, `drained`, `closed`, `decided`; all else is the engine's. */
export class Connection implements Deadline, FrameHandler {
  /** @internal */
  heapIndex = -1;
  /** @internal */
  heapTime = 0;
  /** @internal */
  readonly broker: Broker;
  /** @internal */
  readonly transport: Transport;
  /** Where it comes from. */
  readonly peer: PeerInfo;
  /** @internal */
  readonly outbox: Outbox;
  /** @internal */
  readonly deframer: Deframer;
  /** @internal */
  state: State = State.WAITING;
  /** §3.1.2.2 of the CONNECT; until then what can be told of it. */
  level: ProtocolLevel = 4;
  /** @internal */
  session: Session | undefined;
  /** Who it is, once its CONNECT is accepted. */
  client: ClientInfo | undefined;
  /** @internal The CONNECT while it is not accepted. */
  connect: Connect | undefined;
  /** @internal §4.12 of the CONNECT. */
  authenticationMethod: string | undefined;
  /** @internal The authenticator is asked and has not answered. */
  asking = false;
  /** @internal §4.12.1 an open connection is being authenticated anew. */
  reauthenticating = false;
  /** @internal */
  will: ServerWill | undefined;
  /** @internal §3.1.2.10 one and a half times the Keep Alive in ms, 0 is off. */
  silenceMs = 0;
  /** @internal */
  lastReceivedAt: number;
  /** @internal §3.1.2.11.4 of the Client. */
  maximumPacketSize: number = Infinity;
  /** @internal §3.1.2.11.7 */
  requestProblemInformation = true;
  /** @internal §3.1.2.11.3 QoS 1 and 2 messages that may be open towards the Client, and those that are. */
  sendLimit = 0;
  /** @internal */
  open = 0;
  /** @internal §3.3.4 QoS 2 identifiers that may be open from the Client. */
  receiveLimit = 0;
  /** @internal §3.3.2.3.4 the Client's aliases: Topic Names as bytes, by alias. */
  aliasesIn: (Uint8Array | undefined)[] | undefined;
  /** @internal Our aliases by Topic Name, if the Client allows any. */
  aliasesOut: Map<string, number> | undefined;
  /** @internal */
  aliasesOutMax = 0;
  /** @internal Whether it is in the list of those to be written at the end of the turn. */
  dirty = false;
  /** @internal The transport took less than it was given. */
  blocked = false;
  /** @internal Position from which on bytes wait for the commit under way, and for the one after it. */
  heldNow: number = Infinity;
  /** @internal */
  heldNext: number = Infinity;
  /** @internal Set when it is to be ended at the end of the turn. */
  doomed: Refusal | undefined;
  /** @internal Where CONNACK stands in the outbox. */
  connackAt: number = Infinity;
  /** @internal Its session was there before. */
  resumed = false;
  #resuming = false;
  /** Too much waits behind a CONNECT or AUTH. */
  #paused = false;

  /** @internal */
  constructor(broker: Broker, transport: Transport, peer: PeerInfo, now: number) {
    this.broker = broker;
    this.transport = transport;
    this.peer = peer;
    this.outbox = new Outbox(broker.pool);
    this.deframer = new Deframer(broker.limits.packetBytesMax);
    this.lastReceivedAt = now;
    broker.timers.schedule(this, now + broker.limits.connectTimeoutMs);
  }

  /** Bytes arrived. Never throws. `chunk` is the engine's only during the call. */
  received(chunk: Uint8Array, now: number): void {
    if (this.state >= State.CLOSING) return;
    this.lastReceivedAt = now;
    const broker = this.broker;
    broker.now = now;
    try {
      this.deframer.receive(chunk, this);
      endRun(broker);
      if (++broker.chunks >= CHUNKS_MAX) broker.write(now);
      if (
        this.state === State.DECIDING && !this.#paused && this.deframer.held > broker.limits.pendingBytesMax
      ) {
        this.#paused = true;
        broker.limited("pendingBytesMax", this.transport.label, undefined);
        this.transport.pause();
      }
    } catch (error) {
      this.#caught(error, now);
    }
  }

  /** The transport can take more. */
  drained(now: number): void {
    if (this.state === State.CLOSED) return;
    this.broker.now = now;
    this.blocked = false;
    this.flush();
    if (this.state === State.OPEN && !this.blocked) pump(this, now);
  }

  /** The transport is over. */
  closed(now: number): void {
    if (this.state === State.CLOSED) return;
    this.broker.now = now;
    const before = this.state;
    this.state = State.CLOSED;
    this.broker.closed(this, before, now);
  }

  /** The authenticator's answer; too late if the connection is over. */
  decided(verdict: Verdict, now: number): void {
    if (!this.asking || this.state >= State.CLOSING) return;
    this.asking = false;
    this.broker.now = now;
    try {
      authenticated(this, verdict, now);
      this.#resume();
    } catch (error) {
      this.#caught(error, now);
    }
  }

  /** @internal A deadline of this connection: for CONNECT, for a packet, or for the peer to close. */
  due(now: number): void {
    const limits = this.broker.limits;
    if (this.state === State.CLOSING) { // [limit/close-timeout]
      this.broker.limited("closeTimeoutMs", this.transport.label, undefined);
      this.transport.abort();
      this.closed(now);
    } else if (this.state === State.OPEN) {
      const silentSince = this.lastReceivedAt + this.silenceMs;
      if (silentSince > now) this.broker.timers.schedule(this, silentSince);
      else {this.end({
          code: 0x8d,
          rule: "MQTT-3.1.2-22",
          message: "No packet within 1.5 times the Keep Alive",
        }, now);}
    } else {
      this.broker.limited("connectTimeoutMs", this.transport.label, undefined);
      const message = `No accepted CONNECT within ${limits.connectTimeoutMs} ms (connectTimeoutMs)`;
      refuseConnect(this, { code: 0x80, rule: "limit/connect-timeout", message }, now);
    }
  }

  /** @internal [limit/connecting] A new connection takes the place of this one, which is not open. */
  giveWay(now: number): void {
    this.broker.limited("connectingMax", this.transport.label, undefined);
    if (this.state < State.CLOSING) {
      const message = "Too many connections without an accepted CONNECT (connectingMax)";
      refuseConnect(this, { code: 0x97, rule: "limit/connecting", message }, now);
    }
    this.transport.abort();
    this.closed(now);
  }

  /** @internal One frame; false where reading must stop. */
  frame(bytes: Uint8Array, at: number, body: number, end: number): boolean {
    if (this.state === State.OPEN) {
      const first = bytes[at]!;
      if (first >> 4 === PacketType.PUBLISH) publishFrame(this, bytes, at, body, end);
      else {
        endRun(this.broker);
        this.#packet(bytes, first, body, end);
      }
    } else if (this.state < State.OPEN) this.#early(bytes, bytes[at]!, body, end);
    return this.state === State.OPEN || this.state === State.EXCHANGING;
  }

  /** Packets of an open connection but PUBLISH. */
  #packet(bytes: Uint8Array, first: number, body: number, end: number): void {
    const now = this.broker.now;
    const type = first >> 4;
    if (type >= PacketType.PUBACK && type <= PacketType.PUBCOMP) {
      this.#acknowledgement(type as 4 | 5 | 6 | 7, bytes, first, body, end);
      return;
    }
    const reader = this.broker.reader.aim(bytes, body, end);
    const flags = first & 15;
    switch (type) {
      case PacketType.PINGREQ:
        decodePingreq(reader, flags, this.level);
        this.answer(PacketType.PINGRESP << 4, 0, 0); // [MQTT-3.12.4-1]
        return;
      case PacketType.SUBSCRIBE:
        return subscribePacket(this, decodeSubscribe(reader, flags, this.level), now);
      case PacketType.UNSUBSCRIBE:
        return unsubscribePacket(this, decodeUnsubscribe(reader, flags, this.level));
      case PacketType.DISCONNECT:
        return this.#disconnect(decodeDisconnect(reader, flags, this.level), now);
      case PacketType.AUTH:
        return authPacket(this, decodeAuth(reader, flags, this.level), now);
      case PacketType.CONNECT:
        throw protocolError("MQTT-3.1.0-2", "A second CONNECT");
    }
    decode(reader, first, this.level); // what is malformed is called so first
    throw protocolError("3.1.0/direction", `Packet type ${type} is not for a Client to send`);
  }

  #acknowledgement(type: 4 | 5 | 6 | 7, bytes: Uint8Array, first: number, body: number, end: number): void {
    let id = end - body === 2 ? bytes[body]! << 8 | bytes[body + 1]! : 0;
    let code = 0;
    if (id === 0 || (first & 15) !== (type === PacketType.PUBREL ? 2 : 0)) { // not of the shortest form, or wrong
      const packet = decodeAcknowledgement(
        type,
        this.broker.reader.aim(bytes, body, end),
        first & 15,
        this.level,
      );
      id = packet.packetId;
      code = packet.reasonCode;
    }
    const now = this.broker.now;
    if (type === PacketType.PUBACK) puback(this, id, code, now);
    else if (type === PacketType.PUBREC) pubrec(this, id, code, now);
    else if (type === PacketType.PUBREL) pubrel(this, id);
    else pubcomp(this, id, now);
  }

  /** Before the CONNECT is accepted only it and AUTH are taken. */
  #early(bytes: Uint8Array, first: number, body: number, end: number): void {
    const now = this.broker.now;
    const reader = this.broker.reader.aim(bytes, body, end);
    if (this.state === State.WAITING) {
      if (first >> 4 !== PacketType.CONNECT) {
        throw protocolError("MQTT-3.1.0-1", "The first packet is not CONNECT");
      }
      this.level = levelAsked(bytes, body, end);
      if (first === TLS_HANDSHAKE && end - body === TLS_VERSION_MAJOR) {
        throw malformed(
          "MQTT-2.1.3-1",
          "Fixed header flags 0110: TLS begins so, and this listener is without TLS",
        );
      }
      return connectPacket(this, decodeConnect(reader, first & 15), now);
    }
    if (first >> 4 === PacketType.AUTH) {
      return authPacket(this, decodeAuth(reader, first & 15, this.level), now);
    }
    if (first >> 4 === PacketType.DISCONNECT) {
      return this.#disconnect(decodeDisconnect(reader, first & 15, this.level), now);
    }
    throw protocolError("MQTT-3.1.2-30", "Neither AUTH nor DISCONNECT while authentication goes on");
  }

  /** §3.14 the Client ends the connection. */
  #disconnect(packet: Disconnect, now: number): void {
    const { reasonCode, properties } = packet;
    if (!isReasonAllowedFrom("client", PacketType.DISCONNECT, reasonCode)) {
      throw protocolError("2.4/reason-code", "A Reason Code that only a Server sends");
    }
    if (properties?.serverReference !== undefined) {
      throw protocolError("3.14.2.2.5/from-client", "Server Reference from a Client");
    }
    const session = this.session;
    const expiry = properties?.sessionExpiryInterval;
    if (session !== undefined && expiry !== undefined) {
      if (session.expirySeconds === 0 && expiry !== 0) {
        throw protocolError(
          "3.14.2.2.2/expiry-from-zero",
          "Session Expiry Interval set on DISCONNECT after 0 on CONNECT",
        );
      }
      this.broker.setExpiry(session, Math.min(expiry, this.broker.limits.sessionExpirySecondsMax));
    }
    const discards = reasonCode === 0 && this.will !== undefined;
    if (discards) this.will = undefined; // [MQTT-3.14.4-3] [MQTT-3.1.2-10]
    this.#leave(true, undefined, now);
    if (discards) this.broker.commitSoon(); // or a crash would bring it back
  }

  /** @internal Ends an open connection: DISCONNECT where the level has it, then the close. */
  end(refusal: Refusal, now: number, serverReference?: string): void {
    if (this.state !== State.OPEN) return;
    const session = this.session!;
    const accepted = this.outbox.position > this.connackAt;
    if (!accepted) {
      this.will = undefined;
      this.send(refusingConnack(this.level, refusal));
    } else if (this.level === 5) {
      const properties = { reasonString: reasonString(refusal), ...(serverReference && { serverReference }) };
      this.send({ type: PacketType.DISCONNECT, reasonCode: refusal.code, properties });
    }
    this.#leave(false, refusal, now);
    if (!accepted && !this.resumed) this.broker.endSession(session, now); // the Client has none: [MQTT-3.2.2-4]
  }

  /** @internal What it waits for cannot be made safe: that is never sent, and the connection ends. */
  endHeld(refusal: Refusal, now: number): void {
    if (this.heldNow === Infinity || this.state === State.CLOSED) return; // it has ended since it began to wait
    this.outbox.truncate(this.heldNow);
    this.heldNow = this.heldNext = this.outbox.limit = Infinity;
    if (this.state === State.OPEN) this.end(refusal, now);
    else this.flush();
  }

  /** @internal Ends it at the end of the turn: for those who find out in the middle of routing. */
  doom(code: ReasonCode, rule: Rule, message: string): void {
    if (this.doomed !== undefined || this.state !== State.OPEN) return;
    this.doomed = { code, rule, message };
    this.broker.doomed.push(this);
  }

  /** Sends what there is, then closes; the session goes on without this connection. */
  #leave(clean: boolean, refusal: Refusal | undefined, now: number): void {
    this.#beginClosing(now);
    this.broker.left(this, clean, refusal, now);
  }

  /** @internal Closes without ever having been open. */
  shut(now: number): void {
    this.#beginClosing(now);
  }

  #beginClosing(now: number): void {
    this.state = State.CLOSING;
    this.broker.connecting.delete(this);
    this.broker.closing.add(this);
    this.deframer.discard();
    this.broker.timers.schedule(this, now + this.broker.limits.closeTimeoutMs);
    this.flush();
  }

  /** @internal Sends a packet, without its Reason String and User Properties where they may not be; false if it cannot be sent. */
  send(packet: Packet): boolean {
    const bytes = this.#fitting(packet);
    if (bytes === undefined) return false; // [MQTT-3.1.2-24]
    this.outbox.append(bytes, 0, bytes.length);
    this.#answered();
    return true;
  }

  /** @internal Whether `send()` can send it. */
  fits(packet: Packet): boolean {
    return this.maximumPacketSize === Infinity || this.#fitting(packet) !== undefined;
  }

  /** A packet as the Client can take it; good until the next call. */
  #fitting(packet: Packet): Uint8Array | undefined {
    const writer = this.broker.writer;
    writer.reset();
    encode(writer, packet, this.level);
    let bytes = writer.bytes();
    if (bytes.length > this.maximumPacketSize && "properties" in packet) {
      const { reasonString: _reason, userProperties: _user, ...properties } = packet
        .properties as ReasonProperties;
      writer.reset(); // [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.4.2-2] [MQTT-3.9.2-1] [MQTT-3.11.2-1] [MQTT-3.14.2-3] [MQTT-3.15.2-2]
      encode(writer, { ...packet, properties } as Packet, this.level);
      bytes = writer.bytes();
    }
    return bytes.length > this.maximumPacketSize ? undefined : bytes;
  }

  /** @internal Sends an acknowledgement with code 0, or (with identifier 0) a packet without a body. */
  answer(first: number, id: number, code: number): void {
    const outbox = this.outbox;
    const length = id === 0 ? 0 : code === 0 || this.level !== 5 ? 2 : 3;
    if (length + 2 > this.maximumPacketSize) return; // [MQTT-3.1.2-24]
    const at = outbox.room(2 + length);
    const buffer = outbox.buffer;
    buffer[at] = first;
    buffer[at + 1] = length;
    if (length > 0) {
      buffer[at + 2] = id >> 8;
      buffer[at + 3] = id & 255;
    }
    if (length === 3) buffer[at + 4] = code;
    this.#answered();
  }

  /** Answers go out whatever waits before them, but not without end. */
  #answered(): void {
    const { session } = this;
    if (this.outbox.size > this.broker.limits.outboundBytesMax + ANSWER_BYTES_MAX && session !== undefined) {
      this.broker.limited("outboundBytesMax", session.clientId, session);
      this.doom(0x97, "limit/outbound", "Answers are not read (outboundBytesMax)");
    }
    this.touch();
  }

  /** @internal Sends an acknowledgement that refuses, with the reason where the Client wants to know [MQTT-3.1.2-29]. */
  refuse(type: 4 | 5 | 6 | 7, id: number, refusal: Refusal): void {
    const denied = this.broker.hooks.denied;
    if (denied !== undefined) denied(this.client!, refusal);
    const first = type << 4 | (type === PacketType.PUBREL ? 2 : 0);
    if (this.level !== 5 || !this.requestProblemInformation) return this.answer(first, id, refusal.code);
    const properties = { reasonString: reasonString(refusal) };
    const writer = this.broker.writer;
    writer.reset();
    encodeAcknowledgement(writer, { type, packetId: id, reasonCode: refusal.code, properties }, 5);
    const bytes = writer.bytes();
    if (bytes.length > this.maximumPacketSize) return this.answer(first, id, refusal.code); // [MQTT-3.4.2-2] [MQTT-3.5.2-2]
    this.outbox.append(bytes, 0, bytes.length);
    this.#answered();
  }

  /** @internal What is written from now on waits until the facts told to the store so far are safe. */
  hold(): void {
    if (this.heldNext !== Infinity) return;
    this.heldNext = this.outbox.position;
    this.outbox.limit = Math.min(this.heldNow, this.heldNext);
    this.broker.heldNext.push(this);
  }

  /** @internal Has the bytes of the outbox written, at the end of the turn or at once. */
  touch(): void {
    if (!this.dirty) {
      this.dirty = true;
      this.broker.touched.push(this);
    }
    if (!this.blocked && this.outbox.size >= WRITE_NOW_BYTES) this.flush();
  }

  /** Whether messages wait that the transport could take. */
  get waiting(): boolean {
    const session = this.session;
    return session !== undefined && !this.blocked &&
      (session.queued > 0 || session.resend !== undefined || session.replays !== undefined);
  }

  /** @internal Writes what the transport takes. */
  flush(): void {
    if (this.blocked) return;
    if (!this.outbox.flush(this.transport)) this.blocked = true;
    else if (this.state === State.CLOSING && this.outbox.size === 0) this.transport.close();
  }

  /** @internal What one receiver's copy of a message differs in; good until the next call. */
  stamp(qos: QoS, retain: boolean, identifiers: readonly number[], expirySeconds: number): PublishStamp {
    const stamp = this.broker.stamp;
    stamp.first = firstByte(qos, retain, false);
    stamp.packetId = 0;
    stamp.level5 = this.level === 5;
    stamp.subscriptionIdentifiers = identifiers;
    stamp.expirySeconds = expirySeconds;
    stamp.topicAlias = 0;
    stamp.topicKnown = false;
    return stamp;
  }

  /** Reads on behind a verdict. */
  #resume(): void {
    if (this.#resuming) return; // the verdict came from inside `frame()`: the deframer goes on by itself
    if (this.#paused) {
      this.#paused = false;
      this.transport.resume();
    }
    if (this.state === State.OPEN || this.state === State.EXCHANGING) this.deframer.resume(this);
    endRun(this.broker);
  }

  /** @internal Asks the authenticator; the answer may come at once, or later by `decided()`. */
  ask(request: AuthenticationRequest, now: number): void {
    if (this.state !== State.OPEN) this.state = State.DECIDING;
    this.asking = true;
    this.#resuming = true;
    try {
      const verdict = this.broker.authenticate(request, this);
      if (verdict !== undefined && this.asking) {
        this.asking = false;
        authenticated(this, verdict, now);
      }
    } finally {
      this.#resuming = false;
    }
  }

  /** The one place where a peer's fault becomes an answer (§4.13). */
  #caught(error: unknown, now: number): void {
    endRun(this.broker);
    if (!(error instanceof PeerError)) {
      this.broker.failed(error);
      error = refused(0x83, "MQTT-4.13.1-1", "An error of the Server");
    }
    const { code, rule, message } = error as PeerError;
    const refusal: Refusal = { code, rule, message };
    try {
      if (this.state === State.OPEN) this.end(refusal, now);
      else if (this.state < State.OPEN) refuseConnect(this, refusal, now);
    } catch (again) { // not even the good-bye could be said
      this.broker.failed(again);
      this.transport.abort();
      this.closed(now);
    }
  }
}

/** ms from an interval in seconds; Infinity for one that never ends. */
export function intervalMs(seconds: number): number {
  return seconds === NEVER_EXPIRES ? Infinity : seconds * 1000;
}
