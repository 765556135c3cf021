/**
 * Dialers by the scheme of a URL.
 * Knows schemes and ports; refuses to know sockets, and loads them where they are needed.
 * @module
 */
import { UsageError } from "../codec/error.ts";
import type { Transport } from "../transport/transport.ts";
import type { TlsClientOptions } from "../runtime/dial.ts";
import type { Dialer, DialOptions, TlsOptions } from "./options.ts";

/** TCP, of Deno, Bun or Node. */
export const dialTcp: Dialer = async (url) => {
  const { dial } = await import("../runtime/dial.ts");
  return await troubled(dial(hostOf(url, 1883)), url);
};

/** TLS over TCP, of Deno, Bun or Node. */
export const dialTls: Dialer = async (url, { tls }) => {
  const { dial } = await import("../runtime/dial.ts");
  return await troubled(dial(hostOf(url, 8883), certificates(tls)), url);
};

/** §6 WebSocket over TCP, framed by ourselves. */
export const dialWebSocket: Dialer = async (url) => {
  const { dial } = await import("../runtime/dial.ts");
  return await troubled(dial(hostOf(url, 80), undefined, target(url)), url);
};

/** §6 WebSocket over TLS, framed by ourselves. */
export const dialSecureWebSocket: Dialer = async (url, { tls }) => {
  const { dial } = await import("../runtime/dial.ts");
  return await troubled(dial(hostOf(url, 443), certificates(tls), target(url)), url);
};

/** A Unix socket, of Deno, Bun or Node: `unix:/PATH` or `unix:///PATH`. */
export const dialUnix: Dialer = async (url) => {
  const path = decodeURIComponent(url.pathname);
  if (url.host !== "" || !/^\/./.test(path)) throw new UsageError(`${url} is no socket: write unix:/PATH`);
  const { dial } = await import("../runtime/dial.ts");
  return await troubled(dial({ host: path, port: 0 }), url);
};

/** The dialers that are known by scheme, without the colon. A program may add others. */
export const dialers: Record<string, Dialer> = {
  mqtt: dialTcp,
  tcp: dialTcp,
  mqtts: dialTls,
  tls: dialTls,
  ssl: dialTls,
  ws: dialWebSocket,
  wss: dialSecureWebSocket,
  unix: dialUnix,
  "mqtt+unix": dialUnix,
};

function certificates({ ca, cert, key, insecure }: TlsOptions): TlsClientOptions {
  return {
    ...ca !== undefined && { ca },
    ...insecure !== undefined && { insecure },
    ...cert !== undefined && key !== undefined && { own: { cert, key } },
  };
}

/** The path `/` means `/mqtt`. */
function target({ pathname, search }: URL): { readonly target: string } {
  return { target: `${pathname === "/" ? "/mqtt" : pathname}${search}` };
}

/** Dials by the scheme of the URL. @throws {UsageError} for one that is not known. */
export function dialByScheme(url: URL, options: DialOptions): Promise<Transport> {
  const dialer = dialers[url.protocol.slice(0, -1)];
  if (dialer !== undefined) return dialer(url, options);
  const known = Object.keys(dialers).map((scheme) => `${scheme}:`).join(", ");
  return Promise.reject(new UsageError(`${url.protocol} is not supported: there are ${known}`));
}

function hostOf(url: URL, port: number): { readonly host: string; readonly port: number } {
  return { host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port: url.port === "" ? port : Number(url.port) };
}

/** Rejects with plain words. */
async function troubled(dialled: Promise<Transport>, { host, pathname }: URL): Promise<Transport> {
  try {
    return await dialled;
  } catch (error) {
    const { dialTrouble } = await import("../runtime/dial.ts");
    throw new Error(`${host || pathname}: ${dialTrouble(error)}`, { cause: error });
  }
}
