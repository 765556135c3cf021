/**
 * Opens connections over TCP and TLS with the adapter of the runtime it runs on.
 * Knows how to reach a host; refuses to know the meaning of the bytes.
 * @module
 */
import type { Transport } from "../transport/transport.ts";
import type { DialOptions } from "./endpoint.ts";
import { tcpAdapter } from "./listen.ts";
import type { TlsClientOptions } from "./tls/options.ts";

export type { DialOptions, TlsClientOptions };

/** Connects; rejects with the system's error (`code` is `ECONNREFUSED`, say) when it cannot. */
export async function dialTcp(options: DialOptions): Promise<Transport> {
  const adapter = await tcpAdapter();
  return await adapter.dialTcp(options);
}

/** Connects by TLS if `tls` is given, else by TCP; rejects with the system's error, or with the reason why the peer is not trusted. */
export async function dial({ host, port }: DialOptions, tls?: TlsClientOptions): Promise<Transport> {
  if (tls === undefined) return await dialTcp({ host, port });
  const { dialTls } = await import("./tls/tls.ts");
  return await dialTls({ host, port }, tls);
}
