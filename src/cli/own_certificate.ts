/**
 * The certificate of a broker that was given none: kept in the data directory, and made anew when need be.
 * Knows its files and when another one is needed; refuses to know how certificates are written.
 *
 * There are two: an authority that vouches for itself, which Clients are told to trust, and the Server's, which it issues. The second
 * one ends after a year, or is replaced when the machine has another name or address; Clients need not be told.
 * @module
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { X509Certificate } from "node:crypto";
import { join, resolve } from "node:path";
import { checkCertificate } from "../runtime/tls/certificate.ts";
import { type CertificateAndKey, CertificateError } from "../runtime/tls/options.ts";
import { certificateOf, derOfPem } from "../runtime/tls/x509.ts";
import { ipBytes, ipText } from "../transport/ip_address.ts";
import { CallError } from "./error.ts";

/** A certificate of our own. */
export interface OwnCertificate extends CertificateAndKey {
  readonly authority: CertificateAndKey;
  /** What Clients are to trust; undefined without a directory. */
  readonly caFile: string | undefined;
  /** SHA-256 of the Server's certificate and of the authority's, as OpenSSL prints them. */
  readonly fingerprint: string;
  readonly caFingerprint: string;
  /** When the Server's certificate ends, ms since the epoch. */
  readonly until: number;
  /** Why the Server's certificate was made just now; undefined if it was there. */
  readonly made: string | undefined;
  /** Whether Clients have to be told of the authority. */
  readonly isNewAuthority: boolean;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** A certificate that has less time left is made anew. */
const LEFT_MS = 30 * DAY_MS;

/** The directory below the data directory. */
const DIRECTORY = "tls";

/**
 * The certificate for these names and addresses, made if there is none that does. Without a directory the one `before` stands for the
 * files. `now`: ms since the epoch.
 * @throws {CallError} for a file that cannot be read, written or used.
 */
export async function ownCertificate(
  data: string | undefined,
  names: readonly string[],
  now: number,
  before?: OwnCertificate,
): Promise<OwnCertificate> {
  const files = data === undefined ? undefined : new Files(join(data, DIRECTORY));
  const there = files === undefined ? before?.authority : files.read("ca");
  const isNewAuthority = there === undefined || endsSoon(there, now);
  const authority = isNewAuthority ? await makeAuthority(names[0]!, now) : there;
  if (isNewAuthority) files?.write("ca", authority);
  const present = files === undefined ? before : files.read("server");
  const why = present === undefined ? "there was none" : whyAnother(present, authority, names, now);
  let server = present;
  if (server === undefined || why !== undefined) {
    const { makeServerCertificate } = await import("../runtime/tls/self_signed.ts");
    server = await makeServerCertificate(authority, names, now);
    files?.write("server", server);
  }
  const { cert, key } = server;
  return {
    cert,
    key,
    authority,
    caFile: files?.pathOf("ca.pem"),
    fingerprint: new X509Certificate(cert).fingerprint256,
    caFingerprint: new X509Certificate(authority.cert).fingerprint256,
    until: untilOf(cert),
    made: why,
    isNewAuthority,
  };
}

async function makeAuthority(name: string, now: number): Promise<CertificateAndKey> {
  const { makeAuthority } = await import("../runtime/tls/self_signed.ts");
  return await makeAuthority(`Plumb at ${name}, ${new Date(now).toISOString().slice(0, 10)}`, now);
}

function untilOf(cert: string): number {
  return Date.parse(new X509Certificate(cert).validTo);
}

function endsSoon({ cert }: CertificateAndKey, now: number): boolean {
  return untilOf(cert) - now < LEFT_MS;
}

/** Why the Server's certificate does not do any more. */
function whyAnother(
  own: CertificateAndKey,
  authority: CertificateAndKey,
  names: readonly string[],
  now: number,
): string | undefined {
  if (endsSoon(own, now)) return `it ends on ${new Date(untilOf(own.cert)).toISOString().slice(0, 10)}`;
  if (!new X509Certificate(own.cert).verify(new X509Certificate(authority.cert).publicKey)) {
    return "it was of another authority";
  }
  const known = new Set(certificateOf(derOfPem(own.cert, "CERTIFICATE")!).names.map(({ value }) => value));
  const missing = names.filter((name) => !known.has(plain(name)));
  return missing.length === 0 ? undefined : `it was not for ${missing.join(", ")}`;
}

function plain(name: string): string {
  const bytes = ipBytes(name);
  return bytes === undefined ? name : ipText(bytes);
}

/** Certificates and keys in a directory. */
class Files {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  pathOf(name: string): string {
    return resolve(this.#directory, name);
  }

  /** Undefined if there is none. */
  read(name: string): CertificateAndKey | undefined {
    const [certFile, keyFile] = [this.pathOf(`${name}.pem`), this.pathOf(`${name}.key`)];
    const [cert, key] = [textOf(certFile), textOf(keyFile)];
    if (cert === undefined || key === undefined) return undefined;
    try {
      checkCertificate({ cert, key });
      return { cert, key };
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      throw new CallError(
        `${error.of === "key" ? keyFile : certFile} ${error.what}; without both files another one is made`,
      );
    }
  }

  /** The key first: a certificate without its key is none. Nobody else may read the key, not even while it is written. */
  write(name: string, { cert, key }: CertificateAndKey): void {
    try {
      mkdirSync(this.#directory, { recursive: true });
      for (const [file, text, mode] of [[`${name}.key`, key, 0o600], [`${name}.pem`, cert, 0o644]] as const) {
        const path = this.pathOf(file);
        writeFileSync(`${path}.new`, text, { mode });
        chmodSync(`${path}.new`, mode);
        renameSync(`${path}.new`, path);
      }
    } catch (error) {
      throw new CallError(
        `No certificate can be made: ${
          (error as Error).message.split("\n")[0]
        }; give one with --tls-cert and --tls-key`,
      );
    }
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    if (code === "ENOENT") return undefined;
    throw new CallError(`${file}: ${message.split("\n")[0]}`);
  }
}
