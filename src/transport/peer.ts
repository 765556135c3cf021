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
  /** The certificate that the Client has shown and the Server has checked, down to an authority that it trusts; else undefined. */
  readonly certificate?: PeerCertificate;
}

/** The names in a Client's certificate. */
export interface PeerCertificate {
  /** The Common Name of its subject. */
  readonly cn?: string;
  /** Its Subject Alternative Names, such as `DNS:host.example`, `email:a@b.example`, `URI:urn:x`. */
  readonly san?: readonly string[];
  /** SHA-256 of it, in lower case hexadecimal digits without colons. */
  readonly fingerprint?: string;
  /** The Distinguished Name of its subject, as in RFC 4514. */
  readonly dn?: string;
}
