/**
 * The Server to measure, as a URL.
 * Knows URLs; refuses to know connections.
 * @module
 */

import type { TlsClientOptions } from "../runtime/dial.ts";

/** A Server, and as whom to come. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  /** The certificates to trust; TLS if it is there. */
  readonly tls?: TlsClientOptions;
  /** Without the password, for reports. */
  readonly url: string;
}

/** The target if none is named. */
export const DEFAULT_TARGET = "mqtt://127.0.0.1:1883";

/** The call is wrong. One line. */
export class BenchCallError extends Error {
  override readonly name = "BenchCallError";
}

/**
 * Reads `mqtt://[USER[:PASSWORD]@]HOST[:PORT]`, and the same with `mqtts:`, where `tls` has the certificates to trust; default the system's.
 * @throws {BenchCallError}
 */
export function parseTarget(text: string, tls: TlsClientOptions = {}): Target {
  const wrong = (): BenchCallError =>
    new BenchCallError(`${JSON.stringify(text)} is no target: write mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT]`);
  if (!/^mqtts?:\/\//i.test(text)) throw wrong();
  const isSecure = /^mqtts:/i.test(text);
  let url: URL;
  let username: string;
  let password: string;
  try {
    // Only schemes that browsers know have their host checked; that of wss has no port in common use here.
    url = new URL(text.replace(/^[^:]+:/, "wss:"));
    username = decodeURIComponent(url.username);
    password = decodeURIComponent(url.password);
  } catch {
    throw wrong();
  }
  if (url.hostname === "" || url.search !== "" || url.hash !== "" || url.pathname !== "/") throw wrong();
  const port = url.port !== "" ? Number(url.port) : /:443\/?$/.test(text) ? 443 : isSecure ? 8883 : 1883;
  const user = url.username === "" ? "" : `${url.username}@`;
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    ...username !== "" && { username },
    ...password !== "" && { password },
    ...isSecure && { tls },
    url: `${isSecure ? "mqtts" : "mqtt"}://${user}${url.hostname}:${port}`,
  };
}
