/**
 * §4.2, §3.1.2.11.4 The half of a connection that is the same for Client and Server: packets out, up to the Maximum Packet Size,
 * frames in, and the pauses of both.
 * Knows a transport, its outbox and its deframer; refuses to know its role and the effects of a packet.
 * @module
 */
import { encodeAcknowledgement } from "../codec/acknowledgement.ts";
import { Deframer, type FrameHandler } from "../codec/deframer.ts";
import type { Packet, ProtocolLevel, ReasonProperties } from "../codec/packet.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import type { Writer } from "../codec/writer.ts";
import type { Transport } from "../transport/transport.ts";
import type { Ages } from "./ages.ts";
import { type BufferPool, Outbox } from "./outbox.ts";

/** Bytes in an outbox from which on it is written at once, not at the end of the turn. */
const WRITE_NOW_BYTES = 64 * 1024;

/** Why a link hands on no frames: a set of bits, and it goes on when all of them are gone. */
export const Pause = {
  /** An authenticator or an authorizer has not answered yet. */
  VERDICT: 1,
  /** The peer has used up its rate. */
  RATE: 2,
  /** Too many facts wait for the disk. */
  DISK: 4,
  /** The peer has used up its share of the turn. */
  TURN: 8,
  /** More memory is held than may be, and the peer is among the causes. */
  MEMORY: 16,
  /** The readers of a Client's subscriptions are behind. */
  READER: 32,
} as const;
/** One value of `Pause`. */
export type Pause = typeof Pause[keyof typeof Pause];

/** What links count, in bytes, and whether that is too much. */
export interface LinkLedger {
  /** The buffers of outboxes. */
  outgoing: number;
  /** Bytes that are kept of what came. */
  incoming: number;
  /** §3.3.2.3.4 Topic Aliases. */
  aliases: number;
  /** More memory is held than may be. */
  readonly isAbove: boolean;
}

/** What all links of one engine have in common. */
export interface LinkOwner {
  readonly pool: BufferPool;
  readonly ledger: LinkLedger;
  readonly writer: Writer;
  /** Writes a packet of those that this role sends; throws `UsageError`. */
  encode(writer: Writer, packet: Packet, level: ProtocolLevel): void;
  /** §3.3.2.3.3 counts down the Message Expiry Intervals of bytes that wait; undefined: they leave as they are. */
  readonly makeAges: (() => Ages) | undefined;
  /** The present time in ms. */
  readonly now: number;
  /** The link has bytes to be flushed at the end of the turn. */
  touched(link: Link): void;
  /** Whether bytes may still be written in this turn; if not, they wait for a later one. */
  readonly mayWrite: boolean;
  /** So many bytes were written. */
  wrote(bytes: number): void;
  /** A packet other than PUBLISH was put into an outbox. */
  answered(): void;
}

/** @internal The events of a link, for the connection it belongs to. */
export interface LinkHandler {
  /** `flush()` was called at the end of a turn: there may be room for more. */
  flushed(): void;
  /** More than `answerBytesMax` bytes wait, and an answer has been added: the peer asks without reading. */
  answersUnread(): void;
  /** The bytes that waited for a commit are thrown away, since it failed. */
  unsafe(): void;
}

/** One connection's bytes, both ways. */
export class Link {
  /** The stream below; while the connection is watched, what watches it stands between. */
  transport: Transport;
  /** Bytes on their way to the peer. */
  readonly outbox: Outbox;
  /** §3.1.2.2 of the CONNECT; until that is decoded, as far as its bytes show it. */
  level: ProtocolLevel = 4;
  /** §3.1.2.11.4, §3.2.2.3.6 bytes of the largest packet that the peer takes. */
  maximumPacketSize: number = Infinity;
  /** §3.1.2.11.7 whether the peer takes Reason Strings and User Properties on every packet that has them. */
  explains = true;
  /** Bytes that may wait in `outbox` when an answer is added. */
  answerBytesMax: number = Infinity;
  readonly #owner: LinkOwner;
  readonly #handler: LinkHandler;
  readonly #deframer: Deframer;
  /** It is in the owner's list of links to be flushed. */
  #touched = false;
  /** The transport took less than it was given. */
  #blocked = false;
  /** `end()` was called: the transport is to be closed when everything is written. */
  #ending = false;
  /** Position from which on bytes wait for the commit under way. */
  #heldNow: number = Infinity;
  /** The same for the commit after it. */
  #heldNext: number = Infinity;
  /** Positions from which on bytes wait for rounds that are under way, the oldest first; undefined if none ever did. */
  #heldRounds: number[] | undefined;
  /** The round that the last of them is for. */
  #lastRound = -1;
  /** Position from which on bytes wait for the peer's next bytes, and the position behind them. */
  #waitsFrom: number = Infinity;
  #waitsUntil: number = Infinity;
  /** A set of `Pause` bits. */
  #pauses = 0;
  #transportPaused = false;
  /** Of bytes that have waited over the end of a turn; only at level 5. */
  #ages: Ages | undefined;
  /** The ledger has so many bytes of this link. */
  #countedOut = 0;
  #countedIn = 0;
  #aside = 0;

