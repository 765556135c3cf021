/**
 * `plumb serve`: a broker until a signal comes.
 * Knows how it begins and ends; refuses to know how flags are written.
 * @module
 */
import { join } from "node:path";
import { LIMITS } from "../broker/mod.ts";
import {
  AddressError,
  addressUrl,
  DEFAULT_TLS_LISTEN,
  DEFAULT_WEB_LISTEN,
  isLoopback,
  parseAddress,
  SCHEMES,
} from "../server/address.ts";
import { AddressList } from "../server/address_list.ts";
import {
  ListenError,
  type ReconfigureOptions,
  serve,
  type Server,
  systemTopics,
  type SystemTopicsOptions,
} from "../server/serve.ts";
import { STORE_FILE } from "../store/files.ts";
import type { SqliteStore } from "../store/mod.ts";
import { Bridges, plansOf } from "./bridges.ts";
import { watchText } from "./config_file.ts";
import { clusterOf } from "./cluster/settings.ts";
import { CallError, STATUS } from "./error.ts";
import type { Log } from "./log.ts";
import { letsInOthers, linksOf, type LoginSettings } from "./login.ts";
import { LoginSet, loginSettings } from "./login_set.ts";
import { hooksFor } from "./log_hooks.ts";
import { machineMemory, memoryFor } from "./machine_memory.ts";
import { connectionsRoom } from "./open_files.ts";
import type { Listen, Settings } from "./options.ts";
import { otelSpans } from "./otel.ts";
import { isPermitted } from "./permitted.ts";
import { type Prepared, Reload } from "./reload.ts";
import { openData } from "./open_data.ts";
import { PermissionSet } from "./permission_set.ts";
import { RuleSet } from "./rule_set.ts";
import { type OptionParts, serveOptionsOf } from "./serve_options.ts";
import type { PartStore, ServePart } from "./part.ts";
import { checkTestPage } from "./test_page.ts";
import { ServiceManager } from "./service_manager.ts";
import { endSignal, IGNORED, listenTo, RELOAD } from "./signals.ts";
import { TlsSet } from "./tls_set.ts";
import { VERSION } from "./version.ts";
import { Watch } from "./watch.ts";
import { isDivided } from "./workers/layout.ts";

/** The file that the settings come from in part, and how all of them are read again. */
export interface Source {
  readonly path: string;
  /** The text that was read last. */
  readonly text: string;
  read(): Promise<Settings>;
}

/**
 * Checks addresses, and reads the files that settings name: everything that can be wrong before something is opened.
 * @throws {CallError}
 */
export async function checkSettings(settings: Settings, log: Log): Promise<void> {
  clusterOf(settings);
  for (const one of settings.listen) checkAddress(one);
  checkWebSockets(settings);
  await new TlsSet(settings, log).check();
  await PermissionSet.open(settings, log);
  await plansOf(settings);
  const logins = await LoginSet.open(settings, log);
  await logins.close();
  await RuleSet.check(settings, log);
}

/**
 * Runs a broker until SIGINT, SIGTERM or SIGQUIT, and until its last connection is over then. A second signal ends the
 * process; `ready` is called once it listens. SIGHUP reads certificates, passwords, permissions and, if there is a file, all settings again; so does a change of a file. Gives the exit status.
 * `part` is given in a worker, which its supervisor ends, and tells to read settings again, in place of signals.
 * @throws {CallError} when it cannot begin.
 */
