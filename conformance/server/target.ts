/**
 * The target of an audit as a URL: its address, user name and password.
 * Knows schemes, hosts and user information; refuses to connect.
 * @module
 */
import { AuditCallError } from "../call_error.ts";

/** One target. */
export interface Target {
  /** Without brackets; the path of a Unix socket, which begins with a slash. */
  readonly host: string;
  readonly port: number;
  /** By TLS. */
  readonly isSecure: boolean;
  /** Given if it is reached over WebSocket: the field Host, and the path. */
  readonly webSocket?: { readonly host: string; readonly target: string };
  readonly username?: string;
  readonly password?: string;
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 };
const FORM =
  "write mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT], ws[s]://[USER[:PASSWORD]@]HOST[:PORT][/PATH] or unix:/PATH";

/**
 * Reads `mqtt://user:password@host:port`, or `mqtts:`, `ws:`, `wss:`; and `unix:/PATH`.
 * @throws {AuditCallError} that says what is supported.
 */
export function parseTarget(text: string): Target {
  const quoted = JSON.stringify(text.replace(/(:\/\/[^:@/]*:).*@/, "$1…@"));
  const socket = /^unix:(?:\/\/)?(\/[^?#\0]+)$/i.exec(text)?.[1];
  if (socket !== undefined) return { host: socket, port: 0, isSecure: false };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) throw new AuditCallError(`${quoted} is no target: ${FORM}`);
  if (!Object.hasOwn(DEFAULT_PORTS, scheme)) {
    throw new AuditCallError(`${quoted}: ${scheme}: cannot be audited yet: ${FORM}`);
  }
  let url: URL;
  try {
    // Only schemes that browsers know have their host checked, so that of ftp is borrowed; the parser drops its own port.
    url = new URL(text.replace(/^[^:]+:/, "ftp:"));
  } catch {
    throw new AuditCallError(`${quoted} is no target: ${FORM}`);
  }
  const isWebSocket = scheme.startsWith("ws");
  const path = url.pathname === "/" ? "" : url.pathname;
  if (path !== "" && !isWebSocket || url.search !== "" || url.hash !== "") {
    throw new AuditCallError(`${quoted} has more than a host and a port: ${FORM}`);
  }
  const port = url.port !== ""
    ? Number(url.port)
    : /^[^/]*\/\/[^/]*:21(\/|$)/.test(text)
    ? 21
    : DEFAULT_PORTS[scheme]!;
  if (port === 0) throw new AuditCallError(`${quoted} has port 0, where nobody listens`);
  const [username, password] = [url.username, url.password].map((part) => unescaped(part, quoted));
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    isSecure: scheme === "mqtts" || scheme === "wss",
    ...isWebSocket && {
      webSocket: {
        host: port === DEFAULT_PORTS[scheme] ? url.hostname : `${url.hostname}:${port}`,
        target: path || "/mqtt",
      },
    },
    ...username !== "" && { username: username! },
    ...password !== "" && { password: password! },
  };
}

function unescaped(part: string, quoted: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new AuditCallError(`${quoted} has a % in its user information that escapes nothing: write %25`);
  }
}
