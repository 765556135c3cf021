/**
 * Whom to measure, as a URL says it.
 * Knows URLs; refuses to know connections.
 * @module
 */

/** A Server, and as whom to come. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  /** Without the password, for reports. */
  readonly url: string;
}

/** What is measured when nothing is said. */
export const DEFAULT_TARGET = "mqtt://127.0.0.1:1883";

/** The call is wrong. One line. */
export class BenchCallError extends Error {
  override readonly name = "BenchCallError";
}

/**
 * Reads `mqtt://[USER[:PASSWORD]@]HOST[:PORT]`.
 * @throws {BenchCallError}
 */
export function parseTarget(text: string): Target {
  const wrong = (): BenchCallError =>
    new BenchCallError(`${JSON.stringify(text)} is no target: write mqtt://[USER[:PASSWORD]@]HOST[:PORT]`);
  if (!/^mqtt:\/\//i.test(text)) throw wrong();
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
  const port = url.port !== "" ? Number(url.port) : /:443\/?$/.test(text) ? 443 : 1883;
  const user = url.username === "" ? "" : `${url.username}@`;
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    ...username !== "" && { username },
    ...password !== "" && { password },
    url: `mqtt://${user}${url.hostname}:${port}`,
  };
}
