/**
 * TLS of a broker on the command line: which certificate it shows, when that is replaced, how Clients come to trust it, and why a
 * handshake failed.
 * Knows files and their flags; refuses to know X.509 and sockets.
 * @module
 */
import { clearInterval, setInterval } from "node:timers";
import type { CertificatePart, TlsServerOptions } from "../runtime/tls/options.ts";
import { type Address, isLoopback, parseAddress, SCHEMES } from "../server/address.ts";
import type { Server } from "../server/serve.ts";
import { CallError } from "./error.ts";
import type { Settings } from "./options.ts";
import type { Log } from "./log.ts";
import { hostName, machineNames } from "./machine_names.ts";
import type { OwnCertificate } from "./own_certificate.ts";
import type { NameOfPart, TlsSettings } from "./tls_files.ts";

/** The flag of each text. */
const FLAGS: Readonly<Record<CertificatePart, string>> = {
  cert: "--tls-cert",
  key: "--tls-key",
  ca: "--tls-ca",
  crl: "--tls-crl",
};

/** The flag of each setting. */
const OPTIONS: Readonly<Record<keyof TlsSettings, string>> = {
  certificate: FLAGS.cert,
  key: FLAGS.key,
  ca: FLAGS.ca,
  crl: FLAGS.crl,
  clientCertificate: "--tls-client-certificate",
  identity: "--tls-identity",
  minimumVersion: "--tls-minimum-version",
  sni: "tls.sni",
  handshakesMax: "--tls-handshakes-max",
};

/** The key of a text in the n-th `[[tls.sni]]`. */
export function nameOfSni(part: CertificatePart, sni: number): string {
  return `tls.sni ${sni + 1}: ${part === "cert" ? "certificate" : part}`;
}

const HOUR_MS = 60 * 60 * 1000;

/** What a listener is to show, and where that comes from. */
export interface BrokerTlsOptions {
  readonly settings: TlsSettings;
  /** More names for a certificate that is made. */
  readonly names: readonly string[];
  /** The data directory, where a certificate that is made is kept; undefined is memory only. */
  readonly data: string | undefined;
  readonly nameOf: NameOfPart;
  /** The URL of the listener whose own certificate it is; without it, that of all listeners that have none. */
  readonly listener?: string;
}

/** The certificates of one listener, or of all that have none of their own. */
export class BrokerTls {
  readonly #options: BrokerTlsOptions;
  readonly #settings: TlsSettings;
  readonly #log: Log;
  #own: OwnCertificate | undefined;
  /** What the files were when they were read last. */
  #read: string | undefined;
  #stop: () => void = () => {};
  #isClosed = false;
  /** Never rejects. */
  #renewing: Promise<void> = Promise.resolve();

  constructor(options: BrokerTlsOptions, log: Log) {
    this.#options = options;
    this.#settings = options.settings;
    this.#log = log;
  }

  /**
   * By the flags; `undefined` where no listener has TLS.
   * @throws {CallError} for a listener with half of what it needs, and for files without a listener.
   */
  static of({ listen, tls, tlsNames: names, data }: Settings, log: Log): BrokerTls | undefined {
    const url = listen.find((one) => SCHEMES[parseAddress(one.url).scheme].tls)?.url;
    if (url === undefined) {
      const [name] = Object.keys(tls) as (keyof typeof OPTIONS)[];
      if (name === undefined) return undefined;
      throw new CallError(`${OPTIONS[name]} goes with a listener with TLS: --listen mqtts://HOST:PORT`);
    }
    if ((tls.certificate === undefined) !== (tls.key === undefined)) {
      const missing = tls.certificate === undefined ? FLAGS.cert : FLAGS.key;
      throw new CallError(`--listen ${url} needs ${missing} FILE, in PEM`);
    }
    return new BrokerTls({
      settings: tls,
      names,
      data,
      nameOf: (part, sni) => sni === undefined ? FLAGS[part] : nameOfSni(part, sni),
    }, log);
  }

  /** Whether the certificate is made here. */
  get isOwn(): boolean {
    return this.#settings.certificate === undefined;
  }

