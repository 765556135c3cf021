/**
 * Where a broker listens, as URLs say it.
 * Knows schemes, hosts and ports; refuses to know sockets.
 * @module
 */
import { ipBytes, ipText } from "../transport/ip_address.ts";

/** How bytes are carried. */
export type Scheme = "mqtt" | "mqtts";

/** One listener that is asked for. */
export interface Address {
  /** `mqtts` is with TLS. */
  readonly scheme: Scheme;
  /** Without brackets. `localhost` is both loopback addresses. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

/** The default listener: the loopback addresses, where anonymous Clients run on the same machine. */
export const DEFAULT_LISTEN = "mqtt://localhost:1883";

/** The default listener with TLS: every address of this machine, IPv4 ones too. */
export const DEFAULT_TLS_LISTEN = "mqtts://[::]:8883";

/** The meaning of a scheme. */
export interface SchemeRow {
  /** The port when the URL names none. */
  readonly port: number;
  /** Whether its listeners show a certificate. */
  readonly tls: boolean;
}

/** The schemes that can be listened on. */
export const SCHEMES: Readonly<Record<Scheme, SchemeRow>> = {
  mqtt: { port: 1883, tls: false },
  mqtts: { port: 8883, tls: true },
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
  let url: URL;
  try {
    // Only schemes that browsers know have their host checked, so that of http is borrowed.
    url = new URL(text.replace(/^[^:]+:/, "http:"));
  } catch {
    throw new AddressError(`${quoted} is not a URL: write ${supported()}`);
  }
  if (
    url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "" || url.pathname !== "/"
  ) {
    throw new AddressError(`${quoted} has more than a host and a port: write ${supported()}`);
  }
  // The URL parser drops the borrowed scheme's own port.
  const port = url.port !== "" ? Number(url.port) : /:80\/?$/.test(text) ? 80 : SCHEMES[scheme].port;
  return { scheme, host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port };
}

function isSupported(scheme: string): scheme is Scheme {
  return Object.hasOwn(SCHEMES, scheme);
}

function supported(): string {
  return Object.keys(SCHEMES).map((scheme) => `${scheme}://HOST:PORT`).join(" or ");
}

/** The URL of an address. */
export function addressUrl({ scheme, host, port }: Address): string {
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Whether only this machine reaches a listener at this host. A name that looks like an address is none. */
export function isLoopback(host: string): boolean {
  const bytes = ipBytes(host);
  const address = bytes && ipText(bytes); // an IPv4 address that is mapped into IPv6 is one of IPv4
  return host === "localhost" || address === "::1" || address?.startsWith("127.") === true;
}
