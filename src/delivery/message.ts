/**
 * §3.3.2.3.3, §4.5 An Application Message that outlives the call that brought it.
 * Knows its frame and when it expires; refuses to know its receivers.
 * @module
 */
import type { ProtocolLevel, PublishProperties, QoS } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { encodePublish } from "../codec/publish.ts";
import { EMPTY, type PublishView, viewOf } from "../codec/publish_view.ts";
import { Writer } from "../codec/writer.ts";

/**
 * Bytes that a message costs beside its frame: its objects (0.9 KB on V8, 0.6 KB on JavaScriptCore), and the slab that
 * one small frame may hold back.
 */
export const MESSAGE_OVERHEAD_BYTES: number = 1024;
/** From this payload length on, receivers share the bytes of a message instead of each getting a copy. */
export const SHARED_PAYLOAD_BYTES: number = 16 * 1024;
/** Small frames share buffers of this size. */
const SLAB_BYTES = 1024;
/** A larger frame has a buffer of its own. */
const SHARED_FRAME_BYTES_MAX = SLAB_BYTES / 2;

/** Messages whose expiry falls into one such step, up to a multiple of it, are counted together where they wait: ms. */
export const EXPIRY_STEP_MS: number = 128;

/** One message, shared by all queues that hold it. Never changed once made, but for the number of its holders. */
export interface Message {
  /** §3.3.2.1 Topic Name. */
  readonly topic: string;
  /** The frame as published, without Topic Alias; its bytes may stand among the bytes of other messages. */
  readonly view: PublishView;
  /** §3.3.2.3.3 ms since the epoch, Infinity if it does not expire. */
  readonly expiresAt: number;
  /** Client Identifier of the publisher, for No Local; undefined if the Server itself published. */
  readonly publisher: string | undefined;
  /** @internal For the broker's count of memory: how many sessions hold it. */
  holders?: number;
  /** @internal The bytes that it counts for there while it has holders. */
  counted?: number;
}

/** The bytes that a message, kept or still in its chunk, counts for in the limits. */
export function messageBytes({ view }: { readonly view: PublishView }): number {
  return view.end - view.at + MESSAGE_OVERHEAD_BYTES;
}

/** Keeps frames beyond the call that brought them. A buffer for each small one would cost V8 over a microsecond. */
export class FrameKeeper {
  #slab: Uint8Array = EMPTY;
  #used = 0;

  /** A view of the same message that stays as it is. */
  keep(view: PublishView): PublishView {
    const bytes = view.end - view.at;
    if (bytes > SHARED_FRAME_BYTES_MAX) return view.copy();
    if (this.#used + bytes > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    const kept = view.copyTo(this.#slab, this.#used);
    this.#used += bytes;
    return kept;
  }
}

/** §3.3.2.3.3 whole seconds left at `now` [MQTT-3.3.2-6], never below 0; 0 too if the message does not expire. */
export function secondsLeft(expiresAt: number, now: number): number {
  if (expiresAt === Infinity) return 0;
  return Math.max(0, Math.ceil((expiresAt - now) / 1000));
}

/** §3.3.2.3.3 when a message that arrives at `now` expires: ms since the epoch, Infinity if it does not. */
export function expiryOf({ expiryAt, expirySeconds }: PublishView, now: number): number {
  return expiryAt < 0 ? Infinity : now + expirySeconds * 1000;
}

/** What `frameOf()` makes a frame of. */
export interface FrameInit {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
}

/**
 * §3.3 A message as one PUBLISH frame, with any Packet Identifier.
 * @throws {UsageError} for what cannot be sent.
 */
export function frameOf(
  message: FrameInit,
  properties: PublishProperties,
  level: ProtocolLevel,
): PublishView {
  const { topic, payload, qos, retain } = message;
  const writer = new Writer(payload.length + 256);
  const packet = { type: PacketType.PUBLISH, dup: false, topic, payload, qos, retain, properties };
  encodePublish(writer, qos === 0 ? packet : { ...packet, packetId: 1 }, level);
  return viewOf(writer.bytes().slice(), level === 5);
}
