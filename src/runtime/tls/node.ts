/**
 * §4.2 Network Connections over TLS on Node and on Deno, by `node:net` and `node:tls`.
 * Knows Node's sockets, and what Deno's differ in; refuses to know the meaning of the bytes. Why these: spec/decisions/0014-tls.md
 * @module
 */
import type { Server, Socket } from "node:net";
import { clearInterval, setImmediate, setInterval } from "node:timers";
import type { DetailedPeerCertificate, SecureContext, TLSSocket, TLSSocketOptions } from "node:tls";
import type { Transport, TransportHandler } from "../../transport/transport.ts";
import { ChunkPool } from "../chunk_pool.ts";
import { builtin } from "../builtin.ts";
import {
  type Accept,
  AFTER_CLOSE_BYTES_MAX,
  BACKLOG,
  type DialOptions,
  labelOf,
  ListenError,
  type ListenOptions,
  type PeerInfo,
  plainAddress,
  systemCode,
} from "../endpoint.ts";
import { endsReadTurn, type TurnReader } from "../read_turns.ts";
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

const net = builtin("node:net");
const tls = builtin("node:tls");
const isDeno = "Deno" in globalThis;

/** `write()` copies into one of these, since the bytes must stay as they are until they are sent. */
const SMALL_WRITES = new ChunkPool(4 * 1024, 1024);
/** Two records. */
const LARGE_WRITES = new ChunkPool(32 * 1024, 128);

/** The TCP socket below a TLS socket, without its stream, and what is wrong with the peer's certificate. */
interface TlsSocketSlice {
  readonly _handle?: {
    readonly _parent?: { readStart(): void; readStop(): void };
    verifyError(): Error | null | undefined;
  } | null;
}

/** One connection, with at most one write under way. Until the handshake is done `write()` takes nothing. */
class NodeTlsTransport implements Transport, TurnReader {
  readonly #socket: TLSSocket;
  readonly #peer: PeerInfo;
  readonly #left: (error: Error) => void;
  #handler: TransportHandler | undefined;
  /** The buffer of the write under way. */
  #sending: Uint8Array | undefined;
  /** A `write()` was short: `drained()` is owed. */
  #short = false;
  #isSecured = false;
  /** `pause()` was called before there was a socket to pause. */
  #isPaused = false;
  #closing = false;
  /** Bytes that came since. */
  #discarded = 0;
  /** It reads on when the loop has turned. */
  #waits = false;
  /** Nothing can be sent or received any more. */
  #dead = false;
  /** The socket is closed, and `closed()` was called, or is to be called by `start()`. */
  #over = false;
  #failure: Error | undefined;

