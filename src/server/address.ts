/**
 * Where a broker listens, as URLs say it.
 * Knows schemes, hosts and ports; refuses to know sockets.
 * @module
 */
import { ipBytes, ipText } from "../transport/ip_address.ts";

/** How bytes are carried. */
export type Scheme = "mqtt" | "mqtts" | "ws" | "wss" | "unix";

/** One listener that is asked for. */
export interface Address {
  /** `mqtts` and `wss` are with TLS. */
  readonly scheme: Scheme;
  /** Without brackets. `localhost` is both loopback addresses. Of `unix` the path of the socket. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Of a WebSocket: `/mqtt`; any path if it is left out. */
  readonly path?: string;
  /** Permissions of a Unix socket. */
  readonly mode?: number;
}

/** The default listener: the loopback addresses, where anonymous Clients run on the same machine. */
export const DEFAULT_LISTEN = "mqtt://localhost:1883";

/** The default listener with TLS: every address of this machine, IPv4 ones too. */
export const DEFAULT_TLS_LISTEN = "mqtts://[::]:8883";

/** The default listener for WebSocket and, by HTTP, the page and its API: the loopback addresses. */
export const DEFAULT_WEB_LISTEN = "ws://localhost:8080";

/** The meaning of a scheme. */
export interface SchemeRow {
  /** The port when the URL names none. */
  readonly port: number;
  /** Whether its listeners show a certificate. */
  readonly tls: boolean;
  /** Whether connections begin with an upgrade to WebSocket (§6). */
  readonly webSocket: boolean;
}

/** The schemes that can be listened on. */
export const SCHEMES: Readonly<Record<Scheme, SchemeRow>> = {
  mqtt: { port: 1883, tls: false, webSocket: false },
  mqtts: { port: 8883, tls: true, webSocket: false },
  ws: { port: 80, tls: false, webSocket: true },
  wss: { port: 443, tls: true, webSocket: true },
  unix: { port: 0, tls: false, webSocket: false },
};

/** Something that cannot be listened on. Its message is for the owner. */
export class AddressError extends Error {
  /** As it stands in logs. */
  override readonly name = "AddressError";
}

/**
 * Reads a listener's URL.
 * @throws {AddressError} that says which URLs are supported.
 */
export function parseAddress(text: string): Address {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase() ?? "";
  const quoted = JSON.stringify(text);
  if (!isSupported(scheme)) {
    const what = scheme === "" ? `${quoted} is not a URL` : `${quoted}: ${scheme}: is not supported`;
    throw new AddressError(`${what}: write ${supported()}`);
  }
  if (scheme === "unix") return parseSocket(text);
  let url: URL;
  try {
    // Only schemes that browsers know have their host checked, so that of http is borrowed.
    url = new URL(text.replace(/^[^:]+:/, "http:"));
  } catch {
    throw new AddressError(`${quoted} is not a URL: write ${supported()}`);
  }
  const isPath = url.pathname !== "/";
  if (
    url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "" ||
    isPath && !SCHEMES[scheme].webSocket
  ) {
    throw new AddressError(`${quoted} has more than a host and a port: write ${supported()}`);
  }
  // The URL parser drops the borrowed scheme's own port.
  const port = url.port !== ""
    ? Number(url.port)
    : /:80(\/|$)/.test(text.slice(scheme.length + 1))
    ? 80
    : SCHEMES[scheme].port;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { scheme, host, port, ...isPath && { path: url.pathname } };
}

/** `unix:/PATH` and `unix:///PATH`, with the permissions of the socket if they are not its owner's alone: `?mode=660`. */
function parseSocket(text: string): Address {
  const [, host, mode] = /^unix:(?:\/\/)?(\/[^?#\0]*[^/?#\0])(?:\?mode=0?([0-7]{3}))?$/i.exec(text) ?? [];
  if (host === undefined) {
    throw new AddressError(`${JSON.stringify(text)} is no socket: write unix:/PATH or unix:/PATH?mode=660`);
  }
  return { scheme: "unix", host, port: 0, ...mode !== undefined && { mode: Number.parseInt(mode, 8) } };
}

function isSupported(scheme: string): scheme is Scheme {
  return Object.hasOwn(SCHEMES, scheme);
}

function supported(): string {
  const forms = Object.entries(SCHEMES).map(([scheme, { webSocket }]) =>
    scheme === "unix" ? "unix:/PATH" : `${scheme}://HOST:PORT${webSocket ? "/PATH" : ""}`
  );
  return `${forms.slice(0, -1).join(", ")} or ${forms.at(-1)}`;
}

/** The URL of an address. */
export function addressUrl({ scheme, host, port, path = "", mode }: Address): string {
  if (scheme === "unix") return `unix:${host}${mode === undefined ? "" : `?mode=${mode.toString(8)}`}`;
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}${path}`;
}

/** Whether only this machine reaches a listener at this host. A name that looks like an address is none. */
export function isLoopback(host: string): boolean {
  const bytes = ipBytes(host);
  const address = bytes && ipText(bytes); // an IPv4 address that is mapped into IPv6 is one of IPv4
  return host === "localhost" || host.startsWith("/") || address === "::1" ||
    address?.startsWith("127.") === true;
}
