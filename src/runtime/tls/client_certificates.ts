/**
 * The certificates of TLS Clients: who may come in, and what is known of it then.
 * Knows what a listener asks for, identities and revocation; whether the chain is trusted is for the runtime's TLS to say.
 * @module
 */
import type { X509Certificate } from "node:crypto";
import type { ClientCertificate } from "../../transport/peer.ts";
import { builtin } from "../builtin.ts";
import type { ClientCertificateMode, Identity, TlsServerOptions } from "./options.ts";
import { Revocations } from "./revocations.ts";
import { type Certificate, certificateOf, commonNameOf, dersOfPem, nameText } from "./x509.ts";

/** Judges Clients at the end of their handshakes. */
export class ClientCertificates {
  readonly mode: ClientCertificateMode;
  readonly #identity: Identity;
  readonly #revocations: Revocations | undefined;
  readonly #authorities: readonly X509Certificate[];

  /** @throws {CertificateError} for revocation lists that cannot be used. */
  constructor({ clientCertificate = "none", identity = "cn", ca, crl }: TlsServerOptions) {
    this.mode = clientCertificate;
    this.#identity = identity;
    if (crl !== undefined && ca !== undefined) this.#revocations = new Revocations(crl, ca);
    const { X509Certificate } = builtin("node:crypto");
    this.#authorities = this.mode === "none"
      ? []
      : dersOfPem(ca ?? "", "CERTIFICATE").map((bytes) => new X509Certificate(bytes));
  }

  /**
   * Why the Client of a session that is resumed is not trusted. The session may have begun under another listener's issuers, or under
   * those of an earlier time, which Deno does not look at. `chain`: its certificate, then those that it has shown besides. One of
   * ours must have issued it, or the one above it.
   */
  resumedTrouble(chain: readonly Uint8Array[], now: number): string | undefined {
    const { X509Certificate } = builtin("node:crypto");
    const [own, above] = chain.slice(0, 2).map((bytes) => new X509Certificate(bytes));
    if (own === undefined) return undefined;
    const isOurs = (one: X509Certificate) =>
      this.#authorities.some((authority) => issued(authority, one, now));
    const isTrusted = isOurs(own) || above !== undefined && issued(above, own, now) && isOurs(above);
    return isTrusted ? undefined : "UNABLE_TO_VERIFY_LEAF_SIGNATURE";
  }

  /**
   * What is known of a Client: nothing if it has shown no certificate and need not. `bytes` is the DER of its certificate, `trouble`
   * why the runtime does not trust that, `now` is ms since the epoch.
   * @throws {Error} for a Client that may not come in.
   */
  judge(
    bytes: Uint8Array | undefined,
    trouble: string | undefined,
    now: number,
  ): ClientCertificate | undefined {
    if (this.mode === "none") return undefined;
    if (bytes === undefined) {
      if (this.mode === "optional") return undefined;
      throw refused("ENOCERTIFICATE", "The Client has shown no certificate");
    }
    let certificate: Certificate;
    let subject: string;
    try {
      certificate = certificateOf(bytes);
      subject = nameText(certificate.subject);
    } catch {
      throw refused("EBADCERTIFICATE", "The Client's certificate cannot be read");
    }
    if (trouble !== undefined) {
      throw refused(trouble, `The Client's certificate (${subject}) is not trusted: ${trouble}`);
    }
    if (now < certificate.from || now > certificate.until) {
      throw refused("CERT_HAS_EXPIRED", `The Client's certificate (${subject}) is not valid now`);
    }
    const why = this.#revocations?.refusal(certificate, now);
    if (why !== undefined) throw refused("CERT_REVOKED", `The Client's certificate (${subject}) ${why}`);
    const fingerprint = builtin("node:crypto").createHash("sha256").update(bytes).digest("hex");
    return {
      identity: plain(IDENTITIES[this.#identity](certificate, fingerprint)),
      subject,
      issuer: nameText(certificate.issuer),
      serialNumber: certificate.serialNumber,
      fingerprint,
    };
  }
}

const IDENTITIES: Readonly<
  Record<Identity, (certificate: Certificate, fingerprint: string) => string | undefined>
> = {
  cn: ({ subject }) => commonNameOf(subject),
  san: ({ names: [first] }) => first?.value,
  fingerprint: (_certificate, fingerprint) => fingerprint,
  dn: ({ subject }) => nameText(subject),
};

/** No name that could be taken for another one, or that MQTT has no room for. */
function plain(text: string | undefined): string | undefined {
  // deno-lint-ignore no-control-regex
  return text === undefined || text === "" || /[\x00-\x1f\x7f-\x9f]/.test(text) ? undefined : text;
}

/** Whether `issuer`, which may issue and holds now, has issued `one`. */
function issued(issuer: X509Certificate, one: X509Certificate, now: number): boolean {
  const holds = Date.parse(issuer.validFrom) <= now && now <= Date.parse(issuer.validTo);
  return holds && issuer.ca && one.checkIssued(issuer) && one.verify(issuer.publicKey);
}

function refused(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
