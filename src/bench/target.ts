/**
 * The Server to measure, as a URL.
 * Knows URLs; refuses to know connections.
 * @module
 */

import type { TlsClientOptions } from "../runtime/dial.ts";

/** A Server, and as whom to come. */
export interface Target {
  /** The path of a Unix socket begins with a slash. */
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  /** The certificates to trust; TLS if it is there. */
  readonly tls?: TlsClientOptions;
  /** The path of the WebSocket; one if it is there. */
  readonly webSocket?: { readonly target: string };
  /** Without the password, for reports. */
  readonly url: string;
}

/** The target if none is named. */
export const DEFAULT_TARGET = "mqtt://127.0.0.1:1883";

const FORM =
  "mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT], ws[s]://[USER[:PASSWORD]@]HOST[:PORT][/PATH] or unix:/PATH";
const PORTS: Readonly<Record<string, number>> = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 };

/** The call is wrong. One line. */
export class BenchCallError extends Error {
  override readonly name = "BenchCallError";
}

/**
 * Reads `mqtt://[USER[:PASSWORD]@]HOST[:PORT]`, and the same with `mqtts:`, `ws:` and `wss:`, the last two with a path; and `unix:/PATH`.
 * `tls` has the certificates to trust, default the system's.
 * @throws {BenchCallError}
 */
export function parseTarget(text: string, tls: TlsClientOptions = {}): Target {
  const wrong = (): BenchCallError =>
    new BenchCallError(`${JSON.stringify(text)} is no target: write ${FORM}`);
  const socket = /^unix:(?:\/\/)?(\/[^?#\0]+)$/i.exec(text)?.[1];
  if (socket !== undefined) return { host: socket, port: 0, url: `unix:${socket}` };
  const scheme = /^(mqtts?|wss?):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) throw wrong();
  const isSecure = scheme.endsWith("s") && scheme !== "ws";
  const isWebSocket = scheme.startsWith("ws");
  let url: URL;
  let username: string;
  let password: string;
  try {
    // Only schemes that browsers know have their host checked; the parser drops the port of this one.
    url = new URL(text.replace(/^[^:]+:/, "ftp:"));
    username = decodeURIComponent(url.username);
    password = decodeURIComponent(url.password);
  } catch {
    throw wrong();
  }
  const path = url.pathname === "/" ? "" : url.pathname;
  if (url.hostname === "" || url.search !== "" || url.hash !== "" || path !== "" && !isWebSocket) {
    throw wrong();
  }
  const port = url.port !== "" ? Number(url.port) : /:21(\/|$)/.test(text) ? 21 : PORTS[scheme]!;
  const user = url.username === "" ? "" : `${url.username}@`;
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    ...username !== "" && { username },
    ...password !== "" && { password },
    ...isSecure && { tls },
    ...isWebSocket && { webSocket: { target: path || "/mqtt" } },
    url: `${scheme}://${user}${url.hostname}:${port}${path}`,
  };
}
