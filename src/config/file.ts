/**
 * `plumb.toml`: its keys and values held against the schema, with a line for each fault.
 * Knows the form of the file; refuses to know flags, variables, and the effects of settings.
 * @module
 */
import { readFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { CallError, fileTrouble } from "../cli/error.ts";
import { nearest } from "../cli/nearest.ts";
import { AddressError, parseAddress } from "../server/address.ts";
import { withScheme } from "../cli/url.ts";
import { type KeyPositions, keyPositions, type Path } from "../toml/key_positions.ts";
import {
  BRIDGE,
  LISTENER,
  LISTENER_SETTINGS,
  LISTENER_URL,
  LOGIN,
  SETTINGS,
  SNI,
  SNI_ROWS,
} from "./schema.ts";
import { checkValue, numbersOf, type Setting } from "./setting.ts";
import { escaped } from "./write.ts";

/** A value in the file, in the form that it has on the command line. */
export interface FileValue {
  readonly values: readonly string[];
  /** `plumb.toml:12`. */
  readonly where: string;
}

/** One table of an array. */
export interface FileTable {
  /** `plumb.toml:12`. */
  readonly where: string;
  /** The settings that it may have. */
  readonly rows: readonly Setting[];
  /** By the name of the setting. */
  readonly values: ReadonlyMap<string, FileValue>;
}

/** One `[[login]]`, or one `[[listener.login]]`; the kind is not among the values. */
export interface FileLink extends FileTable {
  readonly kind: string;
}

/** The arrays of tables that the broker and a listener may have. */
export interface FileArrays {
  /** The login chain, if it is written link by link. */
  readonly links?: readonly FileLink[];
  /** Certificates for other names, `[[tls.sni]]`. */
  readonly sni?: readonly FileTable[];
}

/** One `[[bridge]]`. */
export interface FileBridge extends FileTable {
  /** Its `[[bridge.topic]]`. */
  readonly topics: readonly FileTable[];
}

/** One `[[listener]]`. */
export interface FileListener extends FileArrays {
  readonly url: string;
  /** `plumb.toml:12`. */
  readonly where: string;
  /** By the name of the setting; the URL is not among them. */
  readonly values: ReadonlyMap<string, FileValue>;
}

/** A file whose keys and values are all known and right. */
export interface ConfigFile extends FileArrays {
  readonly path: string;
  readonly text: string;
  /** By the name of the setting. */
  readonly values: ReadonlyMap<string, FileValue>;
  readonly listeners: readonly FileListener[];
  readonly bridges?: readonly FileBridge[];
}

/** What is wrong with a file: a line for each fault. */
export class ConfigError extends CallError {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

/**
 * Reads a file.
 * @throws {ConfigError}
 */
export async function readConfig(path: string): Promise<ConfigFile> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(path));
  } catch (error) {
    if (error instanceof TypeError) throw new ConfigError([`${path}: it is not UTF-8 text`]);
    throw new ConfigError([`${path}: ${fileTrouble(error)}`]);
  }
  return await parseConfig(text, path);
}

/**
 * Reads the text of a file; the parser is loaded now, for most brokers run without a file.
 * @throws {ConfigError}
 */
export async function parseConfig(text: string, path: string): Promise<ConfigFile> {
  const { parse, TomlError } = await import("smol-toml");
  let root: Table;
  try {
    root = parse(text, { integersAsBigInt: true });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [said = ""] = error.message.split("\n");
    const what = said.replace(/^Invalid TOML document: /, "");
    throw new ConfigError([`${path}:${error.line}:${error.column}: this is not TOML: ${what}`]);
  }
  const schema = hasLinks(root) ? await import("./links.ts") : undefined;
  const reader = new FileReader(path, keyPositions(text), schema);
  const { [LISTENER]: listener, [BRIDGE]: bridge, ...all } = root;
  const { rest: broker, arrays } = reader.arrays(all, []);
  const values = reader.table(broker, [], SETTINGS);
  const listeners = listener === undefined ? [] : reader.listeners(listener);
  const bridges = bridge === undefined ? undefined : reader.bridges(bridge, await import("./bridges.ts"));
  if (reader.faults.length > 0) {
    throw new ConfigError(reader.faults.sort((a, b) => a.line - b.line).map(({ text }) => text));
  }
  return { path, text, values, listeners, ...bridges && { bridges }, ...arrays };
}

