/**
 * The flags of `plumb serve` and their environment variables, in one table; the help is made from it.
 * Knows names, kinds and defaults; refuses to know their effects.
 * @module
 */
import { type LimitName, type LimitRow, LIMITS, type Limits } from "../broker/limits.ts";
import { DEFAULT_LISTEN } from "../server/address.ts";
import type { Durability } from "../store/mod.ts";
import { PERMISSION_ROWS } from "./permissions.ts";
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
  variableOf,
} from "./flags.ts";
import { LOG_FORMATS, LOG_LEVELS, LOG_LIMITS, type LogLimitName } from "./log.ts";
import { withScheme } from "./url.ts";

export { type OptionGroup, type OptionRow, variableOf };

/** A flag that may set a limit. */
interface LimitOption extends OptionRow {
  readonly limit?: LimitName;
  readonly logLimit?: LogLimitName;
}

/** The flag of a row in a table of limits. */
function limitRow(
  name: string,
  { least, most, default: value, unit, about }: Omit<LimitRow, "scope">,
): OptionRow {
  return {
    name: kebab(name),
    kind: "integer",
    value: "N",
    least,
    most,
    default: String(value),
    about: unit === "bytes" || unit === "ms" || unit === "s" ? `${about} (${unit})` : about,
    rare: true,
  };
}

/** The default directory of sessions and messages. */
export const DEFAULT_DATA = "./plumb-data";

/** Names of limits that people know from other brokers. */
const KNOWN_AS: Partial<Record<LimitName, { readonly short: string; readonly also: string }>> = {
  sessionsMax: { short: "s", also: "max-sessions" },
  connectionsMax: { short: "a", also: "max-active-sessions" },
};

/** All flags of `plumb serve`. */
export const OPTIONS: readonly (OptionGroup & { readonly rows: readonly LimitOption[] })[] = [
  {
    title: "Where to listen, and to whom",
    rows: [
      {
        name: "listen",
        kind: "list",
        value: "URL",
        default: DEFAULT_LISTEN,
        about:
          "a listener: mqtt://HOST:PORT or, with TLS, mqtts://HOST:PORT; may be given more than once; localhost is " +
          "127.0.0.1 and ::1",
      },
      {
        name: "listen-addr",
        short: "l",
        kind: "text",
        value: "ADDR",
        default: "localhost",
        about: "in short, for one listener without TLS: its address",
      },
      {
        name: "port",
        short: "p",
        kind: "integer",
        value: "N",
        least: 0,
        most: 65_535,
        default: "1883",
        about: "its port; 0 takes any free one",
      },
      {
        name: "tls-cert",
        kind: "text",
        value: "FILE",
        about: "the certificate for mqtts://, in PEM, its issuers behind it",
      },
      {
        name: "tls-key",
        kind: "text",
        value: "FILE",
        about: "its private key, in PEM, without a passphrase",
      },
      ...PERMISSION_ROWS,
    ],
  },
  {
    title: "Sessions and retained messages",
    rows: [
      {
        name: "data",
        kind: "text",
        value: "DIR",
        default: DEFAULT_DATA,
        about: "the directory they are kept in, made if need be",
      },
      {
        name: "memory",
        kind: "flag",
        about: "keep nothing: they end with the process",
      },
      {
        name: "durability",
        kind: "text",
        value: "LEVEL",
        default: "fsync",
        about:
          "a message is acknowledged when it is on the disk (fsync), when the system has it (os: a power cut may lose it) " +
          "or at once (interval=MS: the last MS milliseconds may be lost)",
      },
      {
        name: "strict-store",
        kind: "flag",
        rare: true,
        about:
          "do not start with a damaged store; without this it is set aside, and all that can be read of it is saved",
      },
    ],
  },
  {
    title: "Log, on stderr",
    rows: [
      {
        name: "log-level",
        kind: "choice",
        choices: LOG_LEVELS,
        default: "info",
        value: "LEVEL",
        about: `the least that is written: ${LOG_LEVELS.join(", ")}`,
      },
      {
        name: "log-format",
        kind: "choice",
        choices: LOG_FORMATS,
        rare: true,
        default: "logfmt",
        about: "the form of a line",
      },
      ...(Object.keys(LOG_LIMITS) as LogLimitName[]).map((logLimit): LimitOption => ({
        ...limitRow(logLimit, LOG_LIMITS[logLimit]),
        logLimit,
      })),
    ],
  },
  {
    title: "Limits",
    rows: (Object.entries(LIMITS) as [LimitName, LimitRow][]).map(([limit, row]): LimitOption => ({
      ...limitRow(limit, row),
      ...KNOWN_AS[limit],
      limit,
    })),
  },
  {
    title: "Other",
    rows: [
      ...HELP_ROWS,
      { name: "version", short: "Vv", kind: "flag", about: "print the version" },
    ],
  },
];

const ROWS: readonly LimitOption[] = OPTIONS.flatMap(({ rows }) => rows);
const FLAGS: Flags = { rows: ROWS, help: "plumb --help-all" };

