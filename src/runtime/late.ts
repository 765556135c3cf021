/**
 * §4.2 A transport whose connection is still being opened: what is written meanwhile is kept, and goes first.
 * Knows bytes and their bound; refuses to know how the connection is opened.
 * @module
 */
import type { Transport, TransportHandler } from "../transport/transport.ts";

/** Bytes that are kept until the connection is there; above it `write()` takes fewer. */
export const KEPT_BYTES_MAX: number = 64 * 1024;

/** A transport that can be used at once. */
export class LateTransport implements Transport, TransportHandler {
  readonly label: string;
  #below: Transport | undefined;
  #handler: TransportHandler | undefined;
  /** Not taken by the connection yet. */
  #kept: Uint8Array[] = [];
  #keptBytes = 0;
  /** A `write()` was short: `drained()` is owed. */
  #short = false;
  #isPaused = false;
  #isClosing = false;
  /** Aborted, or over. */
  #isDead = false;
  /** `closed()` was called, or is about to be. */
  #isTold = false;
  #failure: Error | undefined;

  /** `first` goes before all that is written. The transport that `opening` gives is not started; if it rejects, the stream ends with its reason. */
  constructor(label: string, first: Uint8Array, opening: Promise<Transport>) {
    this.label = label;
    if (first.length > 0) this.#keep(first);
    opening.then((below) => {
      this.#below = below;
      if (this.#isDead) below.abort();
      else if (this.#handler !== undefined) this.#join(below);
    }, (error) => {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.#isDead = true;
      this.#tell();
    });
  }

  get memoryBytes(): number {
    return (this.#below?.memoryBytes ?? 0) + this.#keptBytes;
  }

  get isUnpausable(): boolean {
    return this.#below?.isUnpausable ?? false;
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    if (this.#isDead) this.#tell();
    else if (this.#below !== undefined) queueMicrotask(() => this.#isDead || this.#join(this.#below!));
  }

  #isJoined = false;

  #join(below: Transport): void {
    if (this.#isJoined) return;
    this.#isJoined = true;
    below.start(this);
    if (this.#isPaused) below.pause();
    this.drained();
  }

  write(chunk: Uint8Array): number {
    if (this.#isClosing || this.#isDead) return 0;
    if (this.#isJoined && this.#keptBytes === 0) {
      const taken = this.#below!.write(chunk);
      if (taken < chunk.length) this.#short = true;
      return taken;
    }
    const taken = Math.min(chunk.length, Math.max(0, KEPT_BYTES_MAX - this.#keptBytes));
    if (taken > 0) this.#keep(chunk.subarray(0, taken));
    if (taken < chunk.length) this.#short = true;
    return taken;
  }

  #keep(chunk: Uint8Array): void {
    this.#kept.push(new Uint8Array(chunk));
    this.#keptBytes += chunk.length;
  }

  pause(): void {
    this.#isPaused = true;
    if (this.#isJoined) this.#below!.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#isJoined) this.#below!.resume();
  }

  close(): void {
    if (this.#isClosing || this.#isDead) return;
    this.#isClosing = true;
    this.#short = false;
    if (this.#isJoined && this.#keptBytes === 0) this.#below!.close();
  }

  abort(): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#kept = [];
    this.#keptBytes = 0;
    if (this.#isJoined) this.#below!.abort();
    else {
      this.#below?.abort();
      queueMicrotask(() => this.#tell());
    }
  }

  received(chunk: Uint8Array): void {
    if (!this.#isClosing && !this.#isDead) this.#handler!.received(chunk);
  }

  /** The connection takes more now. */
  drained(): void {
    while (this.#kept.length > 0) {
      const first = this.#kept[0]!;
      const taken = this.#below!.write(first);
      this.#keptBytes -= taken;
      if (taken < first.length) {
        this.#kept[0] = first.subarray(taken);
        return;
      }
      this.#kept.shift();
    }
    if (this.#isDead) return;
    if (this.#isClosing) return this.#below!.close();
    if (!this.#short) return;
    this.#short = false;
    this.#handler!.drained();
  }

  closed(error?: Error): void {
    this.#isDead = true;
    this.#failure = error;
    this.#tell();
  }

  #tell(): void {
    if (this.#isTold || this.#handler === undefined) return;
    this.#isTold = true;
    this.#kept = [];
    this.#keptBytes = 0;
    queueMicrotask(() => {
      if (this.#failure === undefined) this.#handler!.closed();
      else this.#handler!.closed(this.#failure);
    });
  }
}
