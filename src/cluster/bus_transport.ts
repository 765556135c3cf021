/**
 * §4.2 Network Connections: a byte stream between two nodes over two subjects of a bus.
 * Knows numbers, credit and silence; refuses to know buses, and to repair: what a bus has lost, doubled or moved ends the stream.
 * @module
 */
import type { Transport, TransportHandler } from "../transport/transport.ts";
import type { Bus } from "./bus.ts";
import { PIECE_HEAD_BYTES, pieceFrame, pieceNumber, readState, type State, stateFrame } from "./bus_frame.ts";
import type { Cancel, Clock } from "./clock.ts";
import { CLUSTER } from "./limits.ts";

/** See `BusTransportOptions.beats`. */
export type Beats = "all the time" | "while asked";

/** What one end is made of. The other end has the subjects the other way round. */
export interface BusTransportOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly label: string;
  /** Where it listens. No other transport has ever listened there. */
  readonly inbox: string;
  /** Where the other end listens. */
  readonly outbox: string;
  /** ms of silence after which the other end is dead; `CLUSTER.deadMs` by default. */
  readonly deadMs?: number | undefined;
  /**
   * When it looks whether the other end lives. `all the time`, the default: each `CLUSTER.beatMs`. `while asked`: so often only while it waits
   * for something, else each `CLUSTER.restMs`; whoever has thousands of these knows by other means which nodes live, and aborts what
   * goes to a dead one.
   */
  readonly beats?: Beats | undefined;
  /** Bytes that one direction may have under way; `CLUSTER.windowBytes` by default. Both ends have the same. */
  readonly windowBytes?: number | undefined;
  /** Told once: both ends hear each other, so that bytes can go; or why they never will. */
  readonly greeted: (error?: Error) => void;
  /** Told once: nothing of it is left. */
  readonly ended?: () => void;
}

/**
 * See `Transport`. Before both ends hear each other `write()` takes nothing. What has been taken is under way at once, so there is
 * no queue for writing; the one for reading is bounded by what was granted.
 */
export class BusTransport implements Transport {
  readonly label: string;
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #outbox: string;
  readonly #options: BusTransportOptions;
  readonly #pieceBytes: number;
  readonly #deadMs: number;
  readonly #isQuiet: boolean;
  readonly #windowBytes: number;
  readonly #unsubscribe: Cancel;
  readonly #unwatch: Cancel;
  #stopBeat: Cancel = () => {};
  /** The next beat is far away; and the last one was, and nothing has come since. */
  #isResting = true;
  #isAsking = false;
  #handler: TransportHandler | undefined;
  /** The other end has been heard; and it has said that it hears us. */
  #hears = false;
  #isGreeted = false;
  /** Anything has come since the last beat; and for how long nothing had before it. */
  #isLively = false;
  #silentMs = 0;
  /** Bytes sent from the first, and how many may be. */
  #sent = 0;
  #granted = 0;
  #piecesSent = 0;
  #piecesReceived = 0;
  /** Of those that were sent, how many have reached the other end as it has said. */
  #piecesConfirmed = 0;
  /** Bytes received from the first, and of these, handed over or thrown away. */
  #received = 0;
  #consumed = 0;
  /** What the other end was told to be granted. */
  #told = 0;
  #queue: Uint8Array[] = [];
  #discarded = 0;
  #isPaused = false;
  #owesDrained = false;
  /** We write no more; nor does the peer. */
  #hasEnded = false;
  #peerHasEnded = false;
  /** It is over, and with which error; and the handler knows. */
  #over: { readonly error: Error | undefined } | undefined;
  #isTold = false;

