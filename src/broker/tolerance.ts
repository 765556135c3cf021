/**
 * Clients that cannot be mended: their packets are put right before the connection sees them, and answered as they were sent.
 * Knows a link, the frames of a Client and when they are answered; refuses to know how a packet is put right (mend.ts). Connections of
 * listeners that tolerate nothing do without this file's objects.
 * @module
 */
import type { FrameHandler } from "../codec/deframer.ts";
import { IDENTIFIER_FOR_0, mend, mendFirst, type ToleranceName } from "../codec/mend.ts";
import type { Packet } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import { Link } from "../engine/link.ts";
import type { Batch } from "./batch.ts";

/** Bytes of an incomplete frame, behind its fixed header, that show whether it may begin so. */
const SHOWN_BYTES = 16;

/** @internal The connection of such a Client. */
export interface Tolerant {
  /** A packet was taken though it breaks the standard so; called once for each name. */
  tolerated(by: ToleranceName): void;
}

/** @internal A link whose Client may use Packet Identifier 0. */
export class TolerantLink extends Link {
  /** The packet that is answered came under Packet Identifier 0. */
  answersIdentifier0 = false;

  #idOf(first: number, id: number): number {
    const isThis = this.answersIdentifier0 && id === IDENTIFIER_FOR_0 && first >> 4 === PacketType.PUBACK;
    return isThis ? 0 : id;
  }

  /** As of any link. */
  override answer(first: number, id: number, code: number): void {
    super.answer(first, this.#idOf(first, id), code);
  }

  /** As of any link, but without the reason to a PUBLISH under 0. */
  override answerWith(first: number, packetId: number, reasonCode: ReasonCode, reasonString: string): void {
    if (this.#idOf(first, packetId) === 0) return this.answer(first, packetId, reasonCode);
    super.answerWith(first, packetId, reasonCode, reasonString);
  }

  protected override fitting(packet: Packet): Uint8Array | undefined {
    const bytes = super.fitting(packet);
    const { type } = packet;
    const isThis = this.answersIdentifier0 && (type === PacketType.SUBACK || type === PacketType.UNSUBACK);
    if (bytes === undefined || !isThis) return bytes;
    let body = 1;
    while (bytes[body++]! > 127);
    bytes[body] = bytes[body + 1] = 0;
    return bytes;
  }
}

/** Stands between the frames of a link and the connection. */
export class Tolerance implements FrameHandler {
  readonly #tolerated: ReadonlySet<ToleranceName>;
  readonly #link: TolerantLink;
  readonly #frames: FrameHandler;
  readonly #batch: Batch;
  readonly #connection: Tolerant;
  readonly #told: Set<ToleranceName> = new Set();

  /** `frames` takes the frames, as they ought to have been. */
  constructor(
    tolerated: readonly ToleranceName[],
    link: TolerantLink,
    frames: FrameHandler,
    batch: Batch,
    connection: Tolerant,
  ) {
    this.#tolerated = new Set(tolerated);
    this.#link = link;
    this.#frames = frames;
    this.#batch = batch;
    this.#connection = connection;
  }

  /** Hands the frame on, in other bytes if it had to be put right. */
  frame(bytes: Uint8Array, at: number, body: number, end: number): boolean {
    const mended = mend(this.#tolerated, this.#link.level, bytes, at, body, end);
    if (mended === undefined) return this.#frames.frame(bytes, at, body, end);
    const { by } = mended;
    const isTaken = by.includes("packet-identifier-0")
      ? this.#underIdentifier0(mended.bytes, mended.body)
      : this.#frames.frame(mended.bytes, 0, mended.body, mended.bytes.length);
    if (isTaken) this.#tell(by);
    return isTaken;
  }

  /** Alone, so that no other packet is answered meanwhile. */
  #underIdentifier0(bytes: Uint8Array, body: number): boolean {
    this.#batch.end();
    this.#link.answersIdentifier0 = true;
    try {
      const isTaken = this.#frames.frame(bytes, 0, body, bytes.length);
      this.#batch.end();
      return isTaken;
    } finally {
      this.#link.answersIdentifier0 = false;
    }
  }

  #tell(by: readonly ToleranceName[]): void {
    for (const name of by) {
      if (this.#told.has(name)) continue;
      this.#told.add(name);
      this.#connection.tolerated(name);
    }
  }

  /** As the connection's, of a frame whose first byte is put right. */
  begun(bytes: Uint8Array, at: number, body: number, until: number): void {
    const first = mendFirst(this.#tolerated, this.#link.level, bytes[at]!);
    if (first === bytes[at]) return this.#frames.begun?.(bytes, at, body, until);
    const header = body === 0 ? 0 : body - at;
    const shown = bytes.slice(at, Math.min(until, at + header + SHOWN_BYTES));
    shown[0] = first;
    this.#frames.begun?.(shown, 0, header, shown.length);
  }

  /** As the connection's. */
  tooLarge(bytes: Uint8Array, at: number, body: number, until: number): boolean {
    return this.#frames.tooLarge?.(bytes, at, body, until) ?? false;
  }
}
