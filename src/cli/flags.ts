/**
 * How flags are written: on the command line, in the environment and in the help, by a table that a command gives.
 * Knows names, kinds and faults of a value; refuses to know which flags there are.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { wrap } from "../bench/wrap.ts";
import { checkValue, type Kind, type Values } from "../config/setting.ts";
import type { Environment } from "./environment.ts";
import { CallError } from "./error.ts";
import { nearest } from "./nearest.ts";

/** One flag. `--a-b` is `PLUMB_A_B` in the environment, if the prefix is `PLUMB_`; the command line wins. */
export interface OptionRow extends Values {
  readonly name: string;
  /** A letter; a second one is another short name, which the help does not show. */
  readonly short?: string;
  /** Another long name. */
  readonly also?: string;
  readonly kind: Kind;
  /** The placeholder of the value in the help. */
  readonly value?: string;
  /** As it is shown in the help. */
  readonly default?: string;
  /** In the help in place of the default. */
  readonly defaultIs?: string;
  readonly about: string;
  /** Only `--help-all` shows it. */
  readonly rare?: boolean;
}

/** A part of the help. */
export interface OptionGroup {
  readonly title: string;
  readonly rows: readonly OptionRow[];
}

/** What every command has. */
export const HELP_ROWS: readonly OptionRow[] = [
  { name: "help", short: "h", kind: "flag", about: "print this help" },
  { name: "help-all", kind: "flag", about: "print the help of all flags" },
];

/** The prefix of the names of flags in the environment, unless a command has another one. */
export const PREFIX = "PLUMB_";

/** The flags of a command. */
export interface Flags {
  readonly rows: readonly OptionRow[];
  /** How many arguments that are no flags it takes; default 0. */
  readonly positionals?: number;
  readonly prefix?: string;
  /** How its help is asked for. */
  readonly help: string;
}

/** Where a value was written; what stands behind counts more. */
export const SOURCES = ["file", "variable", "flag"] as const;

/** The call: valid values by name, and the arguments that are no flags. */
export interface Said {
  readonly given: ReadonlyMap<string, readonly string[]>;
  readonly positionals: readonly string[];
  /** The flag or the variable that gave the value of this name, as it was written: `-l`, `--listen-addr`, `PLUMB_LISTEN_ADDR`. */
  written(name: string): string;
  /** Undefined for a name without a value. */
  source(name: string): typeof SOURCES[number] | undefined;
}

/**
 * Reads arguments and environment by the table of a command.
 * @throws {CallError}
 */
export function readFlags(args: readonly string[], environment: Environment, flags: Flags): Said {
  const { rows, prefix = PREFIX } = flags;
  const parsed = parse(args, flags);
  const given = new Map<string, readonly string[]>();
  const names = new Map<string, string>();
  const variables = new Set<string>();
  for (const row of rows) {
    const flag = writtenIn(args, row);
    names.set(row.name, flag);
    const said = parsed[row.name];
    if (row.kind === "flag") {
      if (said === true) given.set(row.name, ["true"]);
    } else if (said !== undefined) {
      const values = [said as string | string[]].flat();
      if (values.length > 0) given.set(row.name, values.map((value) => valid(row, flag, value)));
    }
    if (given.has(row.name)) continue;
    const variable = variableOf(row, prefix);
    const value = environment(variable);
    if (value === undefined || value === "") continue;
    const values = row.kind === "list" ? value.trim().split(/[\s,]+/) : [value];
    names.set(row.name, variable);
    variables.add(row.name);
    given.set(row.name, values.map((each) => valid(row, variable, each)));
  }
  const positionals = (parsed._ as (string | number)[]).map(String);
  return {
    given,
    positionals,
    written: (name) => names.get(name) ?? `--${name}`,
    source: (name) => variables.has(name) ? "variable" : given.has(name) ? "flag" : undefined,
  };
}

