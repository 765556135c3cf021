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
import { awaitProxyHeader, type ProxyOptions } from "../proxied.ts";
import { ClientCertificates } from "./client_certificates.ts";
import type {
  CertificateAndKey,
  TlsClientOptions,
  TlsListener,
  TlsListenOptions,
  TlsServerOptions,
} from "./options.ts";
import { ServerNames } from "./server_names.ts";
import { HandshakeSlots, noSlot } from "./slots.ts";

interface BunTlsHandlers extends BunHandlers {
  /**
   * The handshake is done, with `trouble` if there is no certificate, or one that is not trusted; or it has failed, as it does
   * too for a certificate of another host. Without this handler Bun calls `open` only then, and a connection that stalls could
   * not be ended.
   */
  handshake(socket: BunSocket, done: boolean, trouble: Error | null | undefined): void;
}

/** A socket after its handshake. */
interface BunTlsSocket extends BunSocket {
  getPeerX509Certificate(): { readonly raw: Uint8Array } | undefined;
}

/** A socket before TLS begins. */
interface PlainSocket {
  data: ReturnType<typeof awaitProxyHeader> | undefined;
  readonly remoteAddress: string | undefined;
  terminate(): void;
  upgradeTLS(options: {
    readonly isServer: true;
    readonly tls: { readonly secureContext: NativeContext };
    readonly socket: BunTlsHandlers;
    /** Bytes of the handshake that were read already. */
    readonly initialData?: Uint8Array;
  }): unknown;
}

interface PlainHandlers {
  readonly binaryType: "uint8array";
  open(socket: PlainSocket): void;
  data(socket: PlainSocket, chunk: Uint8Array): void;
  drain(): void;
  end(socket: PlainSocket): void;
  close(socket: PlainSocket): void;
  error(socket: PlainSocket, error: Error): void;
}

interface BunTlsListener {
  readonly port: number;
  readonly fd: number;
  stop(force: boolean): void;
}