  constructor(options: BusTransportOptions) {
    const { bus, clock, label, inbox, outbox } = options;
    this.label = label;
    this.#bus = bus;
    this.#clock = clock;
    this.#outbox = outbox;
    this.#options = options;
    this.#deadMs = options.deadMs ?? CLUSTER.deadMs;
    this.#isQuiet = options.beats === "while asked";
    this.#windowBytes = options.windowBytes ?? CLUSTER.windowBytes;
    this.#pieceBytes = Math.min(CLUSTER.pieceBytes, bus.bytesMax - PIECE_HEAD_BYTES);
    this.#unsubscribe = bus.subscribe(inbox, (frame) => this.#frame(frame));
    this.#unwatch = bus.watch((isConnected) => {
      if (!isConnected) return this.#finish(new Error("The connection to the bus broke"));
      if (this.#over === undefined) return;
      this.#unwatch();
      this.#say(true); // the other end does not know yet
    });
    this.#beatSoon();
    this.#say();
  }

  start(handler: TransportHandler): void {
    if (this.#handler !== undefined) throw new Error("A transport is started once");
    this.#handler = handler;
    this.#clock.endOfTurn(() => this.#over === undefined ? this.#handOver() : this.#tellClosed());
  }

  write(chunk: Uint8Array): number {
    if (this.#hasEnded || this.#over !== undefined) return 0;
    const room = this.#isGreeted ? this.#granted - this.#sent : 0;
    const taken = Math.min(chunk.length, room);
    for (let at = 0; at < taken; at += this.#pieceBytes) {
      const piece = chunk.subarray(at, Math.min(at + this.#pieceBytes, taken));
      this.#publish(pieceFrame(this.#piecesSent, piece));
      this.#piecesSent = (this.#piecesSent + 1) >>> 0;
    }
    this.#sent += taken;
    if (taken < chunk.length) this.#owesDrained = true;
    this.#beatSoon();
    return taken;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#queue.length > 0) this.#clock.endOfTurn(() => this.#handOver());
  }

  close(): void {
    if (this.#hasEnded || this.#over !== undefined) return;
    this.#hasEnded = true;
    this.#owesDrained = false;
    for (const piece of this.#queue.splice(0)) this.#discard(piece.length);
    if (this.#over !== undefined) return;
    this.#say();
    if (this.#peerHasEnded) this.#finish(undefined);
    else this.#beatSoon();
  }

  abort(): void {
    if (this.#over !== undefined) return;
    this.#say(true);
    this.#finish(undefined);
  }

  /** Something came. */
  #frame(frame: Uint8Array): void {
    if (this.#over !== undefined) return;
    this.#isLively = true;
    this.#isAsking = false;
    this.#hears = true;
    const number = pieceNumber(frame);
    if (number !== undefined) return this.#piece(number, frame.subarray(PIECE_HEAD_BYTES));
    const state = readState(frame);
    if (state === undefined) return this.#fail("The peer sent what is neither a piece nor a state");
    this.#state(state);
  }

  #piece(number: number, bytes: Uint8Array): void {
    if (number !== this.#piecesReceived) {
      return this.#fail(`The bus brought piece ${number} where ${this.#piecesReceived} was due`);
    }
    this.#piecesReceived = (number + 1) >>> 0;
    this.#received += bytes.length;
    if (this.#received > this.#told) return this.#fail("The peer sent more than it was granted");
    this.#greet(); // who sends a piece has heard us
    if (this.#hasEnded) this.#discard(bytes.length);
    else if (this.#handler === undefined || this.#isPaused || this.#queue.length > 0) {
      this.#queue.push(bytes.slice());
    } else this.#deliver(bytes);
  }

  #state(state: State): void {
    if (state.isAborted) return this.#finish(new Error("Connection reset by peer"));
    const ahead = (state.pieces - this.#piecesReceived) | 0;
    if (ahead > 0) return this.#fail(`The bus lost ${ahead} pieces behind ${this.#piecesReceived}`);
    if (ahead < 0) return; // of before: the bus has doubled or moved it
    this.#granted = Math.max(this.#granted, state.granted);
    if (((state.received - this.#piecesConfirmed) | 0) > 0) this.#piecesConfirmed = state.received;
    if (state.hears) this.#greet();
    if (!state.hears || state.asks) this.#say();
    if (state.hasEnded) this.#peerHasEnded = true;
    if (this.#owesDrained && this.#isGreeted && this.#granted > this.#sent) {
      this.#owesDrained = false;
      this.#call((handler) => handler.drained());
    }
    this.#endWithPeer();
  }

  #greet(): void {
    if (this.#isGreeted) return;
    this.#isGreeted = true;
    this.#say();
    this.#options.greeted();
  }

  /** Hands over what waits. */
  #handOver(): void {
    while (this.#queue.length > 0 && !this.#isPaused && this.#over === undefined && !this.#hasEnded) {
      this.#deliver(this.#queue.shift()!);
    }
    this.#endWithPeer();
  }

  #deliver(bytes: Uint8Array): void {
    const { length } = bytes;
    this.#call((handler) => handler.received(bytes));
    this.#consume(length);
  }

  #discard(length: number): void {
    this.#discarded += length;
    if (this.#discarded > CLUSTER.afterCloseBytes) this.abort();
    else this.#consume(length);
  }

  #consume(length: number): void {
    this.#consumed += length;
    if (this.#over !== undefined) return;
    if (this.#consumed + this.#windowBytes - this.#told >= this.#windowBytes / 4) this.#say();
  }

  /** Both halves end with the peer's, when all of it has been handed over. */
  #endWithPeer(): void {
    if (!this.#peerHasEnded || this.#queue.length > 0 || this.#over !== undefined) return;
    if (!this.#hasEnded && this.#handler === undefined) return;
    if (!this.#hasEnded) {
      this.#hasEnded = true;
      this.#say();
    }
    this.#finish(undefined);
  }

  /** A handler that throws ends its own transport. */
  #call(told: (handler: TransportHandler) => void): void {
    try {
      if (this.#handler !== undefined) told(this.#handler);
    } catch (error) {
      this.#say(true);
      this.#finish(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #say(isAborted: boolean = false, asks: boolean = false): void {
    this.#told = this.#consumed + this.#windowBytes;
    this.#publish(stateFrame({
      hears: this.#hears,
      hasEnded: this.#hasEnded,
      isAborted,
      asks,
      pieces: this.#piecesSent,
      received: this.#piecesReceived,
      granted: this.#told,
    }));
  }

  #publish(frame: Uint8Array): void {
    if (!this.#bus.publish(this.#outbox, frame)) this.#finish(new Error("There is no connection to the bus"));
  }

  /** Whether anything that was said or is awaited may have been lost without anybody knowing. */
  get #waits(): boolean {
    return !this.#isQuiet || !this.#isGreeted || this.#isAsking || this.#owesDrained || this.#hasEnded ||
      this.#piecesConfirmed !== this.#piecesSent;
  }

  /** Ends a rest. */
  #beatSoon(): void {
    if (!this.#isResting) return;
    this.#stopBeat();
    this.#isResting = false;
    this.#silentMs = 0;
    this.#beatLater();
  }

  #beatLater(): void {
    const ms = this.#isResting ? CLUSTER.restMs : this.#isGreeted ? CLUSTER.beatMs : CLUSTER.greetMs;
    this.#stopBeat = this.#clock.at(this.#clock.now() + ms, () => this.#beat(ms));
  }

  /** Silence is counted in beats of our own: a process that was stopped has not heard what waits to be read. */
  #beat(ms: number): void {
    const hasRested = this.#isResting;
    this.#silentMs = this.#isLively && this.#isGreeted || hasRested ? 0 : this.#silentMs + ms;
    this.#isLively = false;
    if (this.#silentMs >= this.#deadMs) return this.#fail(`The peer was silent for ${this.#deadMs} ms`);
    this.#isAsking ||= hasRested;
    this.#isResting = !this.#waits;
    this.#beatLater();
    if (!this.#isResting) this.#say(false, this.#isQuiet);
  }

  #fail(what: string): void {
    this.#say(true);
    this.#finish(new Error(what));
  }

  #finish(error: Error | undefined): void {
    if (this.#over !== undefined) return;
    this.#over = { error };
    this.#owesDrained = false;
    this.#queue = [];
    this.#unsubscribe();
    if (this.#bus.isConnected) this.#unwatch();
    this.#stopBeat();
    this.#clock.endOfTurn(() => {
      if (!this.#isGreeted) {
        this.#options.greeted(error ?? new Error("It was closed before the peer was heard"));
      }
      this.#options.ended?.();
      if (this.#handler !== undefined) this.#tellClosed();
    });
  }

  #tellClosed(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    const handler = this.#handler!;
    if (this.#over!.error === undefined) handler.closed();
    else handler.closed(this.#over!.error);
  }
}