/** Whether a login chain is written link by link: `[[login]]` in place of `[login]`. */
function hasLinks({ [LOGIN]: login, [LISTENER]: listener }: Table): boolean {
  const isOf = (table: unknown) => isTable(table) && Array.isArray(table[LOGIN]);
  return Array.isArray(login) || (Array.isArray(listener) && listener.some(isOf));
}

type Table = Readonly<Record<string, unknown>>;

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

class FileReader {
  readonly faults: { readonly line: number; readonly text: string }[] = [];
  readonly #file: string;
  readonly #positions: KeyPositions;
  readonly #schema: typeof import("./links.ts") | undefined;

  /** `schema` has the kinds of links, if there are any. */
  constructor(path: string, positions: KeyPositions, schema: typeof import("./links.ts") | undefined) {
    this.#file = path;
    this.#positions = positions;
    this.#schema = schema;
  }

  /** The arrays of tables in a table, and all else that it has. */
  arrays(table: Table, at: Path): { readonly rest: Table; readonly arrays: FileArrays } {
    const { [LOGIN]: login, tls, ...others } = table;
    const name = (key: string) => at.length > 0 ? `${LISTENER}.${key}` : key;
    const links = Array.isArray(login)
      ? this.#tables(login, [...at, LOGIN], name(LOGIN))?.flatMap((one) =>
        this.#link(one.table, one.path, name(LOGIN)) ?? []
      )
      : undefined;
    const { [SNI]: sni, ...ofTls } = isTable(tls) ? tls : {};
    const certificates = sni === undefined
      ? undefined
      : this.#tables(sni, [...at, "tls", SNI], name(`tls.${SNI}`))?.map(({ table, path }) => {
        const of = `[[${name(`tls.${SNI}`)}]]`;
        for (const { key } of SNI_ROWS) if (!(key in table)) this.#fault(path, `a ${of} needs ${key}`);
        return { where: this.#where(path), rows: SNI_ROWS, values: this.table(table, path, SNI_ROWS, of) };
      });
    return {
      rest: {
        ...others,
        ...tls !== undefined && { tls: sni === undefined ? tls : ofTls },
        ...login !== undefined && !Array.isArray(login) && { [LOGIN]: login },
      },
      arrays: { ...links && { links }, ...certificates && { sni: certificates } },
    };
  }

  /** Each table of an array; a fault if it is none, or has none. */
  #tables(
    value: unknown,
    path: Path,
    name: string,
  ): { readonly table: Table; readonly path: Path }[] | undefined {
    if (Array.isArray(value) && value.length > 0 && value.every(isTable)) {
      return value.map((table, i) => ({ table, path: [...path, i] }));
    }
    this.#fault(path, `${name} is an array of tables: write [[${name}]] for each`);
    return undefined;
  }

  #link(table: Table, path: Path, name: string): FileLink | undefined {
    const { LINK_KINDS, LINK_KIND } = this.#schema!;
    const { kind: given, ...rest } = table;
    const of = `[[${name}]]`;
    const kind = given === undefined
      ? void this.#fault(path, `a ${of} needs a kind: ${LINK_KIND.choices!.join(", ")}`)
      : this.#values(LINK_KIND, given, [...path, LINK_KIND.key])?.[0];
    if (kind === undefined) return undefined;
    const { rows, required } = LINK_KINDS[kind]!;
    const missing = required.find((key) => !(key in rest));
    if (missing !== undefined) this.#fault(path, `a ${of} of kind ${kind} needs ${missing}`);
    return {
      kind,
      where: this.#where(path),
      rows,
      values: this.table(rest, path, rows, `${of} of kind ${kind}`),
    };
  }

  /** The tables of `[[listener]]`. */
  listeners(value: unknown): FileListener[] {
    return (this.#tables(value, [LISTENER], LISTENER) ?? []).map(({ table, path }) => {
      const { rest, arrays } = this.arrays(table, path);
      const values = new Map(this.table(rest, path, [LISTENER_URL, ...LISTENER_SETTINGS], `[[${LISTENER}]]`));
      const url = values.get(LISTENER_URL.name)?.values[0];
      values.delete(LISTENER_URL.name);
      if (url === undefined && !("url" in table)) {
        this.#fault(path, `a [[${LISTENER}]] needs a url, such as "mqtt://0.0.0.0:1883"`);
      }
      return { url: url ?? "", where: this.#where(path), values, ...arrays };
    });
  }

  /** The tables of `[[bridge]]`. */
  bridges(value: unknown, schema: typeof import("./bridges.ts")): FileBridge[] {
    const { BRIDGE_REQUIRED, BRIDGE_ROWS, BRIDGE_TOPIC_ROWS } = schema;
    const names = new Set<string>();
    return (this.#tables(value, [BRIDGE], BRIDGE) ?? []).map(({ table, path }) => {
      const { topic, ...rest } = table;
      const of = `[[${BRIDGE}]]`;
      for (const key of BRIDGE_REQUIRED) if (!(key in rest)) this.#fault(path, `a ${of} needs ${key}`);
      const values = this.table(rest, path, BRIDGE_ROWS, of);
      const name = values.get("name")?.values[0];
      if (name !== undefined && names.size === names.add(name).size) {
        this.#fault([...path, "name"], `there are two bridges of the name ${name}`);
      }
      const inner = `${BRIDGE}.topic`;
      const tables = topic === undefined ? [] : this.#tables(topic, [...path, "topic"], inner) ?? [];
      if (topic === undefined) this.#fault(path, `a ${of} needs a [[${inner}]], with a filter`);
      const topics = tables.map(({ table, path }): FileTable => {
        const isWhole = "filter" in table || ("local-prefix" in table && "remote-prefix" in table);
        if (!isWhole) this.#fault(path, `a [[${inner}]] needs filter`);
        const values = this.table(table, path, BRIDGE_TOPIC_ROWS, `[[${inner}]]`);
        return { where: this.#where(path), rows: BRIDGE_TOPIC_ROWS, values };
      });
      return { where: this.#where(path), rows: BRIDGE_ROWS, values, topics };
    });
  }

  /** The values of a table and of the tables in it, by the name of their setting. */
  table(table: Table, at: Path, rows: readonly Setting[], of?: string): Map<string, FileValue> {
    const found = new Map<string, FileValue>();
    const walk = (table: Table, prefix: string, path: Path): void => {
      for (const [name, value] of Object.entries(table)) {
        const key = prefix + name;
        const here = [...path, name];
        const row = rows.find((row) => row.key === key);
        if (row !== undefined) {
          const values = this.#values(row, value, here);
          if (values !== undefined) found.set(row.name, { values, where: this.#where(here) });
        } else if (!rows.some((row) => row.key.startsWith(`${key}.`))) {
          this.#fault(here, unknown(key, of, rows, isTable(value)));
        } else if (isTable(value)) walk(value, `${key}.`, here);
        else this.#fault(here, `${key} is a table: write [${at.length > 0 ? `${LISTENER}.` : ""}${key}]`);
      }
    };
    walk(table, "", at);
    return found;
  }

  /** The value as it is kept; undefined, and a fault, when the setting does not take it. */
  #values(row: Setting, value: unknown, path: Path): readonly string[] | undefined {
    const items = row.kind === "list" && Array.isArray(value) ? value : [value];
    const values: string[] = [];
    if (row.kind === "list" && items.length < (row.least ?? 0)) {
      return void this.#fault(path, `${row.key} takes ${row.least} or more, not an empty list`);
    }
    for (const [i, item] of items.entries()) {
      const here = items === value ? [...path, i] : path;
      const takes = (what: string) => void this.#fault(here, `${row.key} takes ${what}, not ${shown(item)}`);
      const text = textOf(row, item);
      if (text === undefined) takes(KINDS[row.kind](row));
      else {
        const checked = checkValue(row, text);
        if ("takes" in checked) takes(checked.takes);
        else if (row === LISTENER_URL || row.name === "listen") {
          this.#url(row.key, checked.value, here, values);
        } else values.push(row.isPath ? this.#path(checked.value) : checked.value);
      }
    }
    return values.length === items.length ? values : undefined;
  }

  /** A path in the file is meant from the directory of the file. */
  #path(value: string): string {
    const directory = dirname(this.#file);
    return directory === "." || isAbsolute(value) ? value : join(directory, value);
  }

  #url(key: string, value: string, path: Path, values: string[]): void {
    const url = withScheme(value);
    try {
      parseAddress(url);
      values.push(url);
    } catch (error) {
      if (!(error instanceof AddressError)) throw error;
      this.#fault(path, `${key}: ${error.message}`);
    }
  }

  #fault(path: Path, what: string): void {
    const position = this.#positions.get(path);
    const where = position === undefined ? "" : `:${position.line}:${position.column}`;
    this.faults.push({ line: position?.line ?? 0, text: `${this.#file}${where}: ${what}` });
  }

  #where(path: Path): string {
    const line = this.#positions.get(path)?.line;
    return line === undefined ? this.#file : `${this.#file}:${line}`;
  }
}

