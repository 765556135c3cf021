/**
 * How flags are written: on the command line, in the environment and in the help, by a table that a command gives.
 * Knows names, kinds and faults of a value; refuses to know which flags there are.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import type { Environment } from "./environment.ts";
import { CallError } from "./error.ts";
import { nearest } from "./nearest.ts";

/** One flag. `--a-b` is `PLUMB_A_B` in the environment, if the prefix is `PLUMB_`; the command line wins. */
export interface OptionRow {
  readonly name: string;
  readonly short?: string;
  /** Another long name. */
  readonly also?: string;
  /** `list` may be given more than once, and with blanks between in the environment. */
  readonly kind: "flag" | "text" | "list" | "integer" | "choice";
  /** The placeholder of the value in the help. */
  readonly value?: string;
  readonly choices?: readonly string[];
  readonly least?: number;
  readonly most?: number;
  /** As it is shown in the help. */
  readonly default?: string;
  readonly about: string;
}

/** A part of the help. */
export interface OptionGroup {
  readonly title: string;
  readonly rows: readonly OptionRow[];
}

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

/** The call: valid values by name, and the arguments that are no flags. */
export interface Said {
  readonly given: ReadonlyMap<string, readonly string[]>;
  readonly positionals: readonly string[];
}

/**
 * Reads arguments and environment by the table of a command.
 * @throws {CallError}
 */
export function readFlags(args: readonly string[], environment: Environment, flags: Flags): Said {
  const { rows, prefix = PREFIX } = flags;
  const parsed = parse(args, flags);
  const given = new Map<string, readonly string[]>();
  for (const row of rows) {
    const flag = `--${row.name}`;
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
    given.set(row.name, values.map((each) => valid(row, variable, each)));
  }
  return { given, positionals: (parsed._ as (string | number)[]).map(String) };
}

function parse(args: readonly string[], { rows, positionals = 0, help }: Flags): Record<string, unknown> {
  let left = positionals;
  const valued = rows.filter(({ kind }) => kind !== "flag");
  return parseArgs([...args], {
    boolean: rows.filter(({ kind }) => kind === "flag").map(({ name }) => name),
    string: ["_", ...valued.map(({ name }) => name)],
    collect: rows.filter(({ kind }) => kind === "list").map(({ name }) => name),
    alias: Object.fromEntries(
      rows.map(({ name, short, also }) => [name, [short, also].filter((each) => each !== undefined)]),
    ),
    unknown: (arg: string, key?: string): void => {
      if (key === undefined) {
        if (left-- <= 0) throw new CallError(`unexpected argument ${JSON.stringify(arg)}`);
        return;
      }
      const names = rows.flatMap(({ name, also }) => [name, ...also ? [also] : []]);
      const long = /^--([^=]+)/.exec(arg)?.[1];
      if (long === undefined) throw new CallError(`unknown flag -${key}; ${help} names all`);
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

/** The environment variable of a flag. */
export function variableOf({ name }: OptionRow, prefix: string = PREFIX): string {
  return `${prefix}${name.toUpperCase().replaceAll("-", "_")}`;
}

const HELP_COLUMNS = 100;
const HELP_INDENT = 34;

/** The help of all flags, group by group. */
export function flagsHelp(groups: readonly OptionGroup[]): string[] {
  return groups.map(({ title, rows }) => `${title}:\n${rows.map(helpOf).join("\n")}`);
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
