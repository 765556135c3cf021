/**
 * Connections that begin with a head which is not the peer's first packet: a PROXY header, an HTTP request.
 * Knows how long to wait for it and how many may wait; refuses to know the form of a head.
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers";
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport, TransportHandler } from "../transport/transport.ts";
import { labelOf } from "./endpoint.ts";
import { sameTimeouts, type Waiting } from "./same_timeouts.ts";
import type { HandshakeSlots } from "./tls/slots.ts";

const NOTHING = new Uint8Array();

/** What a connection begins with. */
export interface HeadOptions<Head> {
  /** What it is, for errors: `PROXY header`. */
  readonly what: string;
  /** The head at the front of these bytes, or undefined if more are needed; throws as soon as no bytes that may follow could make it one. */
  read(bytes: Uint8Array): Head | undefined;
  /** Time for it, ms. */
  readonly timeoutMs: number;
  /** Places of connections that wait for theirs. */
  readonly slots: HandshakeSlots;
}

/** Waits for the head of one connection. */
export class HeadWait<Head extends { readonly length: number }> implements Waiting {
  readonly #options: HeadOptions<Head>;
  readonly #done: (head: Head, bytes: Uint8Array) => void;
  readonly #failed: (error: Error) => void;
  readonly #release: (() => void) | undefined;
  #bytes: Uint8Array = NOTHING;
  #isOver = false;

