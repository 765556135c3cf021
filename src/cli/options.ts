/**
 * The flags of `plumb serve` and their environment variables, in one table; the help is made from it.
 * Knows names, kinds and defaults; refuses to know their effects.
 * @module
 */
import { type LimitName, type LimitRow, LIMITS, type Limits } from "../broker/limits.ts";
import { DEFAULT_LISTEN } from "../server/address.ts";
import type { Durability } from "../store/mod.ts";
import type { Environment } from "./environment.ts";
import { CallError } from "./error.ts";
import { type Flags, flagsHelp, type OptionGroup, type OptionRow, readFlags, variableOf } from "./flags.ts";
import { LOG_FORMATS, LOG_LEVELS } from "./log.ts";

export { type OptionGroup, type OptionRow, variableOf };

/** A flag that may set a limit. */
interface LimitOption extends OptionRow {
  readonly limit?: LimitName;
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
    title: "Where to listen",
    rows: [
      {
        name: "listen",
        kind: "list",
        value: "URL",
        default: DEFAULT_LISTEN,
        about:
          "a listener, as mqtt://HOST:PORT or, with TLS, mqtts://HOST:PORT (default port 8883); may be given more than " +
          "once; localhost is 127.0.0.1 and ::1",
      },
      {
        name: "listen-addr",
        short: "l",
        kind: "text",
        value: "ADDR",
        default: "localhost",
        about: "the address of one listener without TLS, in place of --listen",
      },
      {
        name: "port",
        short: "p",
        kind: "integer",
        value: "N",
        least: 0,
        most: 65_535,
        default: "1883",
        about: "the port of that listener; 0 takes any free one",
      },
      {
        name: "tls-cert",
        kind: "text",
        value: "FILE",
        about:
          "the certificate that listeners with TLS show, in PEM, followed by the certificates of its issuers",
      },
      {
        name: "tls-key",
        kind: "text",
        value: "FILE",
        about: "the private key of the certificate, in PEM, without a passphrase",
      },
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
        about: "the directory of sessions and retained messages; made if it is not there",
      },
      {
        name: "memory",
        kind: "flag",
        about: "keep sessions and retained messages in memory only; they end with the process",
      },
      {
        name: "durability",
        kind: "text",
        value: "LEVEL",
        default: "fsync",
        about:
          "when a message is acknowledged: fsync (it is on the disk), os (the system has it: only a power cut loses it) " +
          "or interval=MS (at once: the last MS milliseconds may be lost)",
      },
      {
        name: "strict-store",
        kind: "flag",
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
        about: "the lowest level that is written",
      },
      {
        name: "log-format",
        kind: "choice",
        choices: LOG_FORMATS,
        default: "logfmt",
        about: "the form of a line",
      },
    ],
  },
  {
    title: "Limits",
    rows: (Object.entries(LIMITS) as [LimitName, LimitRow][]).map(([limit, row]): LimitOption => ({
      name: kebab(limit),
      ...KNOWN_AS[limit],
      kind: "integer",
      value: "N",
      least: row.least,
      most: row.most,
      default: String(row.default),
      about: row.unit === "bytes" || row.unit === "ms" || row.unit === "s"
        ? `${row.about} (${row.unit})`
        : row.about,
      limit,
    })),
  },
  {
    title: "Other",
    rows: [
      { name: "help", short: "h", kind: "flag", about: "print this help" },
      { name: "version", short: "V", kind: "flag", about: "print the version" },
    ],
  },
];

const ROWS: readonly LimitOption[] = OPTIONS.flatMap(({ rows }) => rows);
const FLAGS: Flags = { rows: ROWS, help: "plumb -h" };

/** The values of all flags. */
export interface Settings {
  readonly help: boolean;
  readonly version: boolean;
  readonly listen: readonly string[];
  /** Files for the listeners with TLS. */
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly limits: Partial<Limits>;
  /** The data directory; undefined for memory only. */
  readonly data: string | undefined;
  readonly durability: Durability;
  readonly strictStore: boolean;
  readonly logLevel: typeof LOG_LEVELS[number];
  readonly logFormat: typeof LOG_FORMATS[number];
}

/**
 * Reads arguments and environment.
 * @throws {CallError}
 */
export function settingsOf(args: readonly string[], environment: Environment): Settings {
  const { given } = readFlags(args, environment, FLAGS);
  const one = (name: string): string | undefined => given.get(name)?.at(-1);
  const limits: Partial<Record<LimitName, number>> = {};
  for (const { name, limit } of ROWS) {
    const value = one(name);
    if (limit !== undefined && value !== undefined) limits[limit] = Number(value);
  }
  return {
    help: one("help") === "true",
    version: one("version") === "true",
    listen: listenOf(given.get("listen"), one("listen-addr"), one("port")),
    tlsCert: one("tls-cert"),
    tlsKey: one("tls-key"),
    limits,
    data: dataOf(one("data"), one("memory") === "true"),
    durability: durabilityOf(one("durability") ?? "fsync"),
    strictStore: one("strict-store") === "true",
    logLevel: (one("log-level") ?? "info") as Settings["logLevel"],
    logFormat: (one("log-format") ?? "logfmt") as Settings["logFormat"],
  };
}

function dataOf(data: string | undefined, memory: boolean): string | undefined {
  if (memory && data !== undefined) throw new CallError("--data and --memory exclude each other");
  return memory ? undefined : data ?? DEFAULT_DATA;
}

function durabilityOf(level: string): Durability {
  if (level === "fsync" || level === "os") return level;
  const ms = Number(/^interval=(\d{1,7})$/.exec(level)?.[1] ?? 0);
  if (ms > 0) return ms;
  throw new CallError(`--durability takes fsync, os or interval=MS, not ${JSON.stringify(level)}`);
}

/** `--listen-addr` and `--port` make one listener besides the URLs of `--listen`; without any of the three there is the default one. */
function listenOf(urls: readonly string[] | undefined, host?: string, port?: string): readonly string[] {
  if (host === undefined && port === undefined) return urls ?? [DEFAULT_LISTEN];
  const name = host ?? "localhost";
  const bracketed = name.includes(":") && !name.startsWith("[") ? `[${name}]` : name;
  return [`mqtt://${bracketed}:${port ?? "1883"}`, ...urls ?? []];
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The help of `plumb serve`, which is that of `plumb`. */
export function helpText(): string {
  return [
    "plumb [serve] [flags]   runs an MQTT 5.0, 3.1.1 and 3.1 broker\n" +
    "plumb audit URL         checks a broker against the standard; see plumb audit -h\n" +
    "plumb bench URL         measures a broker, or compares two; see plumb bench -h\n" +
    "plumb backup FILE       copies the data of a broker, which may keep running\n" +
    "plumb verify            checks the data for faults\n" +
    "plumb compact           makes the data file smaller",
    ...flagsHelp(OPTIONS),
    "Every flag has an environment variable: --log-level is PLUMB_LOG_LEVEL. The command line wins.",
    "Exit status: 0 success, 1 the work failed, 2 the call was wrong.",
  ].join("\n\n") + "\n";
}
