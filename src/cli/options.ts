/**
 * The flags of `plumb serve` and their environment variables, from the schema of settings; the help is made from it.
 * Knows which of flag, variable and file counts; refuses to know the effects of settings.
 * @module
 */
import type { ApiNumber } from "../api/numbers.ts";
import type { BridgeOptions, BridgeTopic } from "../bridge/mod.ts";
import type { Limits } from "../broker/limits.ts";
import type { TlsOptions } from "../client_api/options.ts";
import type { ToleranceName } from "../codec/mend.ts";
import type { QoS } from "../codec/packet.ts";
import type { ConfigFile, FileBridge, FileLink, FileListener, FileTable } from "../config/file.ts";
import { DEFAULT_DATA, LISTENER_SETTINGS, type LoginNumber, SECTIONS, SETTINGS } from "../config/schema.ts";
import type { Setting } from "../config/setting.ts";
import type { Durability } from "../store/mod.ts";
import type { Anonymous } from "../login/anonymous.ts";
import type { LinkOptions } from "../login/mod.ts";
import type { Environment } from "./environment.ts";
import { CallError, STATUS_HELP } from "./error.ts";
import {
  type Flags,
  flagsHelp,
  HELP_ROWS,
  helpAsked,
  type OptionGroup,
  type OptionRow,
  readFlags,
  type Said,
  SOURCES,
} from "./flags.ts";
import type { LOG_FORMATS, LOG_LEVELS, LogLimitName } from "./log.ts";
import { DEFAULT_TLS_LISTEN, DEFAULT_WEB_LISTEN } from "../server/address.ts";
import type { HookNumbers } from "../rules/numbers.ts";
import type { WebSocketListenOptions } from "../server/listeners.ts";
import type { WebhookSettings } from "../rules/settings.ts";
import type { TlsSettings } from "./tls_files.ts";
import { withScheme } from "./url.ts";

/** The file that is read if it is there and none is named. */
export const DEFAULT_CONFIG = "plumb.toml";

/** The file of a call. */
export const CONFIG_ROW: OptionRow = {
  name: "config",
  kind: "text",
  value: "FILE",
  default: `./${DEFAULT_CONFIG}`,
  about: "a file with settings; flags and variables win",
};

/** All flags of `plumb serve`. */
export const OPTIONS: readonly OptionGroup[] = [
  ...SECTIONS,
  {
    title: "Other",
    rows: [
      CONFIG_ROW,
      {
        name: "check-config",
        kind: "flag",
        about: "print ok, or what is wrong with all settings, and end",
      },
      ...HELP_ROWS,
      { name: "version", short: "Vv", kind: "flag", about: "print the version" },
    ],
  },
];

const ROWS: readonly OptionRow[] = OPTIONS.flatMap(({ rows }) => rows);

/** The values of all flags. */
export interface Settings {
  readonly help: ReturnType<typeof helpAsked>;
  readonly version: boolean;
  readonly listen: readonly Listen[];
  /** Whether no listener was asked for, and `listen` has the default ones. */
  readonly isDefaultListen: boolean;
  /** How many processes share the ports and the memory of the machine; given in a worker. */
  readonly sharers?: number;
  readonly tls: TlsSettings;
  /** More names for the certificate that is made. */
  readonly tlsNames: readonly string[];
  readonly proxyProtocol: readonly string[];
  readonly webSocket: Pick<WebSocketListenOptions, "origins" | "proxies"> & {
    readonly testPage?: boolean;
    readonly metrics?: boolean;
    readonly metricsNames?: boolean;
    readonly page?: boolean;
    readonly api?: boolean;
  };
  /** The page and the HTTP API. */
  readonly web: {
    readonly admins?: readonly string[];
    readonly hosts?: readonly string[];
    readonly tokenFile?: string;
  };
  /** The numbers of the HTTP API. */
  readonly apiLimits: Partial<Readonly<Record<ApiNumber, number>>>;
  readonly passwordFile: string | undefined;
  readonly anonymous: Anonymous;
  /** The numbers of each login chain. */
  readonly loginLimits: Partial<Readonly<Record<LoginNumber, number>>>;
  /** The login chain, if the file has it link by link: then `passwordFile` and `anonymous` do not count. */
  readonly login?: readonly WrittenLink[];
  /** Bridges to other brokers: the file alone has them. */
  readonly bridges?: readonly WrittenBridge[];
  /** Files that say what Clients may do: at most one of them. */
  readonly permissions: string | undefined;
  readonly mosquittoAcl: string | undefined;
  readonly limits: Partial<Limits>;
  readonly features: Features;
  /** Deviations from the standard that Clients may make. */
  readonly tolerate: readonly ToleranceName[];
  /** The data directory; undefined for memory only. */
  readonly data: string | undefined;
  /** Processes that are the broker; auto: as many as there are cores. */
  readonly workers: number | "auto";
  /** In a cluster `log` or `replicated`, else one of the others. */
  readonly durability: Durability | LogDurability;
  /** What was said of a cluster: see `clusterOf()`. */
  readonly cluster?: GivenCluster;
  readonly strictStore: boolean;
  /** A file of hooks. */
  readonly hooks: string | undefined;
  readonly hookLimits: Partial<HookNumbers>;
  readonly webhook: WebhookSettings;
  /** s; 0 for no `$SYS`. */
  readonly sysInterval: number;
  /** Spans for OpenTelemetry. */
  readonly otel: boolean;
  readonly logLevel: typeof LOG_LEVELS[number];
  readonly logFormat: typeof LOG_FORMATS[number];
  readonly logLimits: Partial<Readonly<Record<LogLimitName, number>>>;
}

