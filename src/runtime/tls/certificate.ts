/**
 * Certificates and keys as PEM texts: whether a TLS listener can use them, and the fault if not.
 * Knows X.509 as far as that goes; refuses to know files and sockets. Its messages hold nothing of a key.
 * @module
 */
import type { KeyObject, X509Certificate } from "node:crypto";
import { builtin } from "../builtin.ts";
import { ClientCertificates } from "./client_certificates.ts";
import { type CertificateAndKey, CertificateError, type TlsServerOptions } from "./options.ts";
import { Revocations } from "./revocations.ts";
import { dnsNamesOf } from "./server_names.ts";

const crypto = builtin("node:crypto");

/** From when to when a certificate is valid, ms since the epoch. */
export interface Validity {
  readonly from: number;
  readonly until: number;
}

/**
 * Whether a listener can use all of this; returns when the Server's certificate is valid, which is for the owner to judge.
 * @throws {CertificateError}
 */
export function checkTls(tls: TlsServerOptions): Validity {
  const validity = checkCertificate(tls);
  tls.sni?.forEach((each, i) => {
    try {
      checkCertificate(each);
      if (dnsNamesOf(each.cert).length === 0) {
        throw new CertificateError(
          "cert",
          "has no DNS name (Subject Alternative Name) that a Client could ask for",
        );
      }
    } catch (error) {
      throw error instanceof CertificateError ? new CertificateError(error.of, error.what, "tls", i) : error;
    }
  });
  const { clientCertificate = "none", ca, crl } = tls;
  if (clientCertificate === "none") {
    const extra = ca !== undefined ? "ca" : crl !== undefined ? "crl" : undefined;
    if (extra === undefined) return validity;
    throw new CertificateError(extra, "is for Clients' certificates, which this listener does not ask for");
  }
  if (ca === undefined) {
    throw new CertificateError("ca", "is missing: certificates that may have issued those of Clients");
  }
  checkAuthorities(ca);
  new ClientCertificates(tls); // reads the revocation lists
  return validity;
}

/**
 * When the first of the revocation lists of a listener runs out, ms since the epoch; `crl` and `ca` must be there.
 * @throws {CertificateError}
 */
export function revocationsUntil({ crl = "", ca = "" }: TlsServerOptions): number {
  return new Revocations(crl, ca).until;
}

/**
 * Holds certificate and key against each other.
 * @throws {CertificateError}
 */
export function checkCertificate({ cert, key }: CertificateAndKey): Validity {
  const [own, ...others] = certificatesOf("cert", cert);
  const secret = keyOf(key);
  if (!own!.checkPrivateKey(secret)) {
    if (others.some((other) => other.checkPrivateKey(secret))) {
      throw new CertificateError(
        "cert",
        "must hold the Server's own certificate first, then the certificates of its issuers",
      );
    }
    throw new CertificateError("key", `does not belong to the certificate (${nameOf(own!)})`);
  }
  return { from: Date.parse(own!.validFrom), until: Date.parse(own!.validTo) };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * Whether this is a text of certificates to trust.
 * @throws {CertificateError}
 */
export function checkAuthorities(ca: string): void {
  certificatesOf("ca", ca);
}

/** One or more. */
function certificatesOf(of: "cert" | "ca", text: string): X509Certificate[] {
  const blocks = text.match(CERTIFICATE);
  if (blocks === null) {
    const what = /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text) ? "holds a private key and " : "holds ";
    throw new CertificateError(of, `${what}no certificate: PEM text begins -----BEGIN CERTIFICATE-----`);
  }
  return blocks.map((block, i) => {
    try {
      return new crypto.X509Certificate(block);
    } catch {
      throw new CertificateError(
        of,
        `holds a certificate that cannot be read, number ${i + 1} of ${blocks.length}`,
      );
    }
  });
}

function keyOf(text: string): KeyObject {
  const kind = /-----BEGIN ([A-Z0-9 ]*)PRIVATE KEY-----/.exec(text)?.[1];
  if (kind === undefined) {
    const what = text.match(CERTIFICATE) === null ? "holds " : "holds a certificate and ";
    throw new CertificateError("key", `${what}no private key: PEM text begins -----BEGIN PRIVATE KEY-----`);
  }
  if (kind === "ENCRYPTED " || /^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    throw new CertificateError(
      "key",
      "is encrypted: openssl pkey -in FILE -out OTHER writes it without a passphrase",
    );
  }
  try {
    return crypto.createPrivateKey(text);
  } catch { // The message of this error may quote the text.
    throw new CertificateError("key", "holds a private key that cannot be read");
  }
}

/** In one line; Bun and Deno have a line for each part. */
function nameOf({ subject }: X509Certificate): string {
  return subject.replaceAll("\n", ", ");
}
