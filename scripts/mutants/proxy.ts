/**
 * A stream whose packets a mutant changes on their way, between auditor and broker.
 * Knows where packets end; refuses to know what is in them.
 * @module
 */
import type { Level } from "../../conformance/wire/bytes.ts";
import type { ProxyMutant } from "../../conformance/mutants/mutant.ts";
import { packetSize } from "../../conformance/wire/parse.ts";
import type { Transport, TransportHandler } from "../../src/transport/transport.ts";

type Change = (packet: Uint8Array, level: Level) => readonly Uint8Array[];

/** Cuts a stream into packets and changes each; bytes that cannot be packets go through as they are. */
class Splitter {
  readonly #change: Change;
  readonly #level: Level;
  #partial: Uint8Array = new Uint8Array(0);

  constructor(change: Change, level: Level) {
    this.#change = change;
    this.#level = level;
  }

  /** What is to be passed on now. */
  pass(chunk: Uint8Array): Uint8Array {
    const data = join([this.#partial, chunk]);
    const out: Uint8Array[] = [];
    let at = 0;
    for (;;) {
      const size = packetSize(data.subarray(at));
      if (size === 0) break;
      const end = size < 0 ? data.length : at + size;
      const packet = data.slice(at, end);
      out.push(...size < 0 ? [packet] : this.#change(packet, this.#level));
      at = end;
    }
    this.#partial = data.slice(at);
    return join(out);
  }

  /** What is left at the end of the stream. */
  rest(): Uint8Array {
    const rest = this.#partial;
    this.#partial = new Uint8Array(0);
    return rest;
  }
}

/** The stream to the broker as the auditor sees it through a mutant. */
export class MutantTransport implements Transport {
  readonly label: string;
  readonly #inner: Transport;
  readonly #toAuditor: Splitter | undefined;
  readonly #toBroker: Splitter | undefined;
  #unsent: Uint8Array = new Uint8Array(0);

  constructor(inner: Transport, { toAuditor, toBroker }: ProxyMutant, level: Level) {
    this.label = inner.label;
    this.#inner = inner;
    this.#toAuditor = toAuditor && new Splitter(toAuditor, level);
    this.#toBroker = toBroker && new Splitter(toBroker, level);
  }

  start(handler: TransportHandler): void {
    this.#inner.start({
      received: (chunk) => {
        const data = this.#toAuditor === undefined ? chunk : this.#toAuditor.pass(chunk);
        if (data.length > 0) handler.received(data);
      },
      drained: () => {
        this.#flush();
        if (this.#unsent.length === 0) handler.drained();
      },
      closed: (error) => {
        const rest = this.#toAuditor?.rest();
        if (rest !== undefined && rest.length > 0) handler.received(rest);
        handler.closed(error);
      },
    });
  }

  write(chunk: Uint8Array): number {
    if (this.#toBroker === undefined) return this.#inner.write(chunk);
    this.#unsent = join([this.#unsent, this.#toBroker.pass(chunk)]);
    this.#flush();
    return chunk.length;
  }

  pause(): void {
    this.#inner.pause();
  }

  resume(): void {
    this.#inner.resume();
  }

  close(): void {
    this.#inner.close();
  }

  abort(): void {
    this.#inner.abort();
  }

  #flush(): void {
    if (this.#unsent.length > 0) this.#unsent = this.#unsent.slice(this.#inner.write(this.#unsent));
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
