/**
 * `plumb serve`: a broker until a signal comes.
 * Knows how it begins and ends; refuses to know how flags are written.
 * @module
 */
import process from "node:process";
import { LIMITS } from "../broker/mod.ts";
import { AddressError, addressUrl, parseAddress, SCHEMES } from "../server/address.ts";
import { ListenError, serve, type Server, type TlsServerOptions } from "../server/serve.ts";
import type { Permissions } from "../permissions/mod.ts";
import type { SqliteStore, StoreTrouble } from "../store/mod.ts";
import { CallError, STATUS } from "./error.ts";
import type { Log } from "./log.ts";
import { hooksFor } from "./log_hooks.ts";
import { connectionsRoom } from "./open_files.ts";
import type { Listen, Settings } from "./options.ts";
import { permissionsOf, renewPermissions } from "./permissions.ts";
import { tlsOf } from "./tls.ts";

/** A shell's exit status for a process that a signal ended. On Windows a console that is closed sends SIGHUP. */
const SIGNALS: Readonly<Record<string, number>> = process.platform === "win32"
  ? { SIGINT: 130, SIGBREAK: 149, SIGHUP: 129 }
  : { SIGINT: 130, SIGTERM: 143, SIGQUIT: 131 };
/** Signals that would end the process if nothing listened to them, and mean nothing here. */
const IGNORED: readonly string[] = process.platform === "win32" ? [] : ["SIGUSR1", "SIGUSR2"];
const RELOAD: readonly string[] = process.platform === "win32" ? [] : ["SIGHUP"];

/**
 * Runs a broker until SIGINT, SIGTERM or SIGQUIT, and until its last connection is over then. A second signal ends the
 * process. SIGHUP reads the certificate and the permissions again. Gives the exit status.
 * @throws {CallError} when it cannot begin.
 */
export async function serveCommand(settings: Settings, log: Log): Promise<number> {
  for (const one of settings.listen) checkAddress(one);
  const tls = await tlsOf(settings, log);
  const permissions = await permissionsOf(settings);
  const stopped = signal((name) => log.info("stopping", { signal: name }));
  let reload = (): void => {}; // what is read at the start is not read twice
  listenTo(RELOAD, () => reload());
  listenTo(IGNORED, (name) => log.debug("ignored", { signal: name }));
  const begun = performance.now();
  const store = settings.data === undefined ? undefined : await open(settings.data, settings, log);
  let status: number = STATUS.good;
  try {
    const server = await start(settings, { tls, permissions, store, begun }, log);
    for (const url of server.addresses) log.info("listening", { url });
    warnOfEverybody(server.addresses, log);
    reload = () => {
      if (tls !== undefined || permissions === undefined) void renewCertificate(server, settings, log);
      if (permissions !== undefined) void renewPermissions(permissions, settings, log);
    };
    await stopped;
    await server.close();
  } finally {
    await store?.close().catch((error: Error) => {
      log.error("not everything could be stored", { error: error.message });
      status = STATUS.found;
    });
  }
  log.info("stopped");
  return status;
}

/** Before anything is done: a wrong call leaves nothing behind. */
function checkAddress({ url, flag, value, portFlag }: Listen): void {
  try {
    parseAddress(url);
  } catch (error) {
    if (!(error instanceof AddressError)) throw error;
    throw new CallError(
      flag === portFlag
        ? `${flag}: ${error.message}`
        : `${flag} takes an address or a name of this machine, such as 127.0.0.1 or localhost, not ${
          JSON.stringify(value)
        }`,
    );
  }
}

/** What may help where a listener cannot be opened. */
export function listenAdvice(
  { code, port }: Pick<ListenError, "code" | "port">,
  listen: readonly Listen[],
): string {
  const one = listen.find(({ url }) => parseAddress(url).port === port) ?? listen[0];
  const flag = one?.portFlag ?? "-p";
  if (code === "EADDRINUSE") return `; choose another with ${flag}`;
  if (code === "EADDRNOTAVAIL") return "; 0.0.0.0 is every IPv4 address that it has, :: every one";
  if (code !== "EACCES") return "";
  return `; ports below 1024 need root: choose another with ${flag}, or lower net.ipv4.ip_unprivileged_port_start`;
}

/** Says that listeners beyond loopback are open to all. */
function warnOfEverybody(urls: readonly string[], log: Log): void {
  const open = urls.map(parseAddress).filter(({ host }) => !isLoopback(host));
  if (open.length === 0) return;
  const hasPlain = open.some(({ scheme }) => !SCHEMES[scheme].tls);
  log.warn("everybody who reaches this address may connect", {
    url: open.map(addressUrl).join(" "),
    why: hasPlain ? "no TLS, no user names" : "no user names",
  });
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host) || /^::ffff:127\./i.test(host);
}

