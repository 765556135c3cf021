/**
 * What can be said on the command line and in the environment, in one table; the help is made from it.
 * Knows names, kinds and defaults; refuses to know what is done with the values.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { type LimitName, type LimitRow, LIMITS, type Limits } from "../broker/limits.ts";
import { DEFAULT_LISTEN } from "../runtime/address.ts";
import type { Environment } from "./environment.ts";
import { LOG_FORMATS, LOG_LEVELS } from "./log.ts";
import { nearest } from "./nearest.ts";

/** One flag. `--a-b` is `PLUMB_A_B` in the environment; the command line wins. */
export interface OptionRow {
  readonly name: string;
  readonly short?: string;
  /** Another long name. */
  readonly also?: string;
  /** `list` may be given more than once, and with blanks between in the environment. */
  readonly kind: "flag" | "text" | "list" | "integer" | "choice";
  /** What stands for the value in the help. */
  readonly value?: string;
  readonly choices?: readonly string[];
  readonly least?: number;
  readonly most?: number;
  /** As it is shown in the help. */
  readonly default?: string;
  readonly about: string;
  /** The limit that it sets. */
  readonly limit?: LimitName;
}

/** A part of the help. */
export interface OptionGroup {
  readonly title: string;
  readonly rows: readonly OptionRow[];
}

/** Names of limits that people know from other brokers. */
const KNOWN_AS: Partial<Record<LimitName, { readonly short: string; readonly also: string }>> = {
  sessionsMax: { short: "s", also: "max-sessions" },
  connectionsMax: { short: "a", also: "max-active-sessions" },
};