/** What is said of a key that is not in the schema. */
function unknown(key: string, table: string | undefined, rows: readonly Setting[], isTable: boolean): string {
  const of = table === undefined ? "" : ` of a ${table}`;
  const broker = table === `[[${LISTENER}]]` ? SETTINGS.find((row) => row.key === key) : undefined;
  if (broker !== undefined) return `${key} holds for the whole broker: it cannot be set for one ${LISTENER}`;
  const tables = new Set(rows.flatMap((row) => /^(.*)\./.exec(row.key)?.[1] ?? []));
  if (isTable && tables.size > 0) {
    const meant = nearest(key, [...tables]);
    return `unknown table ${shownKey(key)}${of}; ${
      meant ? `did you mean ${meant}?` : `there are ${[...tables].join(", ")}`
    }`;
  }
  if (key === "listeners") return `unknown key ${key}; did you mean [[${LISTENER}]]?`;
  const last = (name: string) => name.slice(name.lastIndexOf(".") + 1);
  const ofTable = rows.filter((row) => row.key.startsWith(key.slice(0, key.lastIndexOf(".") + 1)));
  const meant = rows.find(({ name, also, key: own }) => [name, also, last(own)].includes(key))?.key ??
    rows.find(({ name, also, key: own }) => [name, also, last(own)].includes(last(key)))?.key ??
    nearest(key, rows.map((row) => row.key)) ??
    ofTable.find((row) => last(row.key) === nearest(last(key), ofTable.map((row) => last(row.key))))?.key;
  const hint = meant === undefined ? "plumb config show names all" : `did you mean ${meant}?`;
  return `unknown key ${shownKey(key)}${of}; ${hint}`;
}