  /**
   * Reads all files, and makes a certificate if none is named.
   * @throws {CallError} for a file that cannot be read, written or used.
   */
  async read(): Promise<TlsServerOptions> {
    if (this.isOwn) {
      const { ownCertificate } = await import("./own_certificate.ts");
      const names = [...new Set([...this.#options.names, ...machineNames()])];
      this.#own = await ownCertificate(this.#options.data, names, Date.now(), this.#own);
    }
    const { filesOf, readTls } = await import("./tls_files.ts");
    const { stateOf } = await import("./watch_files.ts");
    this.#read = await stateOf(filesOf(this.#settings));
    return readTls(this.#settings, this.#options.nameOf, this.#log, this.#own);
  }

  /**
   * Reads the files that are named, with a certificate that is thrown away where none is.
   * @throws {CallError} as `read()` does.
   */
  async check(): Promise<void> {
    await new BrokerTls({ ...this.#options, data: undefined }, this.#log).read();
  }

  /** Says which certificate was made, and how Clients of the listener at this address come to trust it. */
  introduce(address: Address): void {
    if (this.#own === undefined) return;
    const { caFile, fingerprint, caFingerprint, until, made } = this.#own;
    const log = this.#log;
    log.info(made === undefined ? "certificate of our own" : "certificate made", {
      until: new Date(until).toISOString().slice(0, 10),
      sha256: fingerprint,
      authority: caFingerprint,
      file: caFile,
    });
    const { port } = address;
    const host = isLoopback(address.host) ? "localhost" : this.#options.names[0] ?? hostName();
    const url = `mqtts://${host}${port === SCHEMES.mqtts.port ? "" : `:${port}`}`;
    if (caFile === undefined) {
      return log.info("the certificate ends with the process: nobody can trust it for longer", {
        run: `plumb audit ${url} --insecure`,
      });
    }
    const file = /^[\w./+@:-]+$/.test(caFile) ? caFile : `'${caFile.replaceAll("'", "'\\''")}'`;
    const js = `mqtt.connect('${url}', { ca: fs.readFileSync(${quoted(caFile)}) })`;
    log.info("trust it: mosquitto", { run: `mosquitto_sub -h ${host} -p ${port} --cafile ${file} -t '#'` });
    log.info("trust it: MQTT.js", { run: js });
    log.info("trust it: Plumb", { run: `plumb audit ${url} --ca ${file}` });
  }

  /** From now on files that change are read again, and a certificate of our own is replaced in time. */
  watch(server: Server): void {
    const again = (cause: string) => void this.renew(server, cause);
    if (this.isOwn) {
      const timer = setInterval(() => again("time"), HOUR_MS);
      timer.unref();
      this.#stop = () => clearInterval(timer);
    }
    void Promise.all([import("./tls_files.ts"), import("./watch_files.ts")]).then(
      ([{ filesOf }, { watchFiles }]) => {
        const files = filesOf(this.#settings);
        if (files.length === 0 || this.#isClosed) return; // others took its place meanwhile
        const stopBefore = this.#stop;
        const stop = watchFiles(files, () => again("files changed"), undefined, undefined, this.#read);
        this.#stop = () => (stopBefore(), stop());
      },
    );
  }

  /** New connections see what the files have now, unless it is closed meanwhile; one that cannot be used changes nothing. One after the other. */
  renew(server: Server, cause: string): Promise<void> {
    return this.#renewing = this.#renewing.then(() => this.#renew(server, cause));
  }

  async #renew(server: Server, cause: string): Promise<void> {
    const before = this.#own;
    try {
      const tls = await this.read();
      if (this.#isClosed) return; // what took its place shows another one
      if (this.isOwn && this.#own!.fingerprint === before?.fingerprint && cause === "time") return;
      server.renewCertificate(tls, this.#options.listener);
      const { certificate: cert = this.#own?.caFile, key } = this.#settings;
      if (this.isOwn && this.#own!.made !== undefined) {
        const { fingerprint: sha256, made: why } = this.#own!;
        this.#log.info("certificate made", { sha256, why });
        if (this.#own!.isNewAuthority) {
          this.#log.warn("its authority is new: Clients must be told to trust it", {
            file: this.#own!.caFile,
          });
        }
      } else this.#log.info("certificate read again", { cert, key, why: cause });
    } catch (error) {
      this.#own = before;
      this.#log.error("certificate not read again, the old one stays", { why: (error as Error).message });
    }
  }

  /** No certificate is shown any more. */
  close(): void {
    this.#isClosed = true;
    this.#stop();
  }
}

/** A text in a program. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}

/** Names of errors in TLS libraries, and their meaning. */
const TROUBLES: readonly (readonly [said: RegExp, is: string])[] = [
  [/wrong.version.number|http.request|InvalidContentType/i, "the peer does not speak TLS"],
  [
    /unknown.?ca\b|bad.?certificate|certificate.?(unknown|expired)/i,
    "the peer does not trust the certificate",
  ],
  [/peer.did.not.return.a.certificate|peer sent no certificates/i, "the Client has shown no certificate"],
  [
    /unsupported.protocol|protocol.?version|SignatureAlgorithmsExtensionRequired|SupportedVersionsExtensionRequired/i,
    "the peer's TLS is older than this listener takes",
  ],
];

/** Why a handshake failed: in plain words for known errors, and always the message of the TLS library. */
export function handshakeTrouble({ message }: Error): string {
  const [said = ""] = message.split("\n");
  const known = TROUBLES.find(([pattern]) => pattern.test(said));
  return known === undefined ? said : `${known[1]}: ${said}`;
}
