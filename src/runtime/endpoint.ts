/**
 * Both ends of a connection as every adapter sees them: where to listen, where to connect to, why a listener cannot be opened.
 * Knows addresses and the system's errors; refuses to know any runtime.
 * @module
 */
import type { PeerInfo } from "../transport/peer.ts";
import type { Transport } from "../transport/transport.ts";

export type { PeerInfo };

/** Where to connect to. */
export interface DialOptions {
  /** An address, a host name, or the path of a Unix socket, which begins with a slash. */
  readonly host: string;
  /** 0 for a Unix socket. */
  readonly port: number;
}

/** Where to listen. */
export interface ListenOptions {
  /** An address or a host name: `127.0.0.1`, `::1`, `localhost`, `0.0.0.0`, `::`; or the path of a Unix socket, which begins with a slash. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Permissions of a Unix socket; default 0o600. */
  readonly mode?: number;
  /** Connections that may wait to be accepted; the system may cap it (`net.core.somaxconn`). */
  readonly backlog?: number;
  /**
   * Other processes of this user may listen on the same port if they say so too: Linux spreads new connections over them. Deno needs
   * `--unstable-net` for it. Without effect on a Unix socket.
   */
  readonly reusePort?: boolean;
  /** Called when connections cannot be accepted for a while, with the reason; accepting goes on. */
  readonly troubled?: (error: Error) => void;
}

/** An open listener. */
export interface Listener {
  /** As it was asked for. */
  readonly host: string;
  /** The one that was taken. */
  readonly port: number;
  /** Accepts no more. Connections already accepted are not touched. */
  close(): Promise<void>;
}

/** Is handed every accepted connection; starts the transport, at once or later. */
export type Accept = (transport: Transport, peer: PeerInfo) => void;

/** The exports of `tcp/bun.ts`, `tcp/deno.ts` and `tcp/node.ts`. */
export interface TcpAdapter {
  listenTcp(options: ListenOptions, accept: Accept): Promise<Listener>;
  dialTcp(options: DialOptions): Promise<Transport>;
}

/**
 * Bursts of thousands of Clients (a broker that comes back, say) wait here while the loop is busy. A queue that
 * overflows costs each lost SYN a second. Linux allows this many by default since 5.4.
 */
export const BACKLOG: number = 4096;

/**
 * So many bytes are read and thrown away after our `close()`, so that a peer in the middle of a packet still reads our last words; one
 * that sends more is cut off.
 */
export const AFTER_CLOSE_BYTES_MAX: number = 1024 * 1024;

/** Why a listener could not be opened. */
export class ListenError extends Error {
  /** As it stands in logs. */
  override readonly name = "ListenError";
  /** `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, ... or empty. */
  readonly code: string;
  /** As it was asked for. */
  readonly host: string;
  /** As it was asked for. */
  readonly port: number;

  /** Puts the system's error in words; `cause` keeps it. */
  constructor(options: ListenOptions, cause: unknown) {
    const code = systemCode(cause);
    const isName = /^[^:]*[a-z][^:]*$/i.test(options.host);
    const unknownHost = code === "" && isName ? NO_HOST : undefined; // the errors of Bun and Deno have no code
    const known = isSocketPath(options.host) ? SOCKET_REASONS[code] : REASONS[code];
    const reason = known ?? unknownHost ?? (cause instanceof Error ? cause.message : String(cause));
    super(`Cannot listen on ${hostAndPort(options.host, options.port)}: ${reason}`, { cause });
    this.code = code;
    this.host = options.host;
    this.port = options.port;
  }
}

/** A name that the system does not know. */
export const NO_HOST = "no such host is known";

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is in use",
  EADDRNOTAVAIL: "this machine has no such address",
  EACCES: "no permission for this port",
  ENOTFOUND: NO_HOST,
  EAI_AGAIN: NO_HOST,
};

const SOCKET_REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process listens there",
  EACCES: "no permission for this file",
  ENOENT: "there is no such directory",
  EINVAL: "the path is too long",
};

/** The system's names for Deno's error classes. */
const CODES: Readonly<Record<string, string>> = {
  AddrInUse: "EADDRINUSE",
  AddrNotAvailable: "EADDRNOTAVAIL",
  PermissionDenied: "EACCES",
  NotCapable: "EACCES",
  ConnectionRefused: "ECONNREFUSED",
};

/** The system's name of an error, as `ECONNRESET`, or "". */
export function systemCode(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? code : CODES[error.name] ?? "";
}

/** Whether it is no host, but the path of a Unix socket. */
export function isSocketPath(host: string): boolean {
  return host.startsWith("/");
}

/** `127.0.0.1:1883`, `[::1]:1883`; a path as it is. */
export function hostAndPort(host: string, port: number): string {
  if (isSocketPath(host)) return host;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What a transport to this peer is called in log lines. */
export function labelOf({ transport, address, port }: PeerInfo): string {
  return `${transport} ${hostAndPort(address, port)}`;
}

/** An IPv4 peer of a listener for both families is `::ffff:192.0.2.1`; the usual form is `192.0.2.1`. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
