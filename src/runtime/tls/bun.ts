/**
 * §4.2 Network Connections over TLS on Bun, by `Bun.listen` and `Bun.connect`.
 * Knows Bun's TLS sockets; refuses to know the meaning of the bytes. Why these: spec/decisions/0014-tls.md
 * @module
 */
import type { Transport, TransportHandler } from "../../transport/transport.ts";
import { builtin } from "../builtin.ts";
import {
  type Accept,
  BACKLOG,
  type DialOptions,
  ListenError,
  type PeerInfo,
  systemCode,
} from "../endpoint.ts";
import {
  type BunHandlers,
  type BunSocket,
  BunTransport,
  handlers,
  lengthenQueue,
  peerOf,
} from "../tcp/bun.ts";
import type { TlsClientOptions, TlsListener, TlsListenOptions, TlsServerOptions } from "./options.ts";
import { HandshakeSlots, noSlot } from "./slots.ts";

interface BunTlsHandlers extends BunHandlers {
  /**
   * The handshake is done, with `trouble` if there is no certificate, or one that is not trusted; or it has failed, as it does
   * too for a certificate of another host. Without this handler Bun calls `open` only then, and a connection that stalls could
   * not be ended.
   */
  handshake(socket: BunSocket, done: boolean, trouble: Error | null | undefined): void;
}

interface BunTlsSlice {
  listen(options: {
    readonly hostname: string;
    readonly port: number;
    readonly allowHalfOpen: true;
    readonly tls: TlsServerOptions;
    readonly socket: BunTlsHandlers;
  }): { readonly port: number; readonly fd: number; stop(force: boolean): void };
  connect(options: {
    readonly hostname: string;
    readonly port: number;
    readonly allowHalfOpen: true;
    readonly tls: {
      readonly ca?: string;
      readonly serverName?: string;
      readonly rejectUnauthorized: boolean;
    };
    readonly socket: BunTlsHandlers;
  }): Promise<BunSocket>;
}

const bun = (globalThis as unknown as { Bun: BunTlsSlice }).Bun;

/** One connection. Until the handshake is done `write()` takes nothing. */
class BunTlsTransport extends BunTransport {
  readonly #left: (error: Error) => void;
  /** Gives back the place among the handshakes under way. */
  readonly #release: () => void;
  /** The handshake is done. */
  #isSecured = false;
  /** It never will be. */
  #isOver = false;
  /** `pause()` was called before there was a socket to pause. */
  #isPaused = false;
  /** Bytes that came with the end of the handshake, before `start()`; empty bytes are the end of the stream. */
  #early: Uint8Array[] = [];

  /** `left` is called if the peer ends the connection, or breaks the rules, before the handshake is done. */
  constructor(
    socket: BunSocket,
    peer: PeerInfo,
    left: (error: Error) => void,
    release: () => void = () => {},
  ) {
    super(socket, peer);
    this.#left = left;
    this.#release = release;
  }