/** Opens the store of sessions and messages. */
async function open(data: string, { durability, strictStore }: Settings, log: Log): Promise<SqliteStore> {
  const { openStore, StoreError } = await import("../store/mod.ts");
  try {
    const own = new URL(import.meta.url);
    const isBundled = !/\/cli\/serve\.[jt]s$/.test(own.pathname);
    return openStore(data, {
      durability,
      strict: strictStore,
      ...(isBundled && { worker: own }),
      onEvent: (event) => {
        const { path } = event;
        if (event.kind === "made") return log.info("store made", { path });
        if (event.kind === "clock set") {
          const day = (ms: number) => new Date(ms).toISOString();
          const [from, to] = [day(event.from), day(event.to)];
          return log.warn("clock set since the last run; deadlines moved with it", { path, from, to });
        }
        const { why } = event;
        if (event.kind === "damaged") {
          return log.error("store damaged; a restart saves all that can be read", { path, why });
        }
        log.error("store damaged, set aside", { path, to: event.to, why, ...event.saved });
      },
    });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new CallError(`${error.message}${ADVICE[error.trouble] ?? ""}`);
  }
}

/** Advice for each trouble. */
const ADVICE: Partial<Record<StoreTrouble, string>> = {
  locked: "; choose another directory with --data",
  unwritable: "; choose another directory with --data, or --memory to go without",
  newer: "; run the version that wrote it, or choose another directory with --data",
  foreign: "; choose another directory with --data",
  corrupt: "; without --strict-store it is set aside, and all that can be read is saved",
};

/** What a server is started with. */
interface Started {
  readonly tls: TlsServerOptions | undefined;
  readonly permissions: Permissions | undefined;
  readonly store: SqliteStore | undefined;
  readonly begun: number;
}

async function start(
  { listen, limits }: Settings,
  { tls, permissions, store, begun }: Started,
  log: Log,
): Promise<Server> {
  try {
    const server = await serve({
      listen: listen.map(({ url }) => url),
      limits: fitting(limits, log),
      hooks: hooksFor(log),
      ...(tls && { tls }),
      ...(permissions && { permissions }),
      ...(store && { store }),
    });
    if (store !== undefined) {
      const ms = Math.round(performance.now() - begun);
      const { sessions, retainedMessages: retained } = server.broker.stats;
      log.info("store read", { sessions, retained, ms });
    }
    return server;
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    throw new CallError(error.message + listenAdvice(error, listen));
  }
}

/** No more connections than the process may have open files: up to a quarter of them for connections without an accepted CONNECT. */
function fitting(limits: Settings["limits"], log: Log): Settings["limits"] {
  const room = connectionsRoom();
  if (room === undefined) return limits;
  const wanted = limits.connectionsMax ?? LIMITS.connectionsMax.default;
  const connecting = limits.connectingMax ?? LIMITS.connectingMax.default;
  if (room >= wanted + connecting) return limits;
  const connectingMax = Math.max(1, Math.min(connecting, Math.floor(room / 4)));
  const connectionsMax = Math.max(1, Math.min(wanted, room - connectingMax));
  const fields = { connectionsMax, connectingMax, advice: "raise ulimit -n" };
  const asked = connectionsMax < (limits.connectionsMax ?? 0) || connectingMax < (limits.connectingMax ?? 0);
  log[asked ? "warn" : "debug"]("connections limited by open files", fields);
  return { ...limits, connectionsMax, connectingMax };
}

/** A signal often comes twice at once: to the process group, and passed on by the parent process (`timeout`, npm). */
const SAME_SIGNAL_MS = 250;

/** Calls `came` for each of these signals that the system and the runtime have. */
function listenTo(names: readonly string[], came: (name: string) => void): void {
  for (const name of names) {
    try {
      process.on(name as NodeJS.Signals, () => came(name));
    } catch { // this system has no such signal
    }
  }
}

/** SIGHUP: new connections see the certificate that the files have now; one that cannot be used changes nothing. */
async function renewCertificate(server: Server, settings: Settings, log: Log): Promise<void> {
  try {
    const tls = await tlsOf(settings, log);
    if (tls === undefined) {
      return log.info("nothing to read again: no listener has TLS", { signal: "SIGHUP" });
    }
    server.renewCertificate(tls);
    log.info("certificate read again", { cert: settings.tlsCert, key: settings.tlsKey });
  } catch (error) {
    log.error("certificate not read again, the old one stays", { why: (error as Error).message });
  }
}

/** Resolves at the first signal. */
function signal(came: (name: string) => void): Promise<void> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    listenTo(Object.keys(SIGNALS), (name) => {
      const at = performance.now();
      if (firstAt !== undefined && at - firstAt > SAME_SIGNAL_MS) process.exit(SIGNALS[name]);
      if (firstAt !== undefined) return;
      firstAt = at;
      came(name);
      resolve();
    });
  });
}
