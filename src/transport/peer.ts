/**
 * §4.2 The far end of a Network Connection.
 * Knows an address, and the kind of transport that carries the bytes; refuses to know what they mean.
 * @module
 */

/** What carries the bytes of a connection. */
export type TransportKind = "tcp" | "tls" | "ws" | "wss" | "unix" | "memory";

/** The verified certificate of a TLS Client. */
export interface ClientCertificate {
  /** The part of it that the listener takes for the Client's identity; undefined if it has no such part, or more than one of it. */
  readonly identity: string | undefined;
  /** Its name as RFC 4514 writes it: `CN=pump,O=Example`. */
  readonly subject: string;
  /** The name of the certificate that issued it. */
  readonly issuer: string;
  /** Hexadecimal digits in capitals. */
  readonly serialNumber: string;
  /** SHA-256 of its DER: 64 hexadecimal digits in small letters. */
  readonly fingerprint: string;
}

/** Where a connection comes from. */
export interface PeerInfo {
  /** An IP address, or what stands for one. */
  readonly address: string;
  /** 0 where there is none. */
  readonly port: number;
  /** What carries the bytes. */
  readonly transport: TransportKind;
  /** The proxy that handed the connection on, where a PROXY header gave `address` and `port`. */
  readonly proxy?: { readonly address: string; readonly port: number };
  /** The certificate that a TLS Client has shown, if it has, once its handshake is done. */
  readonly certificate?: ClientCertificate;
}
