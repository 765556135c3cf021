/**
 * The target of an audit as a URL: its address, user name and password.
 * Knows schemes, hosts and user information; refuses to connect.
 * @module
 */
import { AuditCallError } from "../call_error.ts";

/** One target. */
export interface Target {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** By TLS. */
  readonly isSecure: boolean;
  readonly username?: string;
  readonly password?: string;
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { mqtt: 1883, mqtts: 8883 };
const FORM = "write mqtt[s]://[USER[:PASSWORD]@]HOST[:PORT]";

/**
 * Reads `mqtt://user:password@host:port`, or `mqtts:`.
 * @throws {AuditCallError} that says what is supported.
 */
export function parseTarget(text: string): Target {
  const quoted = JSON.stringify(text.replace(/:[^:@/]*@/, ":…@"));
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) throw new AuditCallError(`${quoted} is no target: ${FORM}`);
  if (!Object.hasOwn(DEFAULT_PORTS, scheme)) {
    throw new AuditCallError(`${quoted}: ${scheme}: cannot be audited yet: ${FORM}`);
  }
  let url: URL;
  try {
    // Only schemes that browsers know have their host checked, so that of http is borrowed.
    url = new URL(text.replace(/^[^:]+:/, "http:"));
  } catch {
    throw new AuditCallError(`${quoted} is no target: ${FORM}`);
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw new AuditCallError(`${quoted} has more than a host and a port: ${FORM}`);
  }
  // The URL parser drops the borrowed scheme's own port.
  const port = url.port !== "" ? Number(url.port) : /:80\/?$/.test(text) ? 80 : DEFAULT_PORTS[scheme]!;
  if (port === 0) throw new AuditCallError(`${quoted} has port 0, where nobody listens`);
  const [username, password] = [url.username, url.password].map((part) => unescaped(part, quoted));
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port,
    isSecure: scheme === "mqtts",
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