  /**
   * Calls, once, `done` with the head and all bytes that have come, its own included, which are not to be kept; or `failed`, to end the
   * connection.
   */
  constructor(
    options: HeadOptions<Head>,
    done: (head: Head, bytes: Uint8Array) => void,
    failed: (error: Error) => void,
  ) {
    this.#options = options;
    this.#done = done;
    this.#failed = failed;
    const { what, timeoutMs, slots } = options;
    this.#release = slots.take();
    if (this.#release === undefined) {
      queueMicrotask(() => this.#fail(new Error(`Too many wait for a ${what}`)));
    } else sameTimeouts(timeoutMs).add(this);
  }

  timedOut(): void {
    const { what, timeoutMs } = this.#options;
    this.#fail(new Error(`No ${what} within ${timeoutMs} ms`));
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Bytes have come. */
  push(chunk: Uint8Array): void {
    if (this.#isOver) return;
    const bytes = this.#bytes.length === 0 ? chunk : joined(this.#bytes, chunk);
    let head: Head | undefined;
    try {
      head = this.#options.read(bytes);
    } catch (error) {
      return this.#fail(error as Error);
    }
    if (head === undefined) {
      this.#bytes = bytes === chunk ? new Uint8Array(chunk) : bytes; // the chunk is not ours
      return;
    }
    this.ended();
    this.#done(head, bytes);
  }

  /** The peer has gone, which is nothing to tell: who looks whether a port is open does so. */
  ended(): void {
    this.#isOver = true;
    this.#bytes = NOTHING;
    sameTimeouts(this.#options.timeoutMs).delete(this);
    this.#release?.();
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    this.ended();
    this.#failed(error);
  }
}

/** What follows a head. */
export interface HeadEvents<Head> {
  /** It has come; gives how many of the bytes are not handed on. The transport has not been started yet. */
  headed(transport: HeadTransport<Head & { readonly length: number }>, head: Head): number;
  /** It has not: the connection is to be ended. */
  failed(transport: HeadTransport<Head & { readonly length: number }>, error: Error): void;
  /** The peer has gone before. */
  left?(error: Error | undefined): void;
}

/** A transport whose first bytes are a head. It starts the one below at once, and may be started when its head has come. */
export class HeadTransport<Head extends { readonly length: number }> implements Transport, TransportHandler {
  /** Given where more is known of the peer than the transport below knows. */
  peer: PeerInfo | undefined;
  /** Called when the transport below is over, in whatever way. It lives as long as the connection, so it should keep little alive. */
  over: (() => void) | undefined;
  readonly #below: Transport;
  /** Until the head has come. */
  #wait: HeadWait<Head> | undefined;
  #events: HeadEvents<Head> | undefined;
  #handler: TransportHandler | undefined;
  /** Bytes that came before `start()`. */
  #rest: Uint8Array = NOTHING;
  #isClosing = false;
  /** Of `send()`. */
  #unsent: Uint8Array | undefined;
  #lastWordsTimer: ReturnType<typeof setTimeout> | undefined;
  /** How it ended, before `start()`. */
  #ending: { readonly error: Error | undefined } | undefined;

  constructor(below: Transport, options: HeadOptions<Head>, events: HeadEvents<Head>, over?: () => void) {
    this.over = over;
    this.#below = below;
    this.#events = events;
    this.#wait = new HeadWait(options, (head, bytes) => {
      this.#wait = undefined;
      this.#events = undefined;
      const used = events.headed(this, head);
      if (used < bytes.length) this.#rest = new Uint8Array(bytes.subarray(used));
      if (this.#handler === undefined && !this.#isClosing) below.pause(); // until it is started
      else if (this.#rest.length > 0) this.#handOn();
    }, (error) => events.failed(this, error));
    below.start(this);
  }

  get label(): string {
    return this.peer === undefined ? this.#below.label : labelOf(this.peer);
  }

  get memoryBytes(): number {
    return this.#below.memoryBytes ?? 0;
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    if (this.#rest.length > 0 || this.#ending !== undefined) this.#handOn();
    this.#below.resume();
  }

  /** Soon, hands on what came before `start()`. */
  #handOn(): void {
    queueMicrotask(() => {
      const rest = this.#rest;
      this.#rest = NOTHING;
      if (rest.length > 0 && !this.#isClosing) this.#handler?.received(rest);
      if (this.#ending === undefined) return;
      if (this.#ending.error === undefined) this.#handler?.closed();
      else this.#handler?.closed(this.#ending.error);
    });
  }

  write(chunk: Uint8Array): number {
    return this.#unsent === undefined ? this.#below.write(chunk) : 0;
  }

  pause(): void {
    this.#below.pause();
  }

  resume(): void {
    this.#below.resume();
  }

  close(): void {
    this.#isClosing = true;
    if (this.#unsent === undefined) this.#below.close();
  }

  abort(): void {
    this.#isClosing = true;
    this.#below.abort();
  }

  /** Says this before anything is written: a Client asks, a Server answers. What the transport below does not take at once follows. */
  send(words: Uint8Array): void {
    const taken = this.#below.write(words);
    this.#unsent = taken < words.length ? new Uint8Array(words.subarray(taken)) : undefined;
  }

  /** Says this, and closes; what is not over after `timeoutMs` is ended. */
  end(lastWords: Uint8Array, timeoutMs: number): void {
    this.send(lastWords);
    this.close();
    this.#below.resume();
    this.#lastWordsTimer = setTimeout(() => this.abort(), timeoutMs);
  }

  received(chunk: Uint8Array): void {
    if (this.#isClosing) return;
    if (this.#wait !== undefined && !this.#wait.isOver) this.#wait.push(chunk);
    else if (this.#handler !== undefined) this.#handler.received(chunk);
    else this.#rest = joined(this.#rest, chunk);
  }

  drained(): void {
    if (this.#unsent !== undefined) this.send(this.#unsent);
    if (this.#unsent !== undefined) return;
    if (this.#isClosing) this.#below.close();
    else this.#handler?.drained();
  }

  closed(error?: Error): void {
    clearTimeout(this.#lastWordsTimer);
    this.over?.();
    if (this.#wait !== undefined && !this.#wait.isOver) {
      this.#wait.ended();
      this.#events?.left?.(error);
    } else if (this.#handler === undefined) this.#ending = { error };
    else if (error === undefined) this.#handler.closed();
    else this.#handler.closed(error);
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