/** The value as it is written on the command line; undefined if TOML has another kind for it. */
function textOf({ kind, choices = [] }: Setting, value: unknown): string | undefined {
  if (kind === "integer" && choices.includes(value as string)) return value as string;
  if (kind === "integer") return typeof value === "bigint" ? String(value) : undefined;
  if (kind === "flag" || kind === "switch") return typeof value === "boolean" ? String(value) : undefined;
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** What each kind is written as. */
const KINDS: Readonly<Record<Setting["kind"], (row: Setting) => string>> = {
  integer: numbersOf,
  flag: () => "true or false",
  switch: () => "true or false",
  choice: ({ choices = [] }) => choices.map((choice) => JSON.stringify(choice)).join(", "),
  text: ({ form }) => form?.takes ?? "a text in quotes",
  list: () => "a list of texts",
};

/** A key as an error shows it: names that are not bare in quotes. */
function shownKey(key: string): string {
  return cut(/^[\w.-]+$/.test(key) ? key : escaped(JSON.stringify(key)));
}

function cut(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** A value as an error shows it: its beginning if it is long. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (isTable(value)) return "a table";
  if (value instanceof Date) return "a date";
  return cut(typeof value === "string" ? escaped(JSON.stringify(withoutPassword(value))) : String(value));
}

/** A URL may have a password in it. */
function withoutPassword(text: string): string {
  return text.replace(/(:\/\/[^/@\s]*:)[^/@\s]*@/, "$1***@");
}