export async function serveCommand(
  asked: Settings,
  log: Log,
  source?: Source,
  ready?: (addresses: readonly string[]) => void,
  part?: ServePart,
): Promise<number> {
  for (const one of asked.listen) checkAddress(one);
  checkWebSockets(asked);
  const settings = permitted(asked, log);
  const tlsOf = (settings: Settings) => new TlsSet(part?.withCertificates(settings) ?? settings, log);
  let tls = tlsOf(settings);
  const given = tls.isOwn ? undefined : await tls.read(); // before anything is done
  let permissions = await PermissionSet.open(settings, log);
  const plans = await plansOf(settings);
  const manager = new ServiceManager(log);
  const stopped = part?.stopped ?? endSignal((name) => log.info("stopping", { signal: name }));
  let reload = (): void => {}; // what is read at the start is not read twice
  if (part === undefined) listenTo(RELOAD, () => reload());
  else part.reload = () => reload();
  listenTo(IGNORED, (name) => log.debug("ignored", { signal: name }));
  const begun = performance.now();
  const opened = await (part === undefined ? storeAlone(settings, log) : part.openStore(settings, log));
  const store = opened?.store;
  let status: number = STATUS.good;
  let logins: LoginSet | undefined;
  let rules: RuleSet | undefined;
  try {
    logins = await LoginSet.open(settings, log);
    rules = await RuleSet.open(settings, log);
    const watch = new Watch();
    watch.api.take({ settings, asked: part?.asked, logins, permissions, log });
    const parts = { tls: given ?? await tls.read(), logins, permissions, web: watch.web };
    const options = optionsOf(settings, parts, rules, log);
    const seen = await part?.show(watch);
    const server = await start(settings, options, store, begun, log, part, seen?.whole);
    watch.server = server;
    if (opened !== undefined) watch.store = opened;
    watch.rules = rules;
    rules.attach(server);
    logins.knows(server.broker, settings);
    const tell = teller(server, log);
    tell(settings);
    tls.introduce(server.addresses);
    ready?.(server.addresses);
    manager.ready(`listening on ${server.addresses.join(", ")}`);
    tls.watch(server);
    permissions.watch();
    const bridges = watch.bridges = new Bridges(server, log, settings.otel ? await otelSpans() : undefined);
    const hasBridges = part?.hasBridges ?? true;
    if (hasBridges) {
      await bridges.change(plans).catch((error) => server.close().then(() => Promise.reject(error)));
    }
    const prepare = async (wanted: Settings): Promise<Prepared> => {
      for (const one of wanted.listen) checkAddress(one);
      checkWebSockets(wanted);
      const next = permitted(wanted, log);
      const nextTls = tlsOf(next);
      const nextPermissions = await PermissionSet.open(next, log, permissions);
      const nextPlans = await plansOf(next);
      const nextLogins = await LoginSet.open(next, log, logins);
      const nextRules = await RuleSet.open(next, log, rules).catch((error) => {
        void nextLogins.close(logins);
        return Promise.reject(error);
      });
      const refused = () => {
        void nextLogins.close(logins);
        void nextRules.close(rules);
      };
      const texts = await nextTls.read().catch((error) => (refused(), Promise.reject(error)));
      return {
        options: optionsOf(
          next,
          { tls: texts, logins: nextLogins, permissions: nextPermissions, web: watch.web },
          nextRules,
          log,
        ),
        refused,
        applied: () => {
          void logins?.close(nextLogins);
          logins = nextLogins;
          void logins.reload();
          void rules?.close(nextRules);
          watch.rules = rules = nextRules;
          rules.attach(server);
          permissions.close();
          permissions = nextPermissions;
          permissions.apply();
          permissions.watch();
          watch.api.take({ settings: next, asked: part?.asked, logins, permissions, log });
          tls.close();
          tls = nextTls;
          tls.watch(server);
          if (hasBridges) {
            bridges.change(nextPlans).catch(({ message }) => log.error("bridge not begun", { why: message }));
          }
        },
      };
    };
    const watched = source && reloadFrom(source, server, settings, prepare, tell, log);
    reload = watched ? () => (watched.reload(), void rules?.reload()) : (() => {
      const isNothing = tls.isEmpty && permissions.isEmpty && settings.passwordFile === undefined &&
        settings.hooks === undefined;
      if (isNothing) log.info("nothing to read again: no settings name a file", { signal: "SIGHUP" });
      void tls.renew(server, "SIGHUP");
      void logins?.reload();
      void permissions.reload();
      void rules?.reload();
    });
    await stopped;
    manager.stopping();
    await watched?.close(); // what a reload begins is not to outlive the server
    tls.close();
    permissions.close();
    watch.server = undefined;
    await bridges.close();
    const end = () => server.close();
    await (part === undefined ? end() : part.leave(end));
  } finally {
    await logins?.close();
    await rules?.close();
    await store?.close().catch((error: Error) => {
      log.error("not everything could be stored", { error: error.message });
      status = STATUS.found;
    });
  }
  if (part === undefined) log.info("stopped");
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

function checkWebSockets({ proxyProtocol, webSocket, listen }: Settings): void {
  const check = (where: string, proxies: readonly string[] = []) => {
    try {
      new AddressList(proxies);
    } catch (error) {
      throw error instanceof AddressError ? new CallError(`${where}: ${error.message}`) : error;
    }
  };
  check("--proxy-protocol", proxyProtocol);
  check("--websocket-proxies", webSocket.proxies);
  if (webSocket.testPage || listen.some(({ own }) => own?.webSocket?.testPage)) checkTestPage();
  for (const { own, flag } of listen) {
    check(flag.replace(/: url$/, ": proxy-protocol"), own?.proxyProtocol);
    check(flag.replace(/: url$/, ": websocket.proxies"), own?.webSocket?.proxies);
  }
}

/** The default listeners beside that for MQTT were not asked for by name, so Deno does not ask whether they may be opened. */
function permitted(settings: Settings, log: Log): Settings {
  if (!settings.isDefaultListen) return settings;
  const hosts: Readonly<Record<string, readonly [what: string, ...hosts: string[]]>> = {
    [DEFAULT_TLS_LISTEN]: ["no TLS", "[::]"],
    [DEFAULT_WEB_LISTEN]: ["no page", "127.0.0.1", "[::1]"],
  };
  const listen = settings.listen.filter(({ url }) => {
    const [what, ...all] = hosts[url] ?? [""];
    const wanted = all.map((host) => `${host}:${parseAddress(url).port}`);
    if (wanted.every((host) => isPermitted({ name: "net", host }))) return true;
    log.warn(`${what}: its listener may not be opened`, { url, advice: `--allow-net=${wanted.join(",")}` });
    return false;
  });
  return { ...settings, listen };
}

/** What may help where a listener cannot be opened. */
export function listenAdvice(
  { code, host, port }: Pick<ListenError, "code" | "host" | "port">,
  listen: readonly Listen[],
): string {
  if (host.startsWith("/")) return ""; // a Unix socket: the reason says it all
  const one = listen.find(({ url }) => parseAddress(url).port === port) ?? listen[0];
  const flag = one?.portFlag ?? "-p";
  if (code === "EADDRINUSE") return `; choose another with ${flag}`;
  if (code === "EADDRNOTAVAIL") return "; 0.0.0.0 is every IPv4 address that it has, :: every one";
  if (code !== "EACCES") return "";
  return `; ports below 1024 need root: choose another with ${flag}, or lower net.ipv4.ip_unprivileged_port_start`;
}

/** What a person is told of an address. */
interface Told {
  readonly links: string;
  readonly tolerated: string;
}

/** Tells of the addresses of a server: of each once, and again when its login or what it tolerates is another. */
function teller(server: Pick<Server, "addressesOf">, log: Log): (settings: Settings) => void {
  let told: ReadonlyMap<string, Told> = new Map();
  return (settings) => {
    const now = new Map<string, Told>();
    // Listeners with one chain are one line.
    const groups = new Map<string, { readonly login: LoginSettings; readonly urls: string[] }>();
    const isNews = (url: string, what: keyof Told) => told.get(url)?.[what] !== now.get(url)![what];
    for (const [i, urls] of server.addressesOf.entries()) {
      const { own } = settings.listen[i]!;
      const login = loginSettings(settings, own);
      const links = JSON.stringify(linksOf(login));
      for (const url of urls) {
        now.set(url, { links, tolerated: (own?.tolerate ?? settings.tolerate).join(" ") });
        if (!told.has(url)) log.info("listening", { url });
        if (!isNews(url, "links")) continue;
        const group = groups.get(links) ?? { login, urls: [] };
        group.urls.push(url);
        groups.set(links, group);
      }
    }
    for (const { login, urls } of groups.values()) warnOfEverybody(urls, login, log);
    for (const [url, { tolerated }] of now) {
      if (tolerated === "" || !isNews(url, "tolerated")) continue;
      log.warn("deviations from the standard are tolerated", { url, tolerate: tolerated });
    }
    told = now;
  };
}

/** Says that listeners beyond loopback are open to all, or to nobody. */
function warnOfEverybody(
  urls: readonly string[],
  login: LoginSettings,
  log: Log,
): void {
  const open = urls.map(parseAddress).filter(({ host }) => !isLoopback(host));
  if (open.length === 0) return;
  if (!letsInOthers(login)) {
    const advice =
      "plumb passwd FILE USER and --password-file FILE let users in, --anonymous always everybody";
    return log.warn("clients of other machines are refused", { url: open.map(addressUrl).join(" "), advice });
  }
  if (!linksOf(login).some((link) => link.kind === "anonymous" && link.from === "always")) return;
  const hasPlain = open.some(({ scheme }) => !SCHEMES[scheme].tls);
  log.warn("everybody who reaches this address may connect", {
    url: open.map(addressUrl).join(" "),
    why: hasPlain ? "anonymous is always, no TLS" : "anonymous is always",
  });
}

/** The store of a broker that is one process; if there were several, their stores are put together. */
async function storeAlone(settings: Settings, log: Log): Promise<PartStore | undefined> {
  const { data } = settings;
  if (data === undefined) return undefined;
  if (isDivided(data)) {
    const { arrange } = await import("./workers/data.ts");
    (await arrange(data, 1, settings, log)).release();
  }
  return { store: await openData(data, settings, log), path: join(data, STORE_FILE) };
}

/** Everything that settings say about the server, at the start and at each reload. */
function optionsOf(settings: Settings, parts: OptionParts, rules: RuleSet, log: Log): ReconfigureOptions {
  return {
    ...serveOptionsOf(settings, parts, log),
    limits: fitting({ ...settings.limits, memoryBytesMax: memoryHere(settings, log) }, log),
    hooks: rules.over(hooksFor(log, settings.logLevel)),
  };
}

async function start(
  { listen, sysInterval, otel }: Settings,
  options: ReconfigureOptions,
  store: SqliteStore | undefined,
  begun: number,
  log: Log,
  part: ServePart | undefined,
  whole: SystemTopicsOptions["whole"],
): Promise<Server> {
  try {
    const server = await serve({
      ...options,
      ...part && { nodes: part.nodes, listen: [] },
      ...(store && { store }),
      ...otel && { spans: await otelSpans() },
      ...sysInterval > 0 &&
        {
          systemTopics: systemTopics({
            intervalMs: sysInterval * 1_000,
            version: `plumb version ${VERSION}`,
            since: Date.now(),
            whole,
          }),
        },
    });
    if (part !== undefined) {
      await part.join(server); // before a Client comes
      await server.reconfigure(options).catch((error) => server.close().then(() => Promise.reject(error)));
    }
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

/** The given value of `memoryBytesMax`, else by the memory that there is. */
function memoryHere({ limits, sharers = 1 }: Settings, log: Log): number {
  if (limits.memoryBytesMax !== undefined) return limits.memoryBytesMax;
  const { default: all, least } = LIMITS.memoryBytesMax;
  const most = Math.ceil(all / sharers);
  const there = machineMemory();
  const memoryBytesMax = memoryFor(there && there / sharers, least, most);
  if (memoryBytesMax !== most) log.info("memory limited to half of what there is", { memoryBytesMax });
  return memoryBytesMax;
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

/** SIGHUP, or another text in the file: all settings are read again. */
function reloadFrom(
  source: Source,
  server: Server,
  settings: Settings,
  prepare: (settings: Settings) => Promise<Prepared>,
  opened: (settings: Settings) => void,
  log: Log,
): { reload(): void; close(): Promise<void> } {
  const all = new Reload({
    server,
    log,
    settings,
    read: () => source.read(),
    opened,
    prepare,
  });
  const { path: file } = source;
  const watcher = watchText(
    file,
    source.text,
    (text) => void (text !== source.text && all.run({ file })), // SIGHUP may have come first
    (error) => log.warn("file is not watched; SIGHUP reads it again", { file, why: error.message }),
  );
  return {
    reload: () => void all.run({ file, signal: "SIGHUP" }),
    close: () => {
      watcher.close();
      return all.settled;
    },
  };
}
