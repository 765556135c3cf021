/**
 * The URL that a Server Reference means.
 * Knows its forms; refuses to know when it is followed.
 * @module
 */
import type { RefusedError } from "../client/error.ts";
import { PayloadError } from "./payload.ts";

/** §4.11 the first Server of a reference: `host`, `host:port`, or a URL. @throws {PayloadError} for another form. */
export function redirected(from: URL, { serverReference = "" }: RefusedError): URL {
  const [first = ""] = serverReference.trim().split(/\s+/);
  const url = new URL(from.host === "" ? "mqtt://a" : from); // no other host has our Unix socket
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(first)) return new URL(first);
  const [, host, port = ""] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(first) ?? [];
  if (host === undefined || host === "") {
    throw new PayloadError(`Server Reference ${JSON.stringify(serverReference)}`);
  }
  url.hostname = host;
  url.port = port;
  return url;
}