  secured(): void {
    this.#isSecured = true;
    this.#release();
    if (this.#isPaused || !this.started) super.pause();
    this.drained();
  }

  get isSecured(): boolean {
    return this.#isSecured;
  }

  override start(handler: TransportHandler): void {
    super.start(handler);
    if (this.#early.length === 0) return;
    queueMicrotask(() => {
      for (const chunk of this.#early.splice(0)) {
        if (chunk.length > 0) super.received(chunk);
        else super.ended();
      }
    });
  }

  override received(chunk: Uint8Array): void {
    if (this.started) super.received(chunk);
    else this.#early.push(chunk.slice());
  }

  override ended(): void {
    if (this.started) super.ended();
    else this.#early.push(new Uint8Array());
  }

  /** The handshake has failed, or the connection is over: which of the two Bun tells differs. */
  unsecured(error: Error): void {
    if (this.#isSecured || this.#isOver) return;
    this.#release();
    this.failed(error);
    this.#left(error);
  }

  /** A handshake that was paused would never be done. */
  override pause(): void {
    this.#isPaused = true;
    if (this.#isSecured) super.pause();
  }

  override resume(): void {
    this.#isPaused = false;
    super.resume();
  }

  /** Before the handshake is done nothing was taken, so nothing can be lost. */
  override close(): void {
    if (this.#isSecured) super.close();
    else this.abort();
  }

  override abort(): void {
    this.#isOver = true;
    this.#release();
    super.abort();
  }
}

function tlsHandlers(
  opened: (socket: BunSocket) => void,
  secured: (socket: BunSocket) => void = () => {},
  forgives = false,
): BunTlsHandlers {
  const plain = handlers(opened);
  const dataOf = (socket: BunSocket) => socket.data as BunTlsTransport | undefined;
  return {
    ...plain,
    open(socket: BunSocket): void {
      plain.open(socket);
      if (socket.data !== undefined) socket.resume(); // the handshake must not be paused
    },
    handshake(socket: BunSocket, done: boolean, trouble: Error | null | undefined): void {
      if (!done && !(forgives && systemCode(trouble) === SOMEBODY_ELSE)) {
        return dataOf(socket)?.unsecured(trouble ?? gone());
      }
      dataOf(socket)?.secured();
      secured(socket);
    },
    close(socket: BunSocket, error?: Error): void {
      dataOf(socket)?.unsecured(error ?? gone());
      plain.close(socket, error);
    },
  };
}

/** The certificate is trusted, and not one for the host that was called. */
const SOMEBODY_ELSE = "ERR_TLS_CERT_ALTNAME_INVALID";

function gone(): Error {
  return Object.assign(new Error("The peer ended the connection before the TLS handshake was done"), {
    code: "ECONNRESET",
  });
}

/** Opens a TLS listener; rejects with a `ListenError`. */
// deno-lint-ignore require-await
export async function listenTls(options: TlsListenOptions, accept: Accept): Promise<TlsListener> {
  const { host: hostname, handshakeFailed } = options;
  const slots = new HandshakeSlots(options.tls.handshakesMax);
  const socket = tlsHandlers((opened) => {
    const peer = peerOf(opened, "tls");
    const left = (error: Error) => handshakeFailed?.(peer, error);
    const release = slots.take();
    if (release !== undefined) accept(opened.data = new BunTlsTransport(opened, peer, left, release), peer);
    else {
      opened.terminate();
      left(noSlot());
    }
  });
  const listen = (port: number, { cert, key }: TlsServerOptions) => {
    try {
      const listener = bun.listen({ hostname, port, allowHalfOpen: true, tls: { cert, key }, socket });
      lengthenQueue(listener.fd, options.backlog ?? BACKLOG);
      return listener;
    } catch (error) {
      throw new ListenError(options, error);
    }
  };
  let listener = listen(options.port, options.tls);
  let shown = options.tls;
  const { port } = listener;
  return {
    host: hostname,
    port,
    /** Bun 1.4 has no way to give a listener another certificate: another listener takes its place within this call. */
    renew(tls): void {
      listen(0, tls).stop(true); // it throws for a certificate that Bun cannot use, while the old listener is there
      listener.stop(false);
      try {
        listener = listen(port, tls);
        shown = tls;
      } catch (error) {
        listener = listen(port, shown);
        throw error;
      }
    },
    // deno-lint-ignore require-await
    close: async () => listener.stop(false),
  };
}

/** Connects and resolves when the handshake is done; rejects with the system's error, or with why the peer is not trusted. */
export function dialTls(
  { host, port }: DialOptions,
  { ca, insecure = false }: TlsClientOptions,
): Promise<Transport> {
  const serverName = builtin("node:net").isIP(host) === 0 ? host : undefined;
  return new Promise((resolve, reject) => {
    const socket = tlsHandlers(
      (opened) => opened.data = new BunTlsTransport(opened, peerOf(opened, "tls"), reject),
      (secured) => resolve(secured.data!),
      insecure,
    );
    const tls = {
      rejectUnauthorized: !insecure,
      ...ca !== undefined && { ca },
      ...serverName !== undefined && { serverName },
    };
    bun.connect({ hostname: host, port, allowHalfOpen: true, tls, socket }).catch(reject);
  });
}
