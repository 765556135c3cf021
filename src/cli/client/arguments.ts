/**
 * Arguments as mosquitto_pub and mosquitto_sub read them: each flag takes the arguments behind it, whatever they look like, so that a
 * payload may be `-1`, `--` or empty.
 * Knows how arguments are taken; refuses to know which flags there are.
 * @module
 */
import { checkValue } from "../../config/setting.ts";
import type { Environment } from "../environment.ts";
import { CallError } from "../error.ts";
import type { OptionGroup, OptionRow, Said } from "../flags.ts";
import { nearest } from "../nearest.ts";

/** One flag. */
export interface ArgumentRow extends OptionRow {
  /** Of several arguments: how many in all, given the first of them. Each use of the flag is one entry of `Arguments.groups`. */
  readonly group?: (first: readonly string[]) => number;
  /** An environment variable for its value. */
  readonly variable?: string;
}

/** A part of the help. */
export interface ArgumentGroup extends OptionGroup {
  readonly rows: readonly ArgumentRow[];
}

/** A call. */
export interface Arguments extends Said {
  /** What flags with `group` were given, in order. */
  readonly groups: readonly (readonly string[])[];
  /** The value; of several the last. */
  one(name: string): string | undefined;
  /** The same as a number. */
  number(name: string): number | undefined;
  /** All values. */
  all(name: string): readonly string[];
  /** Whether a flag without a value is there. */
  is(name: string): boolean;
}

/**
 * Reads the arguments. `help` is how the help of the command is asked for.
 * @throws {CallError}
 */
export function readArguments(
  args: readonly string[],
  environment: Environment,
  rows: readonly ArgumentRow[],
  help: string,
): Arguments {
  const given = new Map<string, readonly string[]>();
  const written = new Map<string, string>();
  const variables = new Set<string>();
  const groups: (readonly string[])[] = [];
  for (let at = 0; at < args.length; at++) {
    const { row, flag, joined } = rowOf(args[at]!, rows, help);
    written.set(row.name, flag);
    if (row.kind === "flag") {
      if (joined !== undefined) throw new CallError(`${flag} takes no value`);
      given.set(row.name, ["true"]);
    } else if (row.group !== undefined) {
      const group: string[] = joined === undefined ? [] : [joined];
      while (group.length < row.group(group)) {
        if (++at >= args.length) throw needs(row, flag);
        group.push(args[at]!);
      }
      groups.push(group);
    } else {
      if (joined === undefined && ++at >= args.length) throw needs(row, flag);
      const value = valid(row, flag, joined ?? args[at]!);
      given.set(row.name, row.kind === "list" ? [...given.get(row.name) ?? [], value] : [value]);
    }
  }
  for (const row of rows) {
    if (row.variable === undefined || given.has(row.name)) continue;
    const value = environment(row.variable);
    if (value === undefined || value === "") continue;
    written.set(row.name, row.variable);
    variables.add(row.name);
    given.set(row.name, [valid(row, row.variable, value)]);
  }
  const one = (name: string) => given.get(name)?.at(-1);
  return {
    given,
    positionals: [],
    groups,
    written: (name) => written.get(name) ?? `--${name}`,
    source: (name) => variables.has(name) ? "variable" : given.has(name) ? "flag" : undefined,
    one,
    number: (name) => given.has(name) ? Number(one(name)) : undefined,
    all: (name) => given.get(name) ?? [],
    is: (name) => one(name) === "true",
  };
}

interface Found {
  readonly row: ArgumentRow;
  /** As it is written. */
  readonly flag: string;
  /** What stands behind `=`. */
  readonly joined: string | undefined;
}

function rowOf(arg: string, rows: readonly ArgumentRow[], help: string): Found {
  const [, long, joined] = /^--([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
  if (long !== undefined) {
    const row = rows.find(({ name, also }) => name === long || also === long);
    if (row !== undefined) return { row, flag: `--${long}`, joined };
    const meant = nearest(long, rows.flatMap(({ name, also }) => [name, ...also ? [also] : []]));
    throw new CallError(
      `unknown flag --${long}; ${meant ? `did you mean --${meant}?` : `${help} names all`}`,
    );
  }
  const letter = /^-(.)/su.exec(arg)?.[1];
  if (letter === undefined) throw new CallError(`unexpected argument ${JSON.stringify(arg)}; ${help}`);
  const row = rows.find(({ short = "" }) => short.includes(letter));
  if (row === undefined) throw new CallError(`unknown flag ${arg}; ${help} names all`);
  if (arg.length === 2) return { row, flag: arg, joined: undefined };
  const meant = row.kind === "flag" ? `-${letter} -${arg.slice(2)}` : `-${letter} ${arg.slice(2)}`;
  throw new CallError(`unknown flag ${arg}; did you mean ${meant}?`);
}

function needs({ value }: ArgumentRow, flag: string): CallError {
  return new CallError(`${flag} needs a value${value === undefined ? "" : `: ${flag} ${value}`}`);
}

function valid(row: ArgumentRow, where: string, value: string): string {
  const checked = checkValue(row, value);
  if ("value" in checked) return checked.value;
  throw new CallError(`${where} takes ${checked.takes}, not ${JSON.stringify(value)}`);
}
