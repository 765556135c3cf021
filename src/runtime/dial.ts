/**
 * Opens TCP connections with the adapter of the runtime it runs on.
 * Knows how to reach a host; refuses to know what the bytes mean.
 * @module
 */
import type { Transport } from "../transport/transport.ts";
import { tcpAdapter } from "./listen.ts";

/** Whom to call. */
export interface DialOptions {
  readonly host: string;
  readonly port: number;
}

/** Connects; rejects with the system's error (`code` is `ECONNREFUSED`, say) when it cannot. */
export async function dialTcp(options: DialOptions): Promise<Transport> {
  const adapter = await tcpAdapter();
  return await adapter.dialTcp(options);
}