/** The values of all flags. */
export interface Settings {
  readonly help: ReturnType<typeof helpAsked>;
  readonly version: boolean;
  readonly listen: readonly Listen[];
  /** Files for the listeners with TLS. */
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  /** Files that say what Clients may do. */
  readonly permissions: string | undefined;
  readonly mosquittoAcl: string | undefined;
  readonly limits: Partial<Limits>;
  /** The data directory; undefined for memory only. */
  readonly data: string | undefined;
  readonly durability: Durability;
  readonly strictStore: boolean;
  readonly logLevel: typeof LOG_LEVELS[number];
  readonly logFormat: typeof LOG_FORMATS[number];
  readonly logLimits: Partial<Readonly<Record<LogLimitName, number>>>;
}

/** A listener that is asked for. */
export interface Listen {
  readonly url: string;
  /** The flag that gave the address, as it was written, and its value. */
  readonly flag: string;
  readonly value: string;
  /** The flag that gives the port. */
  readonly portFlag: string;
}

/**
 * Reads arguments and environment.
 * @throws {CallError}
 */
export function settingsOf(args: readonly string[], environment: Environment): Settings {
  const said = readFlags(args, environment, FLAGS);
  const { given } = said;
  const one = (name: string): string | undefined => given.get(name)?.at(-1);
  const limits: Partial<Record<LimitName, number>> = {};
  const logLimits: Partial<Record<LogLimitName, number>> = {};
  for (const { name, limit, logLimit } of ROWS) {
    const value = one(name);
    if (limit !== undefined && value !== undefined) limits[limit] = Number(value);
    if (logLimit !== undefined && value !== undefined) logLimits[logLimit] = Number(value);
  }
  return {
    help: helpAsked(said),
    version: one("version") === "true",
    listen: listenOf(said),
    tlsCert: one("tls-cert"),
    tlsKey: one("tls-key"),
    permissions: one("permissions"),
    mosquittoAcl: one("mosquitto-acl"),
    limits,
    data: dataOf(said),
    durability: durabilityOf(one("durability") ?? "fsync"),
    strictStore: one("strict-store") === "true",
    logLevel: (one("log-level") ?? "info") as Settings["logLevel"],
    logFormat: (one("log-format") ?? "logfmt") as Settings["logFormat"],
    logLimits,
  };
}

function dataOf({ given, written }: Said): string | undefined {
  const data = given.get("data")?.at(-1);
  if (given.get("memory")?.at(-1) !== "true") return data ?? DEFAULT_DATA;
  if (data === undefined) return undefined;
  const [ofData, ofMemory] = ["data", "memory"].map((name) => written(name).startsWith("-"));
  if (ofData === ofMemory) {
    throw new CallError(`${written("data")} and ${written("memory")} exclude each other`);
  }
  return ofMemory ? undefined : data; // the command line wins
}

function durabilityOf(level: string): Durability {
  if (level === "fsync" || level === "os") return level;
  const ms = Number(/^interval=(\d{1,7})$/.exec(level)?.[1] ?? 0);
  if (ms > 0) return ms;
  throw new CallError(`--durability takes fsync, os or interval=MS, not ${JSON.stringify(level)}`);
}

/** `--listen-addr` and `--port` make one listener besides the URLs of `--listen`; without any of the three there is the default one. */
function listenOf({ given, written }: Said): readonly Listen[] {
  const flag = written("listen");
  const urls = (given.get("listen") ?? [])
    .map((value): Listen => ({ url: withScheme(value), flag, value, portFlag: flag }));
  const host = given.get("listen-addr")?.at(-1);
  const port = given.get("port")?.at(-1);
  if (host === undefined && port === undefined && urls.length > 0) return urls;
  const value = host ?? "localhost";
  const bracketed = value.includes(":") && !value.startsWith("[") ? `[${value}]` : value;
  const portFlag = port === undefined ? "-p" : written("port");
  const url = `mqtt://${bracketed}:${port ?? "1883"}`;
  return [{ url, flag: written("listen-addr"), value, portFlag }, ...urls];
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The help of `plumb serve`, which is that of `plumb`. */
export function helpText(isAll = false): string {
  const rare = ROWS.filter((row) => row.rare).length;
  return [
    "plumb [serve] [flags]   runs an MQTT 5.0, 3.1.1 and 3.1 broker\n" +
    "plumb audit URL         checks a broker against the standard\n" +
    "plumb bench URL         measures a broker, or compares two\n" +
    "plumb acl test          says whether a Client may do something, and by which rule\n" +
    "plumb backup FILE       copies the data of a broker, which may keep running\n" +
    "plumb verify            checks the data for faults\n" +
    "plumb compact           makes the data file smaller\n" +
    "plumb help COMMAND      says more of one of them; plumb version prints the version",
    ...flagsHelp(OPTIONS, isAll),
    ...isAll ? [] : [`plumb --help-all names ${rare} flags more, every limit among them.`],
    "Every flag has an environment variable: --log-level is PLUMB_LOG_LEVEL. The command line wins.",
    STATUS_HELP,
  ].join("\n\n") + "\n";
}
