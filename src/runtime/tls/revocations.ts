/**
 * Certificate revocation lists (RFC 5280 section 5): which certificates their issuers have taken back.
 * Knows the lists and their signatures; refuses to know files. Neither runtime has it for all listeners: Deno's TLS ignores lists.
 * @module
 */
import type { X509Certificate } from "node:crypto";
import { builtin } from "../builtin.ts";
import { type Der, DerError, firstOf, hexOf, oidOf, onlyOf, partsOf, spanAt, TAG, timeOf } from "./der.ts";
import { CertificateError } from "./options.ts";
import { type Certificate, certificateOf, dersOfPem, nameText } from "./x509.ts";

/** The list of one issuer. */
interface List {
  /** DER of its name. */
  readonly issuer: Uint8Array;
  /** When the next one is due, ms since the epoch. */
  readonly until: number;
  readonly serialNumbers: ReadonlySet<string>;
}

/** What was read last: who checks texts and who uses them then read them once. */
let recent: { readonly crl: string; readonly ca: string; readonly lists: readonly List[] } | undefined;

/** Lists of one or more issuers. */
export class Revocations {
  readonly #lists: readonly List[];

  /**
   * `crl` and `ca` are PEM texts.
   * @throws {CertificateError} for a text that holds no list, or one that none of `ca` has signed.
   */
  constructor(crl: string, ca: string) {
    if (recent?.crl === crl && recent.ca === ca) {
      this.#lists = recent.lists;
      return;
    }
    const { X509Certificate } = builtin("node:crypto");
    const issuers = dersOfPem(ca, "CERTIFICATE").map((bytes) => new X509Certificate(bytes));
    const blocks = dersOfPem(crl, "X509 CRL");
    if (blocks.length === 0) {
      throw new CertificateError("crl", "holds no revocation list: PEM text begins -----BEGIN X509 CRL-----");
    }
    this.#lists = blocks.map((block, i) => {
      const which = blocks.length === 1 ? "" : `, number ${i + 1} of ${blocks.length}`;
      try {
        return listOf(block, issuers);
      } catch (error) {
        const why = error instanceof DerError
          ? `that cannot be read (${error.message})`
          : (error as Error).message;
        throw new CertificateError("crl", `holds a revocation list ${why}${which}`);
      }
    });
    recent = { crl, ca, lists: this.#lists };
  }

  /** When the first of the lists runs out, ms since the epoch. */
  get until(): number {
    return Math.min(...this.#lists.map(({ until }) => until));
  }

  /** Why a certificate may not be used; undefined if it may. Without a list that holds now nothing is known, so it may not. */
  refusal({ issuer, serialNumber }: Certificate, now: number): string | undefined {
    const lists = this.#lists.filter((list) => equal(list.issuer, issuer));
    if (lists.some(({ serialNumbers }) => serialNumbers.has(serialNumber))) return "is revoked";
    if (lists.length === 0) return `is of an issuer without a revocation list (${nameText(issuer)})`;
    if (lists.every(({ until }) => until < now)) {
      return `cannot be checked: the revocation list of ${nameText(issuer)} has run out`;
    }
    return undefined;
  }
}

const EXTENSIONS = 0xa0;

/** RFC 5280 section 5.1. */
function listOf(block: Uint8Array, authorities: readonly X509Certificate[]): List {
  const [signed, algorithm, signature] = partsOf(onlyOf(block, TAG.sequence));
  if (signed === undefined || algorithm === undefined || signature?.tag !== TAG.bits) {
    throw new DerError("another structure");
  }
  const parts = partsOf(signed);
  if (parts[0]?.tag === TAG.integer) parts.shift(); // the version
  const [inner, issuer, , ...rest] = parts;
  if (inner === undefined || issuer === undefined) throw new DerError("no issuer");
  // What stands outside of the signed part is what it says inside, and has one form.
  if (!equal(inner.whole, algorithm.whole)) throw new DerError("two signature algorithms");
  if (signature.bytes[0] !== 0) throw new DerError("a signature of some bits of a byte");
  const next = rest[0];
  if (next?.tag !== TAG.utcTime && next?.tag !== TAG.generalizedTime) {
    throw new Error("without the time of the next one");
  }
  const extensions = rest.find(({ tag }) => tag === EXTENSIONS);
  if (extensions !== undefined) checkExtensions(extensions);
  const entries = rest.find(({ tag }) => tag === TAG.sequence);
  const name = issuer.whole;
  const signers = authorities.filter(({ raw }) => equal(certificateOf(raw).subject, name));
  if (!signers.some((authority) => isSignedBy(authority, signed, algorithm, signature))) {
    throw new Error(`that none of the certificates in ca has signed (${nameText(name)})`);
  }
  const serialNumbers = entries === undefined ? new Set<string>() : serialNumbersIn(entries.bytes);
  return { issuer: name, until: timeOf(next), serialNumbers };
}

/** There may be 100,000 of them, so no value is made of an entry but its number. */
function serialNumbersIn(entries: Uint8Array): Set<string> {
  const found = new Set<string>();
  for (let at = 0; at < entries.length;) {
    const entry = spanAt(entries, at);
    const serial = spanAt(entries, entry.from);
    if (entries[entry.from] !== TAG.integer || serial.end > entry.end) {
      throw new DerError("an entry without a serial number");
    }
    found.add(hexOf(entries.subarray(serial.from, serial.end)));
    at = entry.end;
  }
  return found;
}

/** A critical one, as in a list of changes or of a part, would change the meaning of the list. */
function checkExtensions(extensions: Der): void {
  for (const extension of partsOf(firstOf(extensions.bytes))) {
    const [id, critical] = partsOf(extension);
    if (id !== undefined && critical?.tag === TAG.boolean && critical.bytes[0] !== 0) {
      throw new Error(`of a kind that is not supported (critical extension ${oidOf(id)})`);
    }
  }
}

/** Digests of signature algorithms: ECDSA, RSA (PKCS #1), Ed25519, which has none of its own. */
const DIGESTS: Readonly<Record<string, string | null>> = {
  "1.2.840.10045.4.3.2": "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.3.101.112": null,
};

function isSignedBy({ publicKey }: X509Certificate, signed: Der, algorithm: Der, signature: Der): boolean {
  const id = oidOf(firstOf(algorithm.bytes));
  const digest = DIGESTS[id];
  if (digest === undefined) throw new Error(`with a signature that is not supported (${id})`);
  return builtin("node:crypto").verify(digest, signed.whole, publicKey, signature.bytes.subarray(1));
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}
