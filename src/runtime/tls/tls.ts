/**
 * §4.2 Network Connections over TLS: listeners and calls, with the adapter of the runtime it runs on.
 * Knows the certificates of Server and Client; refuses to know the meaning of the bytes. Loaded only where TLS is asked for.
 * @module
 */
import type { Transport } from "../../transport/transport.ts";
import { hasBuiltins } from "../builtin.ts";
import { checkTls } from "./certificate.ts";
import type { Accept, DialOptions } from "../endpoint.ts";
import type { TlsClientOptions, TlsListener, TlsListenOptions } from "./options.ts";

export type { CertificateAndKey } from "./options.ts";

/** The exports of `bun.ts` and `node.ts`, which are given checked texts. A connection is handed over before its handshake: until that is done `write()` takes nothing. */
export interface TlsAdapter {
  listenTls(options: TlsListenOptions, accept: Accept): Promise<TlsListener>;
  dialTls(options: DialOptions, tls: TlsClientOptions): Promise<Transport>;
}

/**
 * Opens a TLS listener.
 * @throws {CertificateError} for a text that is no certificate or not its key.
 * @throws {ListenError} when the port is in use, say.
 */
export async function listenTls(options: TlsListenOptions, accept: Accept): Promise<TlsListener> {
  checkTls(options.tls);
  const { renew, ...listener } = await (await tlsAdapter()).listenTls(options, accept);
  return {
    ...listener,
    renew(tls) {
      checkTls(tls);
      renew(tls);
    },
  };
}

/** Connects and resolves when the handshake is done; rejects with the system's error, or with why the peer is not trusted. */
export async function dialTls(options: DialOptions, tls: TlsClientOptions): Promise<Transport> {
  return await (await tlsAdapter()).dialTls(options, tls);
}

/** The specifiers are literals so that bundlers see them. */
async function tlsAdapter(): Promise<TlsAdapter> {
  if ("Bun" in globalThis) return await import("./bun.ts");
  if (hasBuiltins()) return await import("./node.ts");
  throw new Error("There is no TLS adapter for this runtime: use Deno, Bun or Node");
}
