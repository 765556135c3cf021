/**
 * The flags for TLS of a command that connects to a Server.
 * Knows flags and files; refuses to know X.509 and sockets.
 * @module
 */
import { readFileSync } from "node:fs";
import type { TlsClientOptions } from "../runtime/dial.ts";
import { CertificateError } from "../runtime/tls/options.ts";
import { CallError } from "./error.ts";
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
    { name: "insecure", kind: "flag", rare: true, about: "trust any certificate; for tests only" },
  ],
};

/**
 * Reads the file, if there is one. `urls`: the Servers that the command connects to.
 * @throws {CallError} for a file that cannot be read or used, and if no URL is of TLS.
 */
export async function trustOf({ given }: Said, urls: readonly string[]): Promise<TlsClientOptions> {
  const file = given.get("ca")?.at(-1);
  const insecure = given.get("insecure")?.at(-1) === "true";
  if (file === undefined && !insecure) return {};
  const flag = file !== undefined ? "--ca" : "--insecure";
  if (!urls.some((url) => /^mqtts:/i.test(url))) throw new CallError(`${flag} goes with mqtts://HOST:PORT`);
  if (file === undefined) return { insecure };
  if (insecure) throw new CallError("--ca and --insecure exclude each other");
  const ca = readText(flag, file);
  const { checkAuthorities } = await import("../runtime/tls/certificate.ts");
  try {
    checkAuthorities(ca);
  } catch (error) {
    throw error instanceof CertificateError ? new CallError(`${flag} ${file} ${error.what}`) : error;
  }
  return { ca };
}

/**
 * The text of a file that a flag names.
 * @throws {CallError}
 */
export function readText(flag: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    throw new CallError(`${flag} ${file}: ${REASONS[code ?? ""] ?? message.split("\n")[0]}`);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "no permission to read it",
  EISDIR: "that is a directory",
};
