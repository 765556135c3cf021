/**
 * `parseArgs()` as in JSR's `@std/cli`, but without dotted names (`--a.b`).
 * Knows how arguments are written; refuses to know which ones there are.
 * @module
 */

/** What `unknown` is told: the argument, and name and value if it is an option. Returning `false` drops it. */
export type UnknownHandler = (arg: string, key?: string, value?: unknown) => unknown;

/** How to read the arguments; `B`, `S`, `C`, `D` are the names and defaults. */
export interface ParseOptions<
  B extends string = string,
  S extends string = string,
  C extends string = string,
  D extends Record<string, unknown> = Record<string, unknown>,
> {
  /** Put what stands behind `--` under `"--"`, not under `_`. */
  "--"?: boolean;
  /** Other names of an option. */
  alias?: Readonly<Record<string, string | readonly string[]>>;
  /** Options that take no value, or `true` for all that are given none. */
  boolean?: boolean | B | readonly B[];
  /** Values of options that are not given. */
  default?: D;
  /** Put everything from the first positional argument on under `_`. */
  stopEarly?: boolean;
  /** Options whose values stay strings, `_` for the positional ones. */
  string?: S | readonly S[];
  /** Options that may be given more than once. */
  collect?: C | readonly C[];
  /** Options that `--no-NAME` sets to false. */
  negatable?: string | readonly string[];
  /** Called for each argument that is not named above. */
  unknown?: UnknownHandler;
}

type Values<B extends string, S extends string, C extends string> =
  & { [K in Exclude<B, C>]: boolean }
  & { [K in B & C]: boolean[] }
  & { [K in Exclude<S, C | "_">]: string | undefined }
  & { [K in S & C]: string[] }
  & { [K in Exclude<C, B | S>]: unknown[] };

type Defaulted<V, D> =
  & Omit<V, keyof D>
  & { [K in keyof D]: K extends keyof V ? NonNullable<V[K]> | D[K] : unknown };

/** The parsed arguments. */
export type Args<
  B extends string = never,
  S extends string = never,
  C extends string = never,
  D extends Record<string, unknown> = Record<never, never>,
> = Defaulted<Values<B, S, C>, D> & {
  // deno-lint-ignore no-explicit-any
  [name: string]: any;
  /** The positional arguments. */
  _: (string | number)[];
  "--"?: string[];
};

const OPTION = /^-(?:(?<long>-)(?<no>no-)?)?(?<key>.+?)(?:=(?<value>.+?))?$/s;
const NUMBER = /^(?:0x[0-9a-f]+|[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?)$/i;

/** Reads command-line arguments. */
export function parseArgs<
  B extends string = never,
  S extends string = never,
  C extends string = never,
  D extends Record<string, unknown> = Record<never, never>,
>(args: readonly string[], options: ParseOptions<B, S, C, D> = {}): Args<B, S, C, D> {
  const aliases = aliasesOf(options.alias ?? {});
  const withAliases = (names: string | readonly string[] | undefined): Set<string> =>
    new Set([names ?? []].flat().flatMap((name) => [name, ...aliases.get(name) ?? []]));
  const allBoolean = options.boolean === true;
  const booleans = withAliases(typeof options.boolean === "boolean" ? [] : options.boolean);
  const strings = withAliases(options.string);
  const collected = withAliases(options.collect);
  const negatable = withAliases(options.negatable);

  const result: Record<string, unknown> & { _: (string | number)[] } = { _: [] };

  function put(key: string, value: unknown): void {
    for (const name of [key, ...aliases.get(key) ?? []]) {
      if (!collected.has(name)) result[name] = value;
      else result[name] = [...(result[name] as unknown[] | undefined) ?? [], value];
    }
  }
  /** Sets an option, unless it is not known and `unknown` will not have it. */
  function set(arg: string, key: string, value: string | boolean): void {
    const known = booleans.has(key) || strings.has(key) || aliases.has(key) ||
      (allBoolean && /^--[^=]+$/.test(arg));
    if (!known && options.unknown?.(arg, key, value) === false) return;
    put(key, typeof value === "string" && !strings.has(key) && NUMBER.test(value) ? Number(value) : value);
  }
  /** The value of an option that is not joined to it; says by `used` whether it is the next argument. */
  function valueOf(key: string, next: string | undefined): { value: string | boolean; used: boolean } {
    const boolean = booleans.has(key) || allBoolean;
    if (next !== undefined && next !== "" && !boolean && (!next.startsWith("-") || next === "-")) {
      return { value: next, used: true };
    }
    if (next === "true" || next === "false") return { value: next === "true", used: true };
    return { value: strings.has(key) ? "" : true, used: false };
  }

  const end = args.indexOf("--");
  const rest = end < 0 ? [] : args.slice(end + 1);
  const before = end < 0 ? args : args.slice(0, end);
  for (let i = 0; i < before.length; i++) {
    const arg = before[i] ?? "";
    const found = arg === "-" ? undefined : OPTION.exec(arg)?.groups;
    if (found === undefined) {
      if (options.unknown?.(arg) === false) continue;
      result._.push(!strings.has("_") && NUMBER.test(arg) ? Number(arg) : arg);
      if (!options.stopEarly) continue;
      result._.push(...before.slice(i + 1));
      break;
    }
    if (found.long !== undefined) {
      const name = found.key ?? "";
      if (found.no !== undefined && found.value === undefined && negatable.has(name)) {
        set(arg, name, false);
        continue;
      }
      const key = (found.no ?? "") + name;
      if (found.value !== undefined) {
        set(arg, key, booleans.has(key) ? found.value !== "false" : found.value);
        continue;
      }
      const { value, used } = valueOf(key, before[i + 1]);
      set(arg, key, value);
      if (used) i++;
      continue;
    }
    const last = shortOptions(arg, set, strings);
    if (last === undefined) continue;
    const { value, used } = valueOf(last, before[i + 1]);
    set(arg, last, value);
    if (used) i++;
  }

  for (const [key, value] of Object.entries(options.default ?? {})) {
    for (const name of [key, ...aliases.get(key) ?? []]) if (!(name in result)) result[name] = value;
  }
  for (const name of booleans) if (!(name in result)) result[name] = collected.has(name) ? [] : false;
  for (const name of strings) if (collected.has(name) && !(name in result)) result[name] = [];
  if (options["--"]) result["--"] = rest;
  else result._.push(...rest);
  return result as Args<B, S, C, D>;
}

/** `-abc`, `-p1883`, `-p=1883`: sets all but the last letter and returns that; nothing if the last took a value. */
function shortOptions(
  arg: string,
  set: (arg: string, key: string, value: string | boolean) => void,
  strings: ReadonlySet<string>,
): string | undefined {
  for (let j = 1; j < arg.length - 1; j++) {
    const letter = arg.charAt(j);
    const following = arg.slice(j + 1);
    if (/^[A-Za-z]$/.test(letter)) {
      if (following.startsWith("=") && following.length > 1) {
        set(arg, letter, following.slice(1));
        return undefined;
      }
      if (NUMBER.test(following) || /^\W/.test(following)) {
        set(arg, letter, following);
        return undefined;
      }
    }
    set(arg, letter, strings.has(letter) ? "" : true);
  }
  return arg.slice(-1);
}

/** For each name all its other names. */
function aliasesOf(alias: Readonly<Record<string, string | readonly string[]>>): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const [name, others] of Object.entries(alias)) {
    const names = [name, ...[others].flat()];
    for (const one of names) all.set(one, names.filter((other) => other !== one));
  }
  return all;
}