/** When a message that is in a shard's log is safe: as soon as it is there, or when the disk here has it as well. */
export type LogDurability = "log" | "replicated";

/** How a cluster is reached, and what this broker is in it. */
export interface ClusterSettings {
  readonly servers: readonly string[];
  readonly name: string;
  /** Undefined: by the name of the machine. */
  readonly member?: string;
  /** Undefined: as the cluster has been begun. */
  readonly shards?: number;
  readonly replicas: 1 | 3 | 5;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly tokenFile?: string;
  readonly nkeyFile?: string;
  readonly credentialsFile?: string;
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
}

/** The same as it was said, before it is looked at as a whole. */
export type GivenCluster = Partial<Omit<ClusterSettings, "replicas">> & { readonly replicas?: string };

/** One link of a login chain, and where it is written. */
export interface WrittenLink {
  readonly where: string;
  readonly options: LinkOptions;
}

/** One bridge, and where it is written. */
export interface WrittenBridge {
  readonly where: string;
  readonly options: WrittenBridgeOptions;
}

/** Its options, with names of files in place of their texts. */
export interface WrittenBridgeOptions extends
  Pick<
    BridgeOptions,
    "name" | "url" | "clientId" | "isClean" | "state" | "stateTopic" | "bridgeBit" | "numbers"
  > {
  readonly level?: 5 | 4;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly passwordVariable?: string;
  readonly tls?: TlsOptions;
  readonly topics: readonly BridgeTopic[];
}

/** What the Server does: what CONNACK says of it (§3.2.2.3), and one thing more; see `PolicyOptions`. */
export interface Features {
  readonly maximumQos?: QoS;
  readonly retainAvailable?: boolean;
  readonly wildcardSubscriptionAvailable?: boolean;
  readonly subscriptionIdentifiersAvailable?: boolean;
  readonly sharedSubscriptionAvailable?: boolean;
  readonly takeoverByOthers?: boolean;
}

/** A listener that is asked for. */
export interface Listen {
  readonly url: string;
  /** The flag that gave the address, as it was written, and its value. */
  readonly flag: string;
  readonly value: string;
  /** The flag that gives the port. */
  readonly portFlag: string;
  /** Another worker listens there. */
  readonly isElsewhere?: true;
  /** Settings of its own, in place of the broker's: of a `[[listener]]` in the file. */
  readonly own?: ListenerSettings;
}

/** The settings that a listener may have for itself. */
export type ListenerSettings = Partial<
  Pick<
    Settings,
    | "limits"
    | "features"
    | "tolerate"
    | "tls"
    | "proxyProtocol"
    | "webSocket"
    | "passwordFile"
    | "anonymous"
    | "permissions"
    | "mosquittoAcl"
    | "login"
  >
>;

/** The flags and variables of a call. Its file, if it names one, is not read yet. */
export interface Call {
  readonly said: Said;
  readonly help: ReturnType<typeof helpAsked>;
  readonly version: boolean;
  /** `--config` or its variable. */
  readonly config: string | undefined;
  readonly isCheck: boolean;
}

/**
 * Reads arguments and environment; `more` has the flags that a command takes besides those of the broker.
 * @throws {CallError}
 */
export function callOf(
  args: readonly string[],
  environment: Environment,
  more: readonly OptionRow[] = [],
): Call {
  const flags: Flags = { rows: [...ROWS, ...more], help: "plumb --help-all" };
  const said = readFlags(args, environment, flags);
  const one = (name: string): string | undefined => said.given.get(name)?.at(-1);
  return {
    said,
    help: helpAsked(said),
    version: one("version") === "true",
    config: one("config"),
    isCheck: one("check-config") === "true",
  };
}