interface BunTlsSlice {
  listen(options: {
    readonly hostname: string;
    readonly port: number;
    readonly allowHalfOpen: true;
    readonly reusePort?: boolean;
    readonly tls?: object;
    readonly socket: BunTlsHandlers | PlainHandlers;
  }): BunTlsListener;
  connect(options: {
    readonly hostname: string;
    readonly port: number;
    readonly allowHalfOpen: true;
    readonly tls: Partial<CertificateAndKey> & {
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
  /** Throws for a Client that may not come in; `trouble` is what Bun has against its certificate. */
  readonly #judge: ((trouble: Error | null | undefined) => void) | undefined;
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
    judge?: (trouble: Error | null | undefined) => void,
  ) {
    super(socket, peer);
    this.#left = left;
    this.#release = release;
    this.#judge = judge;
  }

  secured(trouble: Error | null | undefined): void {
    try {
      this.#judge?.(trouble);
    } catch (error) {
      return this.unsecured(error as Error);
    }
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
    if (this.#isOver) return;
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
      dataOf(socket)?.secured(trouble);
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
  const { host: hostname, port, handshakeFailed, proxy, reusePort = false } = options;
  let present: Present;
  const slots = new HandshakeSlots(options.tls.handshakesMax);
  /** `socket` speaks TLS, or is just about to. */
  const secure = (socket: BunSocket, peer: PeerInfo): void => {
    const { clients } = present; // those of the moment when the handshake begins
    const left = (error: Error) => handshakeFailed?.(peer, error);
    const release = slots.take();
    if (release === undefined) {
      socket.terminate();
      return left(noSlot());
    }
    const judge = clients.mode === "none"
      ? undefined
      : (trouble: Error | null | undefined) => admit(socket as BunTlsSocket, peer, clients, trouble);
    accept(socket.data = new BunTlsTransport(socket, peer, left, release, judge), peer);
  };
  const socket = {
    ...tlsHandlers((opened) => secure(opened, peerOf(opened, "tls"))),
    // Bun asks it for the native context of a name, as it does for `SNICallback` of `node:tls`; undefined is the listener's own.
    serverName: (_listener: unknown, name: string) => present.names.of(name)?.context,
  };
  let listener: BunTlsListener;
  try {
    present = new Present(options.tls);
    listener = bun.listen({
      hostname,
      port,
      allowHalfOpen: true,
      ...reusePort && { reusePort },
      ...proxy === undefined
        ? { tls: listenerOptions(options.tls), socket }
        : { socket: headerHandlers(proxy, secure, socket, () => present.context) },
    });
  } catch (error) {
    throw new ListenError(options, error);
  }
  lengthenQueue(listener.fd, options.backlog ?? BACKLOG);
  return {
    host: hostname,
    port: listener.port,
    renew(tls): void {
      const next = new Present(tls); // it throws for a certificate that Bun cannot use
      if (proxy === undefined) showContext(listener, tls);
      present = next;
    },
    // deno-lint-ignore require-await
    close: async () => listener.stop(false),
  };
}

/** The certificates of a listener as they are now. */
class Present {
  readonly clients: ClientCertificates;
  readonly context: NativeContext;
  readonly names: ServerNames<{ readonly context: NativeContext }>;

  constructor(own: TlsServerOptions) {
    this.clients = new ClientCertificates(own);
    this.context = contextOf(own, own);
    this.names = new ServerNames(
      (own.sni ?? []).map((each) => [each.cert, { context: contextOf(each, own) }] as const),
    );
  }
}

function contextOf({ cert, key }: CertificateAndKey, own: TlsServerOptions): NativeContext {
  const { context } = builtin("node:tls").createSecureContext({ cert, key, ...askingOf(own) } as object);
  return context as NativeContext;
}

/** Bun's own kind of context, which its listeners and sockets take. */
type NativeContext = object;

/** The options of a listener and of `node:tls` that hold for all its certificates. */
function askingOf({ clientCertificate = "none", ca, minimumVersion = "1.2" }: TlsServerOptions): object {
  return {
    minVersion: `TLSv${minimumVersion}`,
    ...clientCertificate !== "none" && {
      ca,
      requestCert: true,
      rejectUnauthorized: clientCertificate === "required",
    },
  };
}

/** `Bun.listen` takes the version by its number. */
function listenerOptions(own: TlsServerOptions): object {
  const { cert, key, minimumVersion } = own;
  return { cert, key, ...askingOf(own), minVersion: minimumVersion === "1.3" ? 0x0304 : 0x0303 };
}

/**
 * Bun 1.4 has no call of its own to give a listener another certificate. That of `node:tls` does it for the listener it is built on, and
 * ours is of the same kind. Connections that wait to be accepted stay where they are.
 */
function showContext(listener: BunTlsListener, own: TlsServerOptions): void {
  const { cert, key } = own;
  const server = builtin("node:tls").createServer(askingOf(own));
  (server as unknown as { _handle: BunTlsListener })._handle = listener;
  server.setSecureContext({ cert, key, ...askingOf(own) } as object);
}

/** Notes what is known of the Client; throws for one that may not come in. */
function admit(
  socket: BunTlsSocket,
  peer: PeerInfo,
  clients: ClientCertificates,
  trouble: Error | null | undefined,
): void {
  const raw = socket.getPeerX509Certificate()?.raw;
  const code = trouble ? systemCode(trouble) || "UNTRUSTED" : undefined;
  const certificate = clients.judge(raw, code, Date.now());
  if (certificate !== undefined) Object.assign(peer, { certificate });
}

/**
 * Reads the header of a proxy before TLS begins, with the first bytes of the handshake if they came with it. A connection that is no
 * proxy's begins TLS at once.
 */
function headerHandlers(
  proxy: ProxyOptions,
  secure: (socket: BunSocket, peer: PeerInfo) => void,
  socket: BunTlsHandlers,
  context: () => NativeContext,
): PlainHandlers {
  const begin = (plain: PlainSocket, peer: PeerInfo, rest: Uint8Array) => {
    plain.data = undefined;
    const open = (secured: BunSocket) => {
      secure(secured, peer);
      secured.resume(); // the handshake must not be paused
    };
    plain.upgradeTLS({
      isServer: true,
      tls: { secureContext: context() },
      socket: { ...socket, open },
      ...rest.length > 0 && { initialData: rest.slice() },
    });
  };
  return {
    binaryType: "uint8array",
    open(plain): void {
      if (plain.remoteAddress === undefined) return plain.terminate(); // reset before it was accepted
      const peer = peerOf(plain as unknown as BunSocket, "tls");
      if (!proxy.expects(peer.address)) return begin(plain, peer, new Uint8Array());
      plain.data = awaitProxyHeader(
        peer,
        proxy,
        (behind, rest) => begin(plain, behind, rest),
        () => plain.terminate(),
      );
    },
    // Once TLS has begun these see what goes over the wire, which is of no interest here.
    data: (plain, chunk) => plain.data?.push(chunk),
    drain() {},
    end(plain): void {
      if (plain.data === undefined) return;
      plain.data.ended();
      plain.terminate();
    },
    close: (plain) => plain.data?.ended(),
    error: (plain) => plain.terminate(),
  };
}

/** Connects and resolves when the handshake is done; rejects with the system's error, or with why the peer is not trusted. */
export function dialTls(
  { host, port }: DialOptions,
  { ca, insecure = false, own }: TlsClientOptions,
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
      ...own,
      ...serverName !== undefined && { serverName },
    };
    bun.connect({ hostname: host, port, allowHalfOpen: true, tls, socket }).catch(reject);
  });
}
