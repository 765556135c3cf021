/**
 * §4.2 The bytes of a Client's connection, both ways: packets out, up to the Maximum Packet Size, frames in, and the pauses of both.
 * Knows a transport, its outbox and its deframer; refuses to know the effects of a packet.
 *
 * The Server's `engine/link.ts` has thousands beside each other: it counts their memory, shares buffers and payloads among them and bounds their
 * turns. A Client has one, and a page pays for each line.
 * @module
 */
import type { ProtocolLevel, ReasonProperties } from "../codec/packet.ts";
import type { Writer } from "../codec/writer.ts";
import type { Transport } from "../transport/transport.ts";
import { Deframer, type FrameHandler } from "./deframer.ts";
import { Outbox } from "./outbox.ts";

/** Bytes in an outbox from which on it is written at once, not at the end of the turn. */
const WRITE_NOW_BYTES = 64 * 1024;

/** Writes one packet. */
export type Encoder<P> = (writer: Writer, packet: P, level: ProtocolLevel) => void;

/** What the links of one engine have in common. */
export interface LinkOwner {
  readonly writer: Writer;
  /** The link has bytes to be flushed at the end of the turn. */
  touched(link: Link): void;
}

/** @internal The events of a link, for the connection it belongs to. */
export interface LinkHandler extends FrameHandler {
  /** `flush()` was called at the end of a turn: there may be room for more. */
  flushed(): void;
  /** Bytes have been written. */
  wrote(): void;
}

/** One connection's bytes, both ways. */
export class Link {
  /** The stream below. */
  readonly transport: Transport;
  /** Bytes on their way to the Server. */
  readonly outbox: Outbox = new Outbox();
  /** §3.1.2.2 */
  readonly level: ProtocolLevel;
  /** §3.2.2.3.6 bytes of the largest packet that the Server takes. */
  maximumPacketSize: number = Infinity;
  /** No frame is handed on: the readers are behind. */
  isPaused = false;
  /** The transport does not read, since the link is paused. */
  isTransportPaused = false;
  readonly #owner: LinkOwner;
  readonly #handler: LinkHandler;
  readonly #deframer: Deframer;
  /** It is among those that the owner flushes. */
  #isTouched = false;
  /** The transport took less than it was given. */
  #isBlocked = false;
  /** `end()` was called: the transport is to be closed when everything is written. */
  #isEnding = false;
  /** Position from which on bytes wait for the commit under way. */
  #heldNow = Infinity;
  /** The same for the commit after it. */
  #heldNext = Infinity;

  /** `packetBytesMax`: bytes of the largest frame taken. */
  constructor(
    transport: Transport,
    level: ProtocolLevel,
    packetBytesMax: number,
    owner: LinkOwner,
    handler: LinkHandler,
  ) {
    this.transport = transport;
    this.level = level;
    this.#deframer = new Deframer(packetBytesMax, handler);
    this.#owner = owner;
    this.#handler = handler;
  }

  // In.

  /**
   * Hands on the frames that `chunk` completes.
   * @throws {PeerError} as the deframer and the handler do.
   */
  receive(chunk: Uint8Array): void {
    this.#deframer.receive(chunk);
  }

  /** Hands on no frame after the present one, and has the transport read no more. */
  pause(): void {
    this.isPaused = true;
    this.#deframer.stop();
    if (this.isTransportPaused) return;
    this.isTransportPaused = true;
    this.transport.pause();
  }

  /**
   * Hands on the frames kept while the link was paused, and has the transport read on, unless it is paused again.
   * @throws {PeerError} as the deframer and the handler do.
   */
  readOn(): void {
    this.isPaused = false;
    try {
      this.#deframer.resume();
    } finally {
      if (this.isTransportPaused && !this.isPaused) {
        this.isTransportPaused = false;
        this.transport.resume();
      }
    }
  }

  // Out.

  /**
   * Sends a packet, without its Reason String and User Properties where they do not fit; false if it cannot be sent. Each caller brings the
   * encoder of its packet, so that a bundle has no other.
   * @throws {UsageError} for values that cannot be written.
   */
  send<P extends { readonly properties?: object }>(encode: Encoder<P>, packet: P): boolean {
    let bytes = this.#encode(encode, packet);
    if (bytes.length > this.maximumPacketSize && packet.properties !== undefined) {
      const { reasonString: _, userProperties: __, ...properties } = packet.properties as ReasonProperties;
      bytes = this.#encode(encode, { ...packet, properties }); // [MQTT-3.14.2-3] [MQTT-3.14.2-4]
    }
    if (bytes.length > this.maximumPacketSize) return false; // [MQTT-3.2.2-15]
    this.outbox.append(bytes, 0, bytes.length);
    this.touch();
    return true;
  }

  #encode<P>(encode: Encoder<P>, packet: P): Uint8Array {
    const { writer } = this.#owner;
    writer.reset();
    encode(writer, packet, this.level);
    return writer.bytes();
  }

  /** Sends an acknowledgement, or (with identifier -1) a packet without a body; `first` is its first byte. */
  answer(first: number, id: number, code: number): void {
    const { outbox } = this;
    const length = id < 0 ? 0 : code === 0 || this.level < 5 ? 2 : 3;
    if (length + 2 > this.maximumPacketSize) return; // [MQTT-3.2.2-15]
    const at = outbox.room(2 + length);
    const { buffer } = outbox;
    buffer[at] = first;
    buffer[at + 1] = length;
    if (length > 0) {
      buffer[at + 2] = id >> 8;
      buffer[at + 3] = id;
    }
    if (length > 2) buffer[at + 4] = code;
    this.touch();
  }

  /** Has the bytes of the outbox written, at the end of the turn or at once. */
  touch(): void {
    if (!this.#isTouched) {
      this.#isTouched = true;
      this.#owner.touched(this);
    }
    if (this.outbox.size >= WRITE_NOW_BYTES) this.flush();
  }

  /** The end of the turn for this link: writes, and tells the handler. */
  endTurn(): void {
    this.#isTouched = false;
    this.flush();
    this.#handler.flushed();
  }

  /** Writes as many bytes as the transport takes. */
  flush(): void {
    if (this.#isBlocked) return;
    const { outbox } = this;
    const { size } = outbox;
    this.#isBlocked = !outbox.flush(this.transport);
    if (outbox.size < size) this.#handler.wrote();
    if (this.#isEnding && outbox.size === 0) { // [MQTT-3.14.4-1] [MQTT-3.14.4-2]
      this.#isEnding = false;
      this.transport.close();
    }
  }

  /** The transport can take more. */
  drained(): void {
    this.#isBlocked = false;
    this.flush();
  }

  // Bytes that wait for a commit.

  /** Bytes written from now on wait for the next commit. */
  hold(): void {
    this.#heldNext = Math.min(this.#heldNext, this.outbox.position);
    this.#setLimit();
  }

  #setLimit(): void {
    this.outbox.limit = Math.min(this.#heldNow, this.#heldNext);
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

  /** The commit under way has failed: bytes that waited for it are never sent, those before them leave. */
  commitFailed(): void {
    if (this.#heldNow === Infinity) return;
    this.outbox.truncate(this.#heldNow);
    this.#heldNow = this.#heldNext = Infinity;
    this.#setLimit();
    this.flush();
  }

  // The end.

  /** Reads no more; sends the bytes in the outbox and closes the transport. */
  end(): void {
    this.#isEnding = true;
    this.#deframer.discard();
    this.flush();
  }

  /** The transport is over: nothing is kept. */
  discard(): void {
    this.#heldNow = Infinity;
    this.outbox.clear();
    this.#deframer.discard();
  }
}
