/**
 * §4.2 The far end of a Network Connection.
 * Knows an address, and the kind of transport that carries the bytes; refuses to know what they mean.
 * @module
 */

/** What carries the bytes of a connection. */
export type TransportKind = "tcp" | "tls" | "ws" | "wss" | "unix" | "memory";

/** Where a connection comes from. */
export interface PeerInfo {
  /** An IP address, or what stands for one. */
  readonly address: string;
  /** 0 where there is none. */
  readonly port: number;
  /** What carries the bytes. */
  readonly transport: TransportKind;
}
