/**
 * The certificate that a TLS listener shows, and the certificates that a TLS Client trusts.
 * Knows names; refuses to know X.509 and sockets, so that a program without TLS loads nothing of it.
 * @module
 */
import type { Listener, ListenOptions, PeerInfo } from "../endpoint.ts";

/** The certificate of a TLS listener and its key. PEM texts, not names of files. */
export interface TlsServerOptions {
  /** The Server's certificate, and behind it the chain of issuers up to one that Clients trust. */
  readonly cert: string;
  /** The private key of the first of them, without a passphrase. It stands in no message and no log. */
  readonly key: string;
  /** TLS handshakes that may be under way at the listener, 1 or more, default 10,000; a connection above that is refused before its own. */
  readonly handshakesMax?: number;
}

/** The certificates that a TLS Client trusts. */
export interface TlsClientOptions {
  /** PEM text: certificates to trust in place of the system's. */
  readonly ca?: string;
  /** Trusts any certificate: for tests and measurements. */
  readonly insecure?: boolean;
}

/** Something that TLS cannot use. Its message is one line, for the owner. */
export class CertificateError extends Error {
  /** As it stands in logs. */
  override readonly name = "CertificateError";
  /** Which of the texts it is about. */
  readonly of: "cert" | "key" | "ca";
  /** The message without the name of the text, for a caller that has another name for it. */
  readonly what: string;

  /** `what` begins with a verb: "holds no certificate"; `where` is the option that holds the text. */
  constructor(of: "cert" | "key" | "ca", what: string, where = "tls") {
    super(`${where}.${of} ${what}`);
    this.of = of;
    this.what = what;
  }
}

/** Where to listen, with which certificate, and a hook. */
export interface TlsListenOptions extends ListenOptions {
  readonly tls: TlsServerOptions;
  /** Called for a connection that ended before its handshake was done, with the reason if the peer gave one. */
  readonly handshakeFailed?: (peer: PeerInfo, error: Error) => void;
}

/** An open listener, whose certificate can be replaced. */
export interface TlsListener extends Listener {
  /**
   * New connections see this certificate; those that are there keep theirs.
   * @throws {CertificateError} for a text that is no certificate or not its key; then all stays as it is.
   */
  renew(tls: TlsServerOptions): void;
}