/**
 * Reads arguments and environment, and puts them over the values of a file.
 * @throws {CallError}
 */
export function settingsOf(
  args: readonly string[],
  environment: Environment,
  file?: ConfigFile,
): Settings {
  return settingsOfCall(callOf(args, environment), file);
}

/**
 * The values that hold: those of flags, else of variables, else of the file, else the defaults.
 * @throws {CallError} for values that exclude each other.
 */
export function settingsOfCall({ said: written, help, version }: Call, file?: ConfigFile): Settings {
  const said = over(written, file);
  const { given } = said;
  const set = optionsOf(SETTINGS, (name) => given.get(name));
  return {
    limits: {},
    features: {},
    tolerate: [],
    logLimits: {},
    tls: {},
    tlsNames: [],
    proxyProtocol: [],
    webSocket: {},
    web: {},
    apiLimits: {},
    passwordFile: undefined,
    anonymous: "loopback",
    loginLimits: {},
    permissions: undefined,
    mosquittoAcl: undefined,
    hooks: undefined,
    hookLimits: {},
    webhook: {},
    workers: 1,
    durability: "fsync",
    strictStore: false,
    sysInterval: 10,
    otel: false,
    logLevel: "info",
    logFormat: "logfmt",
    ...set,
    help,
    version,
    listen: listenOf(said, file?.listeners ?? []),
    isDefaultListen: LISTEN_NAMES.every((name) => !given.has(name)) && (file?.listeners ?? []).length === 0,
    data: dataOf(said),
    ...chainOf(said, file?.links),
    ...file?.bridges && { bridges: file.bridges.map(bridgeOf) },
    ...file?.sni && { tls: { ...set.tls, sni: file.sni.map(sniOf) } },
  };
}

/** @throws {CallError} for a chain in the file, and one by flags or variables. */
function chainOf(said: Said, links: readonly FileLink[] | undefined): Pick<Settings, "login"> {
  if (links === undefined) return {};
  const name = ["password-file", "anonymous"].find((name) => said.given.has(name));
  if (name === undefined) return { login: links.map(linkOf) };
  throw new CallError(`${said.written(name)} and the [[login]] of ${links[0]!.where} exclude each other`);
}

function sniOf({ rows, values }: FileTable): NonNullable<TlsSettings["sni"]>[number] {
  return optionsOf(rows, (name) => values.get(name)?.values) as { certificate: string; key: string };
}

function bridgeOf({ where, rows, values, topics }: FileBridge): WrittenBridge {
  const of = (table: FileTable) => optionsOf(table.rows, (name) => table.values.get(name)?.values);
  const options = { ...optionsOf(rows, (name) => values.get(name)?.values), topics: topics.map(of) };
  return { where, options: options as unknown as WrittenBridgeOptions };
}

function linkOf({ kind, where, rows, values }: FileLink): WrittenLink {
  const given: Record<string, unknown> = { ...optionsOf(rows, (name) => values.get(name)?.values) };
  for (const name of ["issuer", "audience"]) {
    const all = given[name] as readonly string[] | undefined;
    if (all?.length === 1) given[name] = all[0];
  }
  return { where, options: { kind, ...given } as unknown as LinkOptions };
}

/** Flags and variables over the values of a file. */
export function over(said: Said, file: ConfigFile | undefined): Said {
  if (file === undefined) return said;
  const given = new Map(said.given);
  for (const [name, { values }] of file.values) if (!given.has(name)) given.set(name, values);
  return {
    ...said,
    given,
    written: (name) => {
      const inFile = said.given.has(name) ? undefined : file.values.get(name);
      return inFile === undefined ? said.written(name) : `${inFile.where}: ${keyOf(name)}`;
    },
    source: (name) => said.source(name) ?? (file.values.has(name) ? "file" : undefined),
  };
}

function keyOf(name: string): string {
  return SETTINGS.find((row) => row.name === name)?.key ?? name;
}

/** The options that rows set, by their paths; `all` gives the valid values of a name. */
function optionsOf(
  rows: readonly Setting[],
  all: (name: string) => readonly string[] | undefined,
): ListenerSettings {
  const options: Record<string, unknown> = {};
  for (const row of rows) {
    const values = all(row.name);
    if (values === undefined || SPECIAL.has(row.option)) continue;
    const tables = row.option.split(".");
    const last = tables.pop()!;
    const table = tables.reduce((inside, name) => (inside[name] ??= {}) as typeof options, options);
    table[last] = row.kind === "list" ? values : valueOf(row, values.at(-1)!);
  }
  return options;
}

/** The settings that give listeners without settings of their own. */
const LISTEN_NAMES = ["listen", "listen-addr", "port"];

