/**
 * The flags for TLS of a command that connects to a Server.
 * Knows flags and files; refuses to know X.509 and sockets.
 * @module
 */
import { readFileSync } from "node:fs";
import type { TlsClientOptions } from "../runtime/dial.ts";
import { CertificateError } from "../runtime/tls/options.ts";
import { CallError, fileTrouble } from "./error.ts";
import type { OptionGroup, Said } from "./flags.ts";

/** The flags. */
export const TRUST_OPTIONS: OptionGroup = {
  title: "With TLS, at mqtts://",
  rows: [
    {
      name: "ca",
      also: "cafile",
      kind: "text",
      value: "FILE",
      rare: true,
      about: "certificates to trust in place of the system's, in PEM",
    },
    {
      name: "cert",
      kind: "text",
      value: "FILE",
      rare: true,
      about: "a certificate to show to a Server that asks for one, in PEM",
    },
    { name: "key", kind: "text", value: "FILE", rare: true, about: "its private key, in PEM" },
    { name: "insecure", kind: "flag", rare: true, about: "trust any certificate; for tests only" },
  ],
};

/**
 * Reads the files, if there are any. `urls`: the Servers that the command connects to.
 * @throws {CallError} for a file that cannot be read or used, and if no URL is of TLS.
 */
export async function trustOf({ given }: Said, urls: readonly string[]): Promise<TlsClientOptions> {
  const one = (name: string) => given.get(name)?.at(-1);
  const [file, cert, key] = [one("ca"), one("cert"), one("key")];
  const insecure = one("insecure") === "true";
  const flag = ["ca", "cert", "key", "insecure"].find((name) => given.has(name));
  if (flag === undefined) return {};
  if (!urls.some((url) => /^(?:mqtts|wss):/i.test(url))) {
    throw new CallError(`--${flag} goes with mqtts://HOST:PORT`);
  }
  if (file !== undefined && insecure) throw new CallError("--ca and --insecure exclude each other");
  if ((cert === undefined) !== (key === undefined)) {
    throw new CallError(cert === undefined ? "--key needs --cert FILE" : "--cert needs --key FILE");
  }
  const { checkAuthorities, checkCertificate } = await import("../runtime/tls/certificate.ts");
  const ca = file === undefined ? undefined : readText("--ca", file);
  const own = cert === undefined
    ? undefined
    : { cert: readText("--cert", cert), key: readText("--key", key!) };
  try {
    if (ca !== undefined) checkAuthorities(ca);
    if (own !== undefined) checkCertificate(own);
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    const files = { ca: file, cert, key, crl: undefined };
    throw new CallError(`--${error.of} ${files[error.of]} ${error.what}`);
  }
  return { ...ca !== undefined && { ca }, ...own && { own }, ...insecure && { insecure } };
}

/**
 * The text of a file that a flag names.
 * @throws {CallError}
 */
export function readText(flag: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CallError(`${flag} ${file}: ${fileTrouble(error)}`);
  }
}
