/**
 * The files of a TLS listener.
 * Knows names of files and of the settings that name them; refuses to know X.509 and sockets.
 * @module
 */
import { statSync } from "node:fs";
import process from "node:process";
import { checkTls, revocationsUntil } from "../runtime/tls/certificate.ts";
import {
  type CertificateAndKey,
  CertificateError,
  type CertificatePart,
  type TlsServerOptions,
} from "../runtime/tls/options.ts";
import { CallError } from "./error.ts";
import type { Log } from "./log.ts";
import { readText } from "./trust.ts";

/** The settings of a TLS listener: `TlsServerOptions` with names of files in place of their texts. */
export interface TlsSettings
  extends Pick<TlsServerOptions, "clientCertificate" | "identity" | "minimumVersion" | "handshakesMax"> {
  /** Without it, and without a key, the broker makes one. */
  readonly certificate?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly crl?: string;
  readonly sni?: readonly { readonly certificate: string; readonly key: string }[];
}

/** How a person has named the file: `--tls-cert`, say. `sni` is an index in `TlsSettings.sni`. */
export type NameOfPart = (part: CertificatePart, sni?: number) => string;

/** All files that are named. */
export function filesOf({ certificate, key, ca, crl, sni = [] }: TlsSettings): string[] {
  return [certificate, key, ca, crl, ...sni.flatMap((one) => [one.certificate, one.key])]
    .filter((file) => file !== undefined);
}

/**
 * Reads all files and holds them against each other. `own` stands in for a certificate and key that are not named.
 * @throws {CallError} that names the file and what is wrong with it.
 */
export function readTls(
  settings: TlsSettings,
  nameOf: NameOfPart,
  log: Pick<Log, "warn">,
  own?: CertificateAndKey,
): TlsServerOptions {
  const { certificate, key, ca, crl, sni, ...rest } = settings;
  const text = (part: CertificatePart, file: string, at?: number) => readText(nameOf(part, at), file);
  const tls: TlsServerOptions = {
    ...rest,
    cert: certificate === undefined ? own!.cert : text("cert", certificate),
    key: key === undefined ? own!.key : text("key", key),
    ...ca !== undefined && { ca: text("ca", ca) },
    ...crl !== undefined && { crl: text("crl", crl) },
    ...sni !== undefined && {
      sni: sni.map((one, i) => ({ cert: text("cert", one.certificate, i), key: text("key", one.key, i) })),
    },
  };
  try {
    const { from, until } = checkTls(tls);
    const now = Date.now();
    if (now > until) log.warn("certificate expired", { file: certificate, on: day(until) });
    else if (now < from) log.warn("certificate not valid yet", { file: certificate, from: day(from) });
    if (tls.crl !== undefined && revocationsUntil(tls) < now) {
      const on = day(revocationsUntil(tls));
      log.warn("revocation list has run out: no Client of its issuer comes in", { file: crl, on });
    }
    for (const file of [key, ...(sni ?? []).map((one) => one.key)]) warnOfReaders(file, log);
    return tls;
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    const { of, sni: at, what } = error;
    const files = at === undefined ? { cert: certificate, key, ca, crl } : {
      cert: sni![at]!.certificate,
      key: sni![at]!.key,
      ca,
      crl,
    };
    const file = files[of];
    throw new CallError([nameOf(of, at), ...file === undefined ? [] : [file], what].join(" "));
  }
}

/** A key is for the broker alone. */
function warnOfReaders(file: string | undefined, log: Pick<Log, "warn">): void {
  if (file === undefined || process.platform === "win32") return;
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o004) !== 0) log.warn("key readable by everybody", { file, advice: `chmod 600 ${file}` });
}

/** A day, as logs have it. */
export function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