  /** `packetBytesMax`: bytes of the largest frame taken, until `limitFrames()` is called. */
  constructor(transport: Transport, packetBytesMax: number, owner: LinkOwner, handler: LinkHandler) {
    this.transport = transport;
    this.outbox = new Outbox(owner.pool);
    this.#deframer = new Deframer(packetBytesMax);
    this.#owner = owner;
    this.#handler = handler;
  }

  // In.

  /**
   * Hands on the frames that `chunk` completes.
   * @throws {PeerError} as the deframer and the handler do.
   */
  receive(chunk: Uint8Array, handler: FrameHandler): void {
    this.#deframer.receive(chunk, handler);
    this.#countIn();
  }

  /** From now on these are the largest frames taken, in bytes: of a PUBLISH, and of any other packet. */
  limitFrames(publishMost: number, otherMost: number): void {
    this.#deframer.limit(publishMost, otherMost);
  }

  /** The bytes that are kept; no frame is handed on any more. */
  takeKept(): Uint8Array {
    const kept = this.#deframer.take();
    this.#countIn();
    return kept;
  }

  /** Hands on the frames kept while the link was paused, and has the transport read on; does nothing while it is. */
  readOn(handler: FrameHandler): void {
    if (this.#pauses !== 0) return;
    try {
      this.#deframer.resume(handler);
    } finally {
      this.#countIn();
      this.#resumeTransport();
    }
  }

  #resumeTransport(): void {
    if (!this.#transportPaused || this.#pauses !== 0) return;
    this.#transportPaused = false;
    this.transport.resume();
  }

  /** Hands on no frame after the present one. */
  pause(why: Pause): void {
    this.#pauses |= why;
    this.#deframer.stop();
  }

  /** One reason to pause is gone; true if it was the last one: `readOn()` is to be called then. */
  unpause(why: Pause): boolean {
    if ((this.#pauses & why) === 0) return false;
    this.#pauses &= ~why;
    return this.#pauses === 0;
  }

  /** Whether frames are kept for later. */
  get paused(): boolean {
    return this.#pauses !== 0;
  }

  /** Bytes that are kept: of an incomplete frame, or of all frames while the link is paused. */
  get keptBytes(): number {
    return this.#deframer.held;
  }

  /** So many bytes of a packet are kept elsewhere for this link, until they are set anew or the link ends. */
  set aside(bytes: number) {
    this.#aside = bytes;
    this.#countIn();
  }

  /** All bytes that are kept of what came. */
  get heldIn(): number {
    return this.#deframer.held + this.#aside;
  }

  #countIn(): void {
    const held = this.#deframer.held + this.#aside;
    if (held === this.#countedIn) return;
    this.#owner.ledger.incoming += held - this.#countedIn;
    this.#countedIn = held;
  }

  /** Counts the bytes of the outbox: at the end of a turn at the latest. */
  countOut(): void {
    const held = this.outbox.heldBytes;
    if (held === this.#countedOut) return;
    this.#owner.ledger.outgoing += held - this.#countedOut;
    this.#countedOut = held;
  }

  /** What the ledger has of this link; the bytes of its outbox are counted anew at the end of the turn if it `isTouched`. */
  get counted(): { readonly incoming: number; readonly outgoing: number; readonly isTouched: boolean } {
    return { incoming: this.#countedIn, outgoing: this.#countedOut, isTouched: this.#touched };
  }

  /** The ledger that counts the bytes of this link. */
  get ledger(): LinkLedger {
    return this.#owner.ledger;
  }

  /** The transport does not read, since the link is paused. */
  get isTransportPaused(): boolean {
    return this.#transportPaused;
  }

  /** Has the transport read no more while the link is paused; false if it does not already. */
  pauseTransport(): boolean {
    if (this.#transportPaused || this.#pauses === 0) return false;
    this.#transportPaused = true;
    this.transport.pause();
    return true;
  }

  // Out.

  /** Sends a packet, without its Reason String and User Properties where they do not fit; false if it cannot be sent. */
  send(packet: Packet): boolean {
    const bytes = this.fitting(packet);
    if (bytes === undefined) return false; // [MQTT-3.1.2-24]
    this.outbox.append(bytes, 0, bytes.length);
    this.#answered();
    return true;
  }

  /** Whether `send()` can send it. */
  fits(packet: Packet): boolean {
    return this.maximumPacketSize === Infinity || this.fitting(packet) !== undefined;
  }

  /** A packet as the peer can take it; good until the next call. */
  protected fitting(packet: Packet): Uint8Array | undefined {
    const { writer } = this.#owner;
    writer.reset();
    this.#owner.encode(writer, packet, this.level);
    let bytes = writer.bytes();
    if (bytes.length > this.maximumPacketSize && "properties" in packet) {
      const { reasonString: _reason, userProperties: _user, ...properties } = packet
        .properties as ReasonProperties;
      writer.reset(); // [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.4.2-2] [MQTT-3.9.2-1] [MQTT-3.11.2-1] [MQTT-3.14.2-3] [MQTT-3.15.2-2] [MQTT-3.9.2-2] [MQTT-3.11.2-2] [MQTT-3.14.2-4] [MQTT-3.15.2-3]
      this.#owner.encode(writer, { ...packet, properties } as Packet, this.level);
      bytes = writer.bytes();
    }
    return bytes.length > this.maximumPacketSize ? undefined : bytes;
  }

  /** Sends an acknowledgement, or (with identifier -1) a packet without a body; `first` is its first byte. */
  answer(first: number, id: number, code: number): void {
    const outbox = this.outbox;
    const length = id < 0 ? 0 : code === 0 || this.level !== 5 ? 2 : 3;
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

  /** Sends a PUBACK, PUBREC, PUBREL or PUBCOMP with a Reason Code and, where the peer wants it, the reason [MQTT-3.1.2-29]. */
  answerWith(first: number, packetId: number, reasonCode: ReasonCode, reasonString: string): void {
    if (this.level !== 5 || !this.explains) return this.answer(first, packetId, reasonCode);
    const { writer } = this.#owner;
    const type = first >> 4 as 4 | 5 | 6 | 7;
    writer.reset();
    encodeAcknowledgement(writer, { type, packetId, reasonCode, properties: { reasonString } }, 5); // no User Property: [MQTT-3.4.2-3] [MQTT-3.5.2-3] [MQTT-3.6.2-3]
    const bytes = writer.bytes();
    if (bytes.length > this.maximumPacketSize) return this.answer(first, packetId, reasonCode); // [MQTT-3.4.2-2] [MQTT-3.5.2-2] [MQTT-3.6.2-2]
    this.outbox.append(bytes, 0, bytes.length);
    this.#answered();
  }

  /** Answers are added whatever waits before them, but not without end [MQTT-3.3.4-10] [MQTT-4.9.0-3]. */
  #answered(): void {
    this.#owner.answered();
    if (this.outbox.size > this.answerBytesMax) this.#handler.answersUnread();
    this.touch();
  }

  /** Has the bytes of the outbox written, at the end of the turn or at once. */
  touch(): void {
    if (!this.#touched) {
      this.#touched = true;
      this.#owner.touched(this);
    }
    if (!this.#blocked && this.outbox.size >= WRITE_NOW_BYTES && this.#owner.mayWrite) this.flush();
  }

  /** Bytes from `position` on wait until `endWait()`, or until others are written behind them in a later turn. */
  waitFrom(position: number): void {
    this.#waitsFrom = position;
    this.#waitsUntil = this.outbox.position;
    this.#setLimit();
  }

  /** Bytes that waited for the peer may go; false if none did. */
  endWait(): boolean {
    if (this.#waitsFrom === Infinity) return false;
    this.#waitsFrom = this.#waitsUntil = Infinity;
    this.#setLimit();
    this.touch();
    return true;
  }

  #setLimit(): void {
    const round = this.#heldRounds === undefined ? Infinity : this.#heldRounds[0] ?? Infinity;
    this.outbox.limit = Math.min(this.#heldNow, this.#heldNext, this.#waitsFrom, round);
  }

  /** The end of the turn for this link: writes, and tells the handler. */
  endTurn(): void {
    if (this.#waitsUntil < this.outbox.position) this.endWait();
    this.#touched = false;
    this.flush();
    if (this.level === 5 && this.outbox.size > 0) this.#noteAge();
    this.#handler.flushed();
    this.countOut();
  }

  /** Writes as many bytes as the transport takes. */
  flush(): void {
    if (this.#blocked) return;
    const { size } = this.outbox;
    const ages = this.#ages;
    if (ages !== undefined) ages.now = this.#owner.now;
    const isTaken = this.outbox.flush(this.transport, ages);
    this.#owner.wrote(size - this.outbox.size);
    if (ages !== undefined && this.outbox.size === 0) this.#ages = undefined;
    this.countOut();
    if (!isTaken) this.#blocked = true;
    else if (this.#ending && this.outbox.size === 0) { // [MQTT-3.14.4-2] [MQTT-4.13.2-1]
      this.#ending = false;
      this.transport.close();
    }
  }

  #noteAge(): void {
    const { now, makeAges } = this.#owner;
    if (makeAges === undefined) return;
    const ages = this.#ages ??= makeAges();
    ages.now = now;
    ages.note(this.outbox.position);
  }

  /** The transport can take more. */
  drained(): void {
    this.#blocked = false;
    this.#flushInTurn();
  }

  /** Writes now, or in a later turn if this one has written as much as it may. */
  #flushInTurn(): void {
    if (this.#owner.mayWrite) this.flush();
    else this.touch();
  }

  /** The transport took less than it was given, and has not been drained since. */
  get blocked(): boolean {
    return this.#blocked;
  }

  // Bytes that wait for a commit.

  /** Bytes written from now on wait for the next commit; true if none waited for it before. */
  hold(): boolean {
    if (this.#heldNext !== Infinity) return false;
    this.#heldNext = this.outbox.position;
    this.#setLimit();
    return true;
  }

  /** The next commit is under way. */
  commitBegins(): void {
    this.#heldNow = this.#heldNext;
    this.#heldNext = Infinity;
  }

  /** The commit under way is done: bytes that waited for it may go. */
  committed(): void {
    this.#heldNow = Infinity;
    this.#setLimit();
    this.touch();
  }

  /** The commit under way has failed: bytes that waited for it are never sent. */
  commitFailed(): void {
    if (this.#heldNow === Infinity) return;
    const from = this.#heldNow;
    this.outbox.truncate(from);
    if (this.#heldRounds !== undefined) {
      this.#heldRounds = this.#heldRounds.map((at) => at > from ? from : at); // what they were to hold is gone
    }
    this.#heldNow =
      this.#heldNext =
      this.#waitsFrom =
      this.#waitsUntil =
        Infinity;
    this.#setLimit();
    this.countOut();
    this.#handler.unsafe();
  }

  /** Bytes written from now on wait for a round of answers of others; true if none waited for this one before. */
  holdForRound(round: number): boolean {
    if (this.#lastRound === round) return false;
    this.#lastRound = round;
    (this.#heldRounds ??= []).push(this.outbox.position);
    this.#setLimit();
    return true;
  }

  /** The oldest round that bytes wait for is done. */
  roundDone(): void {
    this.#heldRounds!.shift();
    this.#setLimit();
    this.touch();
  }

  // The end.

  /** Drops the packets in the outbox, but for the first ones: for a connection that ends and does not read. */
  cut(): void {
    this.outbox.cut();
  }

  /** Reads no more; sends the bytes in the outbox and closes the transport. */
  end(): void {
    this.#ending = true;
    this.#deframer.discard(); // [MQTT-3.1.4-6]
    this.aside = 0;
    this.endWait();
    this.#flushInTurn();
  }

  /** The transport is over, or is to be: nothing is kept. */
  discard(): void {
    this.#heldNow = this.#waitsFrom = this.#waitsUntil = Infinity;
    if (this.#heldRounds !== undefined) this.#heldRounds.fill(Infinity);
    this.outbox.clear();
    this.#deframer.discard();
    this.aside = 0;
    this.countOut();
  }
}