/** The flag as it stands in the arguments, or its long name. */
function writtenIn(args: readonly string[], { name, also, short = "" }: OptionRow): string {
  const names = [`--${name}`, ...also ? [`--${also}`] : []];
  const letters = [...short].map((letter) => `-${letter}`);
  for (const arg of [...args].reverse()) {
    const long = names.find((each) => arg === each || arg.startsWith(`${each}=`));
    const found = long ?? letters.find((each) => arg.startsWith(each));
    if (found !== undefined) return found;
  }
  return `--${name}`;
}

function parse(args: readonly string[], { rows, positionals = 0, help }: Flags): Record<string, unknown> {
  let left = positionals;
  const valued = rows.filter(({ kind }) => kind !== "flag");
  return parseArgs([...args], {
    boolean: rows.filter(({ kind }) => kind === "flag").map(({ name }) => name),
    string: ["_", ...valued.map(({ name }) => name)],
    collect: rows.filter(({ kind }) => kind === "list").map(({ name }) => name),
    alias: Object.fromEntries(
      rows.map(({ name, short = "", also }) => [name, [...short, ...also ? [also] : []]]),
    ),
    unknown: (arg: string, key?: string): void => {
      if (key === undefined) {
        if (left-- <= 0) throw new CallError(`unexpected argument ${JSON.stringify(arg)}`);
        return;
      }
      const names = rows.flatMap(({ name, also }) => [name, ...also ? [also] : []]);
      const long = /^--([^=]+)/.exec(arg)?.[1];
      if (long === undefined) throw new CallError(`unknown flag -${key}; ${help} names all`);
      const meant = nearest(long, names);
      throw new CallError(
        `unknown flag --${long}; ${meant ? `did you mean --${meant}?` : `${help} names all`}`,
      );
    },
  });
}

/** The value, when the row allows it. */
function valid(row: OptionRow, where: string, value: string): string {
  if (value === "") {
    throw new CallError(`${where} needs a value${row.value ? `: ${where} ${row.value}` : ""}`);
  }
  const checked = checkValue(row, value);
  if ("value" in checked) return checked.value;
  throw new CallError(`${where} takes ${checked.takes}, not ${JSON.stringify(value)}`);
}

/** The environment variable of a flag. */
export function variableOf({ name }: OptionRow, prefix: string = PREFIX): string {
  return `${prefix}${name.toUpperCase().replaceAll("-", "_")}`;
}

const HELP_COLUMNS = 100;
const HELP_INDENT = 34;

/** The help of flags, group by group; not of rare ones, unless it is to be of all. */
export function flagsHelp(groups: readonly OptionGroup[], isAll: boolean): string[] {
  const shown = groups.map(({ title, rows }) => ({ title, rows: rows.filter(({ rare }) => isAll || !rare) }));
  return shown.filter(({ rows }) => rows.length > 0)
    .map(({ title, rows }) => `${title}:\n${rows.map(helpOf).join("\n")}`);
}

/** The help that is asked for, if one is. */
export function helpAsked({ given }: Said): "short" | "all" | undefined {
  const is = (name: string) => given.get(name)?.at(-1) === "true";
  return is("help-all") ? "all" : is("help") ? "short" : undefined;
}

function helpOf(row: OptionRow): string {
  const short = row.short === undefined ? "    " : `-${row.short[0]}, `;
  const value = row.value ?? row.choices?.join("|");
  const names = [row.name, ...row.also ? [row.also] : []].map((name) => `--${name}`).join(", ");
  const left = `  ${short}${names}${value === undefined ? "" : ` ${value}`}`;
  const initial = row.defaultIs ?? row.default;
  const about = initial === undefined ? row.about : `${row.about}; default ${initial}`;
  const lines = wrap(about, HELP_COLUMNS - HELP_INDENT);
  const first = left.length < HELP_INDENT - 1 ? [left.padEnd(HELP_INDENT) + lines.shift()!] : [left];
  return [...first, ...lines.map((line) => " ".repeat(HELP_INDENT) + line)].join("\n");
}
