/**
 * The certificates of all listeners: the one of those that have none of their own, and each listener's own.
 * Knows which listener has settings of its own; refuses to know files and X.509.
 * @module
 */
import type { CertificatePart, TlsServerOptions } from "../runtime/tls/options.ts";
import { parseAddress, SCHEMES } from "../server/address.ts";
import type { Server } from "../server/serve.ts";
import { CallError } from "./error.ts";
import type { Log } from "./log.ts";
import type { Listen, Settings } from "./options.ts";
import { BrokerTls, nameOfSni } from "./tls.ts";

/** The key of each text in a `[[listener]]`. */
const KEYS: Readonly<Record<CertificatePart, string>> = {
  cert: "tls.certificate",
  key: "tls.key",
  ca: "tls.ca",
  crl: "tls.crl",
};

/** The texts that `serve()` takes. */
export interface TlsOfListeners {
  readonly shared: TlsServerOptions | undefined;
  readonly own: ReadonlyMap<Listen, TlsServerOptions>;
}

/** The certificates of one configuration. */
export class TlsSet {
  readonly #shared: BrokerTls | undefined;
  readonly #own: ReadonlyMap<Listen, BrokerTls>;

  /** @throws {CallError} for a listener with half of what it needs, and for files without a listener. */
  constructor(settings: Settings, log: Log) {
    const { listen } = settings;
    this.#own = new Map(
      listen.filter(({ own }) => own?.tls !== undefined).map((one) => [one, ownTls(one, settings, log)]),
    );
    const others = listen.filter((one) => !this.#own.has(one));
    // Settings of the broker may be meant for listeners that have others besides.
    const isNeeded = this.#own.size === 0 || others.some(({ url }) => isTls(url));
    this.#shared = isNeeded ? BrokerTls.of({ ...settings, listen: others }, log) : undefined;
  }

  get #all(): readonly BrokerTls[] {
    return [...this.#shared ? [this.#shared] : [], ...this.#own.values()];
  }

  /** Whether no listener has TLS. */
  get isEmpty(): boolean {
    return this.#all.length === 0;
  }

  /** Whether a certificate is made here. */
  get isOwn(): boolean {
    return this.#all.some(({ isOwn }) => isOwn);
  }

  /**
   * Reads all files, and makes a certificate where none is named.
   * @throws {CallError} for a file that cannot be read, written or used.
   */
  async read(): Promise<TlsOfListeners> {
    const own = new Map<Listen, TlsServerOptions>();
    for (const [one, tls] of this.#own) own.set(one, await tls.read());
    return { shared: await this.#shared?.read(), own };
  }

  /**
   * Reads all files that are named, and leaves none behind.
   * @throws {CallError} as `read()` does.
   */
  async check(): Promise<void> {
    for (const tls of this.#all) await tls.check();
  }

  /** Says which certificate was made, if one was, for the first listener with TLS of these. */
  introduce(addresses: readonly string[]): void {
    const secure = addresses.map(parseAddress).find(({ scheme }) => SCHEMES[scheme].tls);
    if (secure !== undefined) this.#all.find(({ isOwn }) => isOwn)?.introduce(secure);
  }

  /** From now on files that change are read again, and a certificate of our own is replaced in time. */
  watch(server: Server): void {
    for (const tls of this.#all) tls.watch(server);
  }

  /** New connections see what the files have now. */
  async renew(server: Server, cause: string): Promise<void> {
    for (const tls of this.#all) await tls.renew(server, cause);
  }

  /** Ends what `watch()` began. */
  close(): void {
    for (const tls of this.#all) tls.close();
  }
}

function isTls(url: string): boolean {
  return SCHEMES[parseAddress(url).scheme].tls;
}

/** The certificate of a listener with settings of its own, over those of the broker. */
function ownTls({ url, flag, own }: Listen, { tls, tlsNames: names, data }: Settings, log: Log): BrokerTls {
  const where = flag.replace(/: url$/, "");
  if (!isTls(url)) {
    throw new CallError(`${where}: tls goes with a listener with TLS: write mqtts:// for ${url}`);
  }
  // A certificate and its key belong together.
  const { certificate, key, ...rest } = tls;
  const hasOwn = own!.tls!.certificate !== undefined || own!.tls!.key !== undefined;
  const settings = { ...rest, ...!hasOwn && certificate && key && { certificate, key }, ...own!.tls };
  if ((settings.certificate === undefined) !== (settings.key === undefined)) {
    const missing = settings.certificate === undefined ? KEYS.cert : KEYS.key;
    throw new CallError(`${where}: ${url} needs ${missing}, in PEM`);
  }
  const nameOf = (part: CertificatePart, sni?: number) =>
    `${where}: ${sni === undefined ? KEYS[part] : nameOfSni(part, sni)}`;
  return new BrokerTls({ settings, names, data, nameOf, listener: url }, log);
}
