/**
 * The certificates that a TLS listener shows and asks for, and the certificates that a TLS Client trusts.
 * Knows names; refuses to know X.509 and sockets, so that a program without TLS loads nothing of it.
 * @module
 */
import type { Listener, ListenOptions, PeerInfo } from "../endpoint.ts";
import type { ProxyOptions } from "../proxied.ts";

/** A certificate and its key. PEM texts, not names of files. */
export interface CertificateAndKey {
  /** The Server's certificate, and behind it the chain of issuers up to one that Clients trust. */
  readonly cert: string;
  /** The private key of the first of them, without a passphrase. It stands in no message and no log. */
  readonly key: string;
}

/** Whether a TLS listener asks for a Client's certificate; with `optional` a Client may have none, but not one that is not trusted. */
export type ClientCertificateMode = "none" | "optional" | "required";

/** The part of a Client's certificate that is its identity: Common Name, first alternative name, SHA-256 fingerprint, whole name. */
export type Identity = "cn" | "san" | "fingerprint" | "dn";

/** How a TLS listener shows who it is, and what it wants to see of a Client. PEM texts, not names of files. */
export interface TlsServerOptions extends CertificateAndKey {
  /** Certificates for other names: a Client that asks for a DNS name of one of them (SNI) is shown that one. */
  readonly sni?: readonly CertificateAndKey[];
  /** The oldest version of TLS that is spoken, default 1.2. */
  readonly minimumVersion?: "1.2" | "1.3";
  /** Default `none`. */
  readonly clientCertificate?: ClientCertificateMode;
  /** Certificates that may have issued those of Clients. */
  readonly ca?: string;
  /** Certificate revocation lists, one for each issuer of Clients' certificates; one that has run out lets no Client in. */
  readonly crl?: string;
  /** Default `cn`. It stands in `PeerInfo.certificate`. */
  readonly identity?: Identity;
  /** TLS handshakes that may be under way at the listener, 1 or more, default 10,000; a connection above that is refused before its own. */
  readonly handshakesMax?: number;
}

/** The texts among them that can be replaced while a listener is open. */
export type TlsTexts = Pick<TlsServerOptions, "cert" | "key" | "sni" | "ca" | "crl">;

/** The certificates that a TLS Client trusts, and its own. */
export interface TlsClientOptions {
  /** PEM text: certificates to trust in place of the system's. */
  readonly ca?: string;
  /** Trusts any certificate: for tests and measurements. */
  readonly insecure?: boolean;
  /** What the Client shows to a Server that asks for a certificate. */
  readonly own?: CertificateAndKey;
}

/** Which of the texts an error is about. */
export type CertificatePart = "cert" | "key" | "ca" | "crl";

/** Something that TLS cannot use. Its message is one line, for the owner. */
export class CertificateError extends Error {
  /** As it stands in logs. */
  override readonly name = "CertificateError";
  /** Which of the texts it is about. */
  readonly of: CertificatePart;
  /** The message without the name of the text, for a caller that has another name for it. */
  readonly what: string;
  /** The index in `TlsServerOptions.sni`, if it is about one of these. */
  readonly sni: number | undefined;

  /** `what` begins with a verb: "holds no certificate"; `where` is the option that holds the text. */
  constructor(of: CertificatePart, what: string, where = "tls", sni?: number) {
    super(`${where}${sni === undefined ? "" : `.sni[${sni}]`}.${of} ${what}`);
    this.of = of;
    this.what = what;
    this.sni = sni;
  }
}

/** Where to listen, with which certificate, and a hook. */
export interface TlsListenOptions extends ListenOptions {
  readonly tls: TlsServerOptions;
  /** Called for a connection that ended before its handshake was done, with the reason if the peer gave one. */
  readonly handshakeFailed?: (peer: PeerInfo, error: Error) => void;
  /** Where a PROXY header comes before the handshake. */
  readonly proxy?: ProxyOptions;
}

/** An open listener, whose certificates can be replaced. */
export interface TlsListener extends Listener {
  /**
   * New connections see these certificates and are judged by these; connections that are there stay as they are. All but the
   * `TlsTexts` must be as it was when the listener was opened.
   * @throws {CertificateError} for a text that cannot be used; then all stays as it is.
   */
  renew(tls: TlsServerOptions): void;
}
