/**
 * Certificate and key of a broker, from the files that the command line names, and why a handshake failed.
 * Knows files and their flags; refuses to know X.509 and sockets.
 * @module
 */
import { CertificateError, type TlsServerOptions } from "../runtime/tls/options.ts";
import { parseAddress, SCHEMES } from "../server/address.ts";
import { CallError } from "./error.ts";
import type { Settings } from "./options.ts";
import type { Log } from "./log.ts";
import { readText } from "./trust.ts";

/** The flag of each text. */
const FLAGS = { cert: "--tls-cert", key: "--tls-key" } as const;

/**
 * Reads both files and holds them against each other; undefined where no listener has TLS.
 * @throws {CallError} for a file that cannot be read or used, for a listener without, and for files without a listener.
 */
export async function tlsOf(
  { listen, tls: { certificate: tlsCert, key: tlsKey } }: Settings,
  log: Log,
): Promise<TlsServerOptions | undefined> {
  const url = listen.find((one) => SCHEMES[parseAddress(one.url).scheme].tls)?.url;
  if (url === undefined) {
    const flag = tlsCert !== undefined ? FLAGS.cert : tlsKey !== undefined ? FLAGS.key : undefined;
    if (flag === undefined) return undefined;
    throw new CallError(`${flag} goes with a listener with TLS: --listen mqtts://HOST:PORT`);
  }
  if (tlsCert === undefined || tlsKey === undefined) {
    const missing = [
      ...tlsCert === undefined ? [`${FLAGS.cert} FILE`] : [],
      ...tlsKey === undefined ? [`${FLAGS.key} FILE`] : [],
    ];
    throw new CallError(`--listen ${url} needs ${missing.join(" and ")}, in PEM`);
  }
  const files = { cert: tlsCert, key: tlsKey };
  const tls = { cert: readText(FLAGS.cert, tlsCert), key: readText(FLAGS.key, tlsKey) };
  const { checkCertificate } = await import("../runtime/tls/certificate.ts");
  try {
    const { from, until } = checkCertificate(tls);
    const now = Date.now();
    if (now > until) log.warn("certificate expired", { file: tlsCert, on: day(until) });
    else if (now < from) log.warn("certificate not valid yet", { file: tlsCert, from: day(from) });
    return tls;
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error;
    const of = error.of === "key" ? "key" : "cert";
    throw new CallError(`${FLAGS[of]} ${files[of]} ${error.what}`);
  }
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Names of errors in TLS libraries, and their meaning. */
const TROUBLES: readonly (readonly [said: RegExp, is: string])[] = [
  [/wrong.version.number|http.request|InvalidContentType/i, "the peer does not speak TLS"],
  [
    /unknown.?ca\b|bad.?certificate|certificate.?(unknown|expired)/i,
    "the peer does not trust the certificate",
  ],
  [
    /unsupported.protocol|protocol.?version|SignatureAlgorithmsExtensionRequired/i,
    "the peer is older than TLS 1.2",
  ],
];

/** Why a handshake failed: in plain words for known errors, and always the message of the TLS library. */
export function handshakeTrouble({ message }: Error): string {
  const [said = ""] = message.split("\n");
  const known = TROUBLES.find(([pattern]) => pattern.test(said));
  return known === undefined ? said : `${known[1]}: ${said}`;
}