/** Options that more than one setting decides about. */
const SPECIAL: ReadonlySet<string> = new Set(["listen", "data"]);

/** A valid value in the form that options have. */
function valueOf({ kind, name }: Setting, text: string): unknown {
  if (name === "durability") {
    return text.startsWith("interval=") ? Number(text.slice("interval=".length)) : text;
  }
  if (kind === "integer") return /^\d+$/.test(text) ? Number(text) : text;
  return kind === "flag" || kind === "switch" ? text === "true" : text;
}

function dataOf(said: Said): string | undefined {
  const { given, written } = said;
  const data = given.get("data")?.at(-1);
  if (given.get("memory")?.at(-1) !== "true") return data ?? DEFAULT_DATA;
  const rankOf = (name: string) => SOURCES.findIndex((one) => one === said.source(name));
  const [ofData, ofMemory] = [rankOf("data"), rankOf("memory")];
  if (ofData === ofMemory) {
    throw new CallError(`${written("data")} and ${written("memory")} exclude each other`);
  }
  return ofMemory > ofData ? undefined : data; // the command line wins, then the environment
}

/**
 * `--listen-addr` and `--port` make one listener besides the URLs of `--listen`. If flags or variables give one, those of the file do
 * not count. Without any there are the default ones.
 */
function listenOf(said: Said, tables: readonly FileListener[]): readonly Listen[] {
  const outside = LISTEN_NAMES.filter((name) => !["file", undefined].includes(said.source(name)));
  const names = outside.length > 0 ? outside : LISTEN_NAMES;
  const taken = new Map(names.map((name) => [name, said.given.get(name)]));
  const flag = said.written("listen");
  const urls = (taken.get("listen") ?? [])
    .map((value): Listen => ({ url: withScheme(value), flag, value, portFlag: flag }));
  if (outside.length === 0) urls.push(...tables.map(ofTable));
  const host = taken.get("listen-addr")?.at(-1);
  const port = taken.get("port")?.at(-1);
  if (host === undefined && port === undefined && urls.length > 0) return urls;
  const value = host ?? "localhost";
  const bracketed = value.includes(":") && !value.startsWith("[") ? `[${value}]` : value;
  const portFlag = port === undefined ? "-p" : said.written("port");
  const url = `mqtt://${bracketed}:${port ?? "1883"}`;
  const plain: Listen = { url, flag: said.written("listen-addr"), value, portFlag };
  if (host !== undefined || port !== undefined) return [plain, ...urls];
  const more = [DEFAULT_TLS_LISTEN, DEFAULT_WEB_LISTEN];
  return [plain, ...more.map((url): Listen => ({ url, flag, value: url, portFlag: "--listen" }))];
}

function ofTable({ url, where, values, links, sni }: FileListener): Listen {
  const flag = `${where}: url`;
  const set = optionsOf(LISTENER_SETTINGS, (name) => values.get(name)?.values);
  const own = {
    ...set,
    ...links && { login: links.map(linkOf) },
    ...sni && { tls: { ...set.tls, sni: sni.map(sniOf) } },
  };
  return { url, flag, value: url, portFlag: flag, own };
}

/** The help of `plumb serve`, which is that of `plumb`. */
export function helpText(isAll = false): string {
  const rare = ROWS.filter((row) => row.rare).length;
  return [
    "plumb [serve] [flags]   runs an MQTT 5.0, 3.1.1 and 3.1 broker\n" +
    "plumb pub|sub|request   publishes, subscribes, asks, with the flags of mosquitto's tools\n" +
    "plumb audit|bench URL   checks a broker against the standard; measures one, or compares two\n" +
    "plumb init DIR          makes a broker with TLS, a user and permissions\n" +
    "plumb config show       prints every setting, and where its value comes from\n" +
    "plumb export|import     data as a snapshot, and back; plumb import takes a mosquitto.conf too\n" +
    "plumb acl test          says whether a Client may do something, and by which rule\n" +
    "plumb backup FILE       copies the data, also while it runs; plumb verify, compact check, shrink it\n" +
    "plumb page              prints the address of the page; plumb cluster status shows a cluster\n" +
    "plumb explain|trace     says why a Client gets a message or does not; shows packets as they pass\n" +
    "plumb passwd FILE USER  sets, checks or deletes the password of a user\n" +
    "plumb help COMMAND      says more of one of them; plumb version prints the version",
    ...flagsHelp(OPTIONS, isAll),
    ...isAll ? [] : [`plumb --help-all names ${rare} flags more, every limit among them.`],
    "Every flag has an environment variable: --log-level is PLUMB_LOG_LEVEL. Flags win, then variables.",
    STATUS_HELP,
  ].join("\n\n") + "\n";
}
