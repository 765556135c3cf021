/**
 * Connections that begin with a PROXY header: they are accepted when it has come, with the peer that it names.
 * Knows whose headers are believed and how long to wait for one; refuses to know the form of a header.
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers";
import { PROXY_HEADER_BYTES_MAX, readProxyHeader } from "../transport/proxy_header.ts";
import type { Transport, TransportHandler } from "../transport/transport.ts";
import { type Accept, hostAndPort, type PeerInfo } from "./endpoint.ts";
import type { HandshakeSlots } from "./tls/slots.ts";

/** Which connections begin with a header. */
export interface ProxyOptions {
  /** Whether the peer at this address is a proxy: it must send a header. Nobody else may. */
  expects(address: string): boolean;
  /** Time for the header, ms. */
  readonly timeoutMs: number;
  /** Places of connections that wait for theirs. */
  readonly slots: HandshakeSlots;
  /** Called for a proxy that sends something else, or nothing in time; its connection is ended. */
  refused(peer: PeerInfo, error: Error): void;
}

/** Waits for the header of one connection. */
export class HeaderWait {
  readonly #peer: PeerInfo;
  readonly #options: ProxyOptions;
  readonly #done: (peer: PeerInfo, rest: Uint8Array) => void;
  readonly #end: () => void;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #release: () => void;
  #bytes: Uint8Array = new Uint8Array();
  #isOver = false;

  /** Calls, once, `done` with the peer behind the proxy and the bytes behind the header; or `end`, to end the connection. */
  constructor(
    peer: PeerInfo,
    options: ProxyOptions,
    done: (peer: PeerInfo, rest: Uint8Array) => void,
    end: () => void,
  ) {
    this.#peer = peer;
    this.#options = options;
    this.#done = done;
    this.#end = end;
    const release = options.slots.take();
    this.#release = release ?? (() => {});
    if (release === undefined) {
      queueMicrotask(() => this.#refuse(new Error("Too many wait for a PROXY header")));
    }
    this.#timer = setTimeout(
      () => this.#refuse(new Error(`No PROXY header within ${options.timeoutMs} ms`)),
      options.timeoutMs,
    );
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Bytes have come. */
  push(chunk: Uint8Array): void {
    if (this.#isOver) return;
    const bytes = this.#bytes = joined(this.#bytes, chunk);
    const { address, port, transport } = this.#peer;
    let header: ReturnType<typeof readProxyHeader>;
    try {
      header = readProxyHeader(bytes.subarray(0, PROXY_HEADER_BYTES_MAX));
    } catch (error) {
      return this.#refuse(error as Error);
    }
    if (header === undefined) return;
    this.ended();
    const { source, length } = header;
    const peer = source === undefined ? this.#peer : { ...source, transport, proxy: { address, port } };
    this.#done(peer, bytes.subarray(length));
  }

  /** The peer has gone, which is nothing to tell: who looks whether a port is open does so. */
  ended(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#release();
  }

  #refuse(error: Error): void {
    if (this.#isOver) return;
    this.ended();
    this.#end();
    this.#options.refused(this.#peer, error);
  }
}

/** Accepts connections of proxies when their header has come, and all others at once. */
export function proxied(options: ProxyOptions, accept: Accept): Accept {
  return (transport, peer) => {
    if (options.expects(peer.address)) new ProxiedTransport(transport, peer, options, accept);
    else accept(transport, peer);
  };
}

/** A transport whose first bytes are a header. */
class ProxiedTransport implements Transport, TransportHandler {
  readonly #below: Transport;
  readonly #wait: HeaderWait;
  #peer: PeerInfo;
  #handler: TransportHandler | undefined;
  /** Bytes behind the header that came with it. */
  #rest: Uint8Array = new Uint8Array();
  #isClosing = false;
  /** How it ended, before `start()`. */
  #ending: { readonly error: Error | undefined } | undefined;

  constructor(below: Transport, peer: PeerInfo, options: ProxyOptions, accept: Accept) {
    this.#below = below;
    this.#peer = peer;
    this.#wait = new HeaderWait(peer, options, (peer, rest) => {
      this.#peer = peer;
      this.#rest = rest;
      below.pause(); // until it is started
      accept(this, peer);
    }, () => below.abort());
    below.start(this);
  }

  get label(): string {
    return `${this.#peer.transport} ${hostAndPort(this.#peer.address, this.#peer.port)}`;
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    queueMicrotask(() => {
      if (this.#rest.length > 0 && !this.#isClosing) handler.received(this.#rest);
      if (this.#ending === undefined) return;
      if (this.#ending.error === undefined) handler.closed();
      else handler.closed(this.#ending.error);
    });
    this.#below.resume();
  }

  write(chunk: Uint8Array): number {
    return this.#below.write(chunk);
  }

  pause(): void {
    this.#below.pause();
  }

  resume(): void {
    this.#below.resume();
  }

  close(): void {
    this.#isClosing = true;
    this.#below.close();
  }

  abort(): void {
    this.#isClosing = true;
    this.#below.abort();
  }

  received(chunk: Uint8Array): void {
    if (!this.#wait.isOver) this.#wait.push(chunk);
    else if (this.#handler !== undefined) this.#handler.received(chunk);
    else this.#rest = joined(this.#rest, chunk);
  }

  drained(): void {
    this.#handler?.drained();
  }

  closed(error?: Error): void {
    if (!this.#wait.isOver) return this.#wait.ended();
    if (this.#handler === undefined) this.#ending = { error };
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
