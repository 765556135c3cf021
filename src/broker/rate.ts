/**
 * How much a Client may send in a second: above it the connection is not read for a while, and nothing is lost. A Client that is above
 * it without a break for too long is ended (0x96). A break is a second's worth that it has not used.
 * Knows frames and their bytes; refuses to know their effects. Connections without such a limit do without this file's objects.
 * @module
 */
import type { FrameHandler } from "../codec/deframer.ts";
import { PacketType } from "../codec/packet_type.ts";
import { type Link, Pause } from "../engine/link.ts";
import type { Deadline } from "../engine/timers.ts";
import { TokenBucket } from "../engine/token_bucket.ts";
import type { LimitName, Limits } from "./limits.ts";
import type { Turn } from "./turn.ts";

/** @internal The connection that is bounded. */
export interface Rated extends FrameHandler {
  begun(bytes: Uint8Array, at: number, body: number, until: number): void;
  tooLarge(bytes: Uint8Array, at: number, body: number, until: number): boolean;
  /** One reason to pause is gone. */
  readOn(why: Pause): void;
  /** It is not read for a while. */
  limited(limit: LimitName): void;
  /** It was above its rate for too long, and is ended; false if it is not open. */
  tooFast(): boolean;
}

/** Stands between the frames of one link and its connection. */
export class RateLimit implements FrameHandler, Deadline {
  /** For the timers. */
  heapIndex: number = -1;
  /** For the timers. */
  heapTime = 0;
  readonly #link: Link;
  readonly #connection: Rated;
  readonly #turn: Turn;
  readonly #messages: TokenBucket;
  readonly #bytes: TokenBucket;
  /** Time above the rate without a break: ms. */
  readonly #timeoutMs: number;
  /** No debt is left from then on: ms. */
  #paidAt = 0;
  #isOver = false;

  constructor(link: Link, connection: Rated, turn: Turn, limits: Limits) {
    this.#link = link;
    this.#connection = connection;
    this.#turn = turn;
    this.#messages = new TokenBucket(limits.publishRateMax || Infinity, turn.now);
    this.#bytes = new TokenBucket(limits.bytesRateMax || Infinity, turn.now);
    this.#timeoutMs = limits.overRateTimeoutMs || Infinity;
  }

  /** Whether these limits bound anything. */
  static isNeeded(limits: Limits): boolean {
    return limits.publishRateMax > 0 || limits.bytesRateMax > 0;
  }

  /** Hands the frame on, and counts it if it was taken. */
  frame(bytes: Uint8Array, at: number, body: number, end: number): boolean {
    const isMessage = bytes[at]! >> 4 === PacketType.PUBLISH;
    if (!this.#connection.frame(bytes, at, body, end)) return false;
    const { now, timers } = this.#turn;
    const ofMessages = isMessage ? this.#messages.take(1, now) : 0;
    const ofBytes = this.#bytes.take(end - at, now);
    const wait = Math.max(ofMessages, ofBytes);
    if (wait === 0 || this.#isOver) return true;
    this.#connection.limited(ofMessages >= ofBytes ? "publishRateMax" : "bytesRateMax");
    this.#link.pause(Pause.RATE);
    this.#link.pauseTransport();
    this.#paidAt = now + wait;
    timers.schedule(this, Math.min(this.#paidAt, this.#endsAt));
    return true;
  }

  /** As the connection's. */
  begun(bytes: Uint8Array, at: number, body: number, until: number): void {
    this.#connection.begun(bytes, at, body, until);
  }

  /** As the connection's. */
  tooLarge(bytes: Uint8Array, at: number, body: number, until: number): boolean {
    return this.#connection.tooLarge(bytes, at, body, until);
  }

  /** When a Client that goes on like this is ended: ms. */
  get #endsAt(): number {
    return Math.min(this.#messages.overSince, this.#bytes.overSince) + this.#timeoutMs;
  }

  /** The debt is paid, or has been there for too long. */
  due(now: number): void {
    if (now >= this.#paidAt) this.#connection.readOn(Pause.RATE);
    else if (!this.#connection.tooFast()) this.#turn.timers.schedule(this, this.#paidAt);
  }

  /** The connection is over. */
  stop(): void {
    this.#isOver = true;
    this.#turn.timers.cancel(this);
  }
}