  /** `left` is called if the peer ends the connection, or breaks the rules, before the handshake is done. */
  constructor(socket: TLSSocket, peer: PeerInfo, left: (error: Error) => void) {
    this.#socket = socket;
    this.#peer = peer;
    this.#left = left;
    // An error event without a listener would end the process.
    socket.on("error", (error) => this.#failed(error));
    socket.on("close", () => this.#closed());
  }

  get label(): string {
    return labelOf(this.#peer);
  }

  /** The handshake is done. */
  secured(): void {
    this.#isSecured = true;
    if (this.#isPaused) this.#reading(false);
    if (this.#short) this.#drained();
  }

  get isSecured(): boolean {
    return this.#isSecured;
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    if (this.#over) return queueMicrotask(() => this.#tell());
    this.#socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    this.#socket.on("end", () => this.#ended());
  }

  write(chunk: Uint8Array): number {
    if (this.#closing || this.#dead) return 0;
    if (this.#sending !== undefined || !this.#isSecured) {
      this.#short = true;
      return 0;
    }
    const copy = (chunk.length <= SMALL_WRITES.bytes ? SMALL_WRITES : LARGE_WRITES).take();
    const taken = Math.min(chunk.length, copy.length);
    copy.set(taken < chunk.length ? chunk.subarray(0, taken) : chunk);
    if (taken < chunk.length) this.#short = true;
    this.#sending = copy;
    this.#socket.write(copy.subarray(0, taken), this.#sent);
    return taken;
  }

  pause(): void {
    this.#isPaused = true;
    // A handshake that was paused would never be done.
    if (this.#isSecured && !this.#closing) this.#reading(false);
  }

  resume(): void {
    this.#isPaused = false;
    if (!this.#waits) this.#reading(true);
  }

  close(): void {
    if (this.#closing || this.#dead) return;
    // Before the handshake is done nothing was taken, so nothing can be lost.
    if (!this.#isSecured) return this.abort();
    this.#closing = true;
    this.#short = false;
    this.#socket.end();
    this.#reading(true);
  }

  abort(): void {
    this.#dead = true;
    this.#socket.destroy();
  }

  /** The handshake is done, with a Client that may not come in. */
  refuse(error: Error): void {
    this.#failure ??= error;
    this.abort();
  }

  #received(chunk: Uint8Array): void {
    if (this.#dead) return;
    if (isDeno && !this.#waits && endsReadTurn(chunk.length, true, this)) {
      this.#waits = true;
      this.#reading(false);
    }
    if (this.#closing) {
      this.#discarded += chunk.length;
      if (this.#discarded > AFTER_CLOSE_BYTES_MAX) this.abort();
      return;
    }
    try {
      this.#handler!.received(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
    } catch (error) {
      this.#broke(error);
    }
  }

  readInTurn(): void {
    this.#waits = false;
    if (!this.#isPaused || this.#closing) this.#reading(true);
  }

  /** Deno 2.9 reads on when a TLS socket is paused, without bound: the TCP handle below it has to be paused as well. */
  #reading(on: boolean): void {
    if (this.#dead) return;
    const below = (this.#socket as unknown as TlsSocketSlice)._handle?._parent;
    if (on) {
      below?.readStart();
      this.#socket.resume();
    } else {
      below?.readStop();
      this.#socket.pause();
    }
  }

  /** The peer ended its half. Answers to this turn's last bytes still go out, then our half ends too. */
  #ended(): void {
    setImmediate(() => {
      this.#closing = true;
      this.#socket.destroySoon();
    });
  }

  readonly #sent = (): void => {
    const copy = this.#sending!;
    this.#sending = undefined;
    (copy.length === SMALL_WRITES.bytes ? SMALL_WRITES : LARGE_WRITES).give(copy);
    if (this.#short && !this.#closing && !this.#dead) this.#drained();
  };

  #drained(): void {
    this.#short = false;
    try {
      this.#handler?.drained();
    } catch (error) {
      this.#broke(error);
    }
  }

  /** The handler threw: our fault, which ends this connection only. */
  #broke(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    this.abort();
  }

  #failed(error: Error): void {
    if (this.#dead) return; // an error after our own abort() is not reported
    this.#failure ??= error;
    this.#dead = true;
  }

  #closed(): void {
    const isOurs = this.#dead && this.#failure === undefined;
    this.#dead = true;
    this.#over = true;
    if (!this.#isSecured && !isOurs) this.#left(this.#failure ??= gone());
    if (this.#handler !== undefined) this.#tell();
  }

  #tell(): void {
    if (this.#failure === undefined) this.#handler!.closed();
    else this.#handler!.closed(this.#failure);
  }
}

function gone(): Error {
  return Object.assign(new Error("The peer ended the connection before the TLS handshake was done"), {
    code: "ECONNRESET",
  });
}

/** Opens a TLS listener; rejects with a `ListenError`. */
export async function listenTls(options: TlsListenOptions, accept: Accept): Promise<TlsListener> {
  const { host, handshakeFailed, proxy, backlog = BACKLOG } = options;
  let present = new Present(options, options.tls);
  const slots = new HandshakeSlots(options.tls.handshakesMax);
  const secure = (socket: Socket, peer: PeerInfo): void => {
    const { clients } = present; // those of the moment when the handshake begins
    const left = (error: Error) => handshakeFailed?.(peer, error);
    const release = slots.take();
    if (release === undefined) {
      socket.destroy();
      return left(noSlot());
    }
    socket.once("close", release);
    const secured = new tls.TLSSocket(socket, present.socketOptions);
    const transport = new NodeTlsTransport(secured, peer, left);
    secured.once("close", release).once("secure", () => {
      release();
      try {
        if (clients.mode !== "none") admit(secured, peer, clients);
        transport.secured();
      } catch (error) {
        transport.refuse(error as Error);
      }
    });
    try {
      accept(transport, peer);
    } catch (error) {
      transport.abort();
      options.troubled?.(error as Error);
    }
  };
  const server = net.createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
    socket.on("error", ignore);
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined) return void socket.destroy(); // reset before it was accepted
    const peer: PeerInfo = { address: plainAddress(remoteAddress), port: remotePort!, transport: "tls" };
    if (proxy?.expects(peer.address) === true) awaitHeader(socket, peer, proxy, secure);
    else secure(socket, peer);
  });
  await listening(server, options, backlog);
  const rearming = isDeno ? setInterval(() => rearm(server, backlog), REARM_MS).unref() : undefined;
  return {
    host,
    port: (server.address() as { readonly port: number }).port,
    renew: (tls) => void (present = new Present(options, tls)),
    // deno-lint-ignore require-await
    async close(): Promise<void> {
      clearInterval(rearming);
      server.close();
    },
  };
}

/** The certificates of a listener as they are now. */
class Present {
  readonly clients: ClientCertificates;
  readonly socketOptions: TLSSocketOptions;

  constructor(options: ListenOptions, own: TlsServerOptions) {
    this.clients = new ClientCertificates(own);
    const { mode } = this.clients;
    const contextOf = ({ cert, key }: CertificateAndKey): SecureContext => {
      try {
        const ca = mode === "none" ? undefined : own.ca;
        const minVersion = `TLSv${own.minimumVersion ?? "1.2"}` as const;
        // Without a context of sessions OpenSSL refuses to resume one of a Client with a certificate.
        const sessionIdContext = "plumb";
        return tls.createSecureContext({
          cert,
          key,
          minVersion,
          sessionIdContext,
          ...ca !== undefined && { ca },
        });
      } catch (error) {
        throw new ListenError(options, error);
      }
    };
    const names = new ServerNames((own.sni ?? []).map((each) => [each.cert, contextOf(each)] as const));
    this.socketOptions = {
      isServer: true,
      secureContext: contextOf(own),
      allowHalfOpen: true,
      requestCert: mode !== "none",
      rejectUnauthorized: mode === "required",
      ...own.sni !== undefined && {
        SNICallback: (name, done) => done(null, names.of(name)),
      },
    } as TLSSocketOptions;
  }
}

/** Notes what is known of the Client; throws for one that may not come in. */
function admit(socket: TLSSocket, peer: PeerInfo, clients: ClientCertificates): void {
  const [raw, ...others] = shownBy(socket);
  const { _handle: handle } = socket as unknown as TlsSocketSlice;
  const trouble = handle!.verifyError();
  const code = trouble
    ? systemCode(trouble) || "UNTRUSTED"
    : raw !== undefined && socket.isSessionReused()
    ? clients.resumedTrouble([raw, ...others], Date.now())
    : undefined;
  const certificate = clients.judge(raw, code, Date.now());
  if (certificate !== undefined) Object.assign(peer, { certificate });
}

/** The Client's certificate, and the one above it if it has shown that too. */
function shownBy(socket: TLSSocket): Uint8Array[] {
  const { raw, issuerCertificate } = socket.getPeerCertificate(true) as Partial<DetailedPeerCertificate>;
  const above = issuerCertificate?.raw;
  return [raw, above].filter((bytes) => bytes !== undefined);
}

/** Reads the header of a proxy; bytes of the handshake that come with it are put back. */
function awaitHeader(
  socket: Socket,
  peer: PeerInfo,
  proxy: ProxyOptions,
  secure: (socket: Socket, peer: PeerInfo) => void,
): void {
  const read = (chunk: Uint8Array) => wait.push(chunk);
  const ended = () => {
    wait.ended();
    socket.destroy();
  };
  const wait = awaitProxyHeader(peer, proxy, (behind, rest) => {
    socket.off("data", read).off("end", ended).off("close", ended).pause();
    if (rest.length > 0) socket.unshift(rest);
    secure(socket, behind);
  }, () => socket.destroy());
  socket.on("data", read).once("end", ended).once("close", ended).resume();
}

function ignore(): void {}

function listening(server: Server, options: ListenOptions, backlog: number): Promise<void> {
  const { host, port, reusePort = false } = options;
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      // The message of Deno 2.9 for an address of another machine.
      if (systemCode(error) === "EINVAL") Object.assign(error, { code: "EADDRNOTAVAIL" });
      reject(new ListenError(options, error));
    });
    server.listen({ host, port, backlog, reusePort } as object, () => {
      server.removeAllListeners("error");
      server.on("error", (error) => options.troubled?.(error));
      resolve();
    });
  });
}

/**
 * When descriptors run out Deno 2.9 accepts no more, ever, and reports no error. To listen again on the same handle makes it
 * go on, and does nothing where it goes on anyway.
 */
function rearm(server: Server, backlog: number): void {
  (server as unknown as { readonly _handle?: { listen?(backlog: number): number } })._handle?.listen?.(
    backlog,
  );
}
const REARM_MS = 1000;

/** Connects and resolves when the handshake is done; rejects with the system's error, or with why the peer is not trusted. */
export function dialTls(
  { host, port }: DialOptions,
  { ca, insecure = false, own }: TlsClientOptions,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host,
      port,
      allowHalfOpen: true,
      rejectUnauthorized: !insecure,
      ...ca !== undefined && { ca },
      ...own,
      ...net.isIP(host) === 0 && { servername: host },
    } as object);
    socket.once("error", reject);
    socket.once("close", () => reject(gone()));
    socket.once("secureConnect", () => {
      socket.setNoDelay(true);
      const { remoteAddress = host, remotePort = port } = socket as Socket;
      const peer: PeerInfo = { address: plainAddress(remoteAddress), port: remotePort, transport: "tls" };
      const transport = new NodeTlsTransport(socket, peer, reject);
      transport.secured();
      resolve(transport);
    });
  });
}