/** All flags of `plumb serve`. */
export const OPTIONS: readonly OptionGroup[] = [
  {
    title: "Where to listen",
    rows: [
      {
        name: "listen",
        kind: "list",
        value: "URL",
        default: DEFAULT_LISTEN,
        about: "a listener, as mqtt://HOST:PORT; may be given more than once; localhost is 127.0.0.1 and ::1",
      },
      {
        name: "listen-addr",
        short: "l",
        kind: "text",
        value: "ADDR",
        default: "localhost",
        about: "the address of one plain listener, in short",
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
    ],
  },
  {
    title: "Sessions and retained messages",
    rows: [
      { name: "memory", kind: "flag", about: "keep them in memory only, as is done so far in any case" },
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
        about: "the least that is worth a line",
      },
      {
        name: "log-format",
        kind: "choice",
        choices: LOG_FORMATS,
        default: "logfmt",
        about: "how a line is written",
      },
    ],
  },
  {
    title: "Limits",
    rows: (Object.entries(LIMITS) as [LimitName, LimitRow][]).map(([limit, row]): OptionRow => ({
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
    title: "Else",
    rows: [
      { name: "help", short: "h", kind: "flag", about: "say this" },
      { name: "version", short: "V", kind: "flag", about: "say the version" },
    ],
  },
];

const ROWS: readonly OptionRow[] = OPTIONS.flatMap(({ rows }) => rows);

/** What the owner wants. */
export interface Settings {
  readonly help: boolean;
  readonly version: boolean;
  readonly listen: readonly string[];
  readonly limits: Partial<Limits>;
  readonly logLevel: typeof LOG_LEVELS[number];
  readonly logFormat: typeof LOG_FORMATS[number];
}

/** The call was wrong; exit status 2. The message is one line. */
export class CallError extends Error {
  override readonly name = "CallError";
}

/**
 * Reads arguments and environment.
 * @throws {CallError}
 */
export function settingsOf(args: readonly string[], environment: Environment): Settings {
  const given = read(args, environment);
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
    limits,
    logLevel: (one("log-level") ?? "info") as Settings["logLevel"],
    logFormat: (one("log-format") ?? "logfmt") as Settings["logFormat"],
  };
}

/** The short form is a listener besides those with URLs, and the only one when nothing is said. */
function listenOf(urls: readonly string[] | undefined, host?: string, port?: string): readonly string[] {
  if (host === undefined && port === undefined) return urls ?? [DEFAULT_LISTEN];
  const name = host ?? "localhost";
  const bracketed = name.includes(":") && !name.startsWith("[") ? `[${name}]` : name;
  return [`mqtt://${bracketed}:${port ?? "1883"}`, ...urls ?? []];
}

/** Valid values by name. */
function read(args: readonly string[], environment: Environment): Map<string, readonly string[]> {
  const parsed = parse(args);
  const given = new Map<string, readonly string[]>();
  for (const row of ROWS) {
    const flag = `--${row.name}`;
    const said = parsed[row.name];
    if (row.kind === "flag") {
      if (said === true) given.set(row.name, ["true"]);
    } else if (said !== undefined) {
      const values = [said as string | string[]].flat();
      if (values.length > 0) given.set(row.name, values.map((value) => valid(row, flag, value)));
    }
    if (given.has(row.name)) continue;
    const variable = variableOf(row);
    const value = environment(variable);
    if (value === undefined || value === "") continue;
    const values = row.kind === "list" ? value.trim().split(/[\s,]+/) : [value];
    given.set(row.name, values.map((each) => valid(row, variable, each)));
  }
  return given;
}

function parse(args: readonly string[]): Record<string, unknown> {
  const valued = ROWS.filter(({ kind }) => kind !== "flag");
  return parseArgs([...args], {
    boolean: ROWS.filter(({ kind }) => kind === "flag").map(({ name }) => name),
    string: valued.map(({ name }) => name),
    collect: ROWS.filter(({ kind }) => kind === "list").map(({ name }) => name),
    alias: Object.fromEntries(
      ROWS.map(({ name, short, also }) => [name, [short, also].filter((each) => each !== undefined)]),
    ),
    unknown: (arg: string, key?: string): void => {
      if (key === undefined) throw new CallError(`unexpected argument ${JSON.stringify(arg)}`);
      const names = ROWS.flatMap(({ name, also }) => [name, ...also ? [also] : []]);
      const long = /^--([^=]+)/.exec(arg)?.[1];
      if (long === undefined) throw new CallError(`unknown flag -${key}; plumb -h names all`);
      throw new CallError(`unknown flag --${long}; did you mean --${nearest(long, names)}?`);
    },
  });
}

/** The value, when the row allows it. */
function valid(row: OptionRow, where: string, value: string): string {
  const { kind, choices, least = 0, most = Infinity } = row;
  if (value === "") {
    throw new CallError(`${where} needs a value${row.value ? `: ${where} ${row.value}` : ""}`);
  }
  if (kind === "integer") {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < least || number > most) {
      throw new CallError(
        `${where} takes a whole number from ${least} to ${most}, not ${JSON.stringify(value)}`,
      );
    }
  }
  if (kind === "choice" && !choices!.includes(value)) {
    throw new CallError(`${where} takes ${choices!.join(", ")}, not ${JSON.stringify(value)}`);
  }
  if (kind === "flag") {
    if (["1", "true", "yes", "on"].includes(value)) return "true";
    if (["0", "false", "no", "off"].includes(value)) return "false";
    throw new CallError(`${where} takes 1 or 0, not ${JSON.stringify(value)}`);
  }
  return value;
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The environment variable of a flag. */
export function variableOf({ name }: OptionRow): string {
  return `PLUMB_${name.toUpperCase().replaceAll("-", "_")}`;
}

const HELP_COLUMNS = 100;
const HELP_INDENT = 34;

/** The help of `plumb serve`, which is that of `plumb`. */
export function helpText(): string {
  const parts = OPTIONS.map(({ title, rows }) => `${title}:\n${rows.map(helpOf).join("\n")}`);
  return [
    "plumb [serve] [flags]   runs an MQTT 5.0, 3.1.1 and 3.1 broker",
    ...parts,
    "Every flag has an environment variable: --log-level is PLUMB_LOG_LEVEL. The command line wins.",
    "Exit status: 0 all well, 1 the work failed, 2 the call was wrong.",
  ].join("\n\n") + "\n";
}

function helpOf(row: OptionRow): string {
  const short = row.short === undefined ? "    " : `-${row.short}, `;
  const value = row.choices?.join("|") ?? row.value;
  const names = [row.name, ...row.also ? [row.also] : []].map((name) => `--${name}`).join(", ");
  const left = `  ${short}${names}${value === undefined ? "" : ` ${value}`}`;
  const about = row.default === undefined ? row.about : `${row.about}; default ${row.default}`;
  const lines = wrap(about, HELP_COLUMNS - HELP_INDENT);
  const first = left.length < HELP_INDENT - 1 ? [left.padEnd(HELP_INDENT) + lines.shift()!] : [left];
  return [...first, ...lines.map((line) => " ".repeat(HELP_INDENT) + line)].join("\n");
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}
