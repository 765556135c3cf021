/**
 * `plumb config show` and `plumb config schema`: how they are called, and their output.
 * Knows lines and flags; refuses to know the effects of settings.
 * @module
 */
import type { ConfigFile, FileArrays, FileBridge, FileListener, FileTable } from "../config/file.ts";
import { jsonSchemaText } from "../config/json_schema.ts";
import { BRIDGE, LISTENER, LISTENER_SETTINGS, LOGIN, SETTINGS, SNI } from "../config/schema.ts";
import type { Setting } from "../config/setting.ts";
import { quoted, tomlValue } from "../config/write.ts";
import { configFileOf } from "./config_file.ts";
import type { Environment } from "./environment.ts";
import { CallError, STATUS, STATUS_HELP } from "./error.ts";
import { flagsHelp, type OptionRow, type Said } from "./flags.ts";
import { nearest } from "./nearest.ts";
import { type Call, callOf, type Listen, OPTIONS, over, settingsOfCall } from "./options.ts";
import { say } from "./terminal.ts";

const JSON_ROW: OptionRow = { name: "json", kind: "flag", about: "results as JSON" };

const HELP =
  "plumb config show [flags]     prints every setting that holds, and where its value comes from, as TOML\n" +
  "plumb config schema           prints the JSON Schema of plumb.toml, for editors";

/**
 * Does one of them; gives the exit status.
 * @throws {CallError} when the call is wrong, or a setting.
 */
export async function configMain(args: readonly string[], environment: Environment): Promise<number> {
  const [what = "", ...rest] = args[0]?.startsWith("-") ? ["", ...args] : args;
  const call = callOf(rest, environment, [JSON_ROW]);
  if (call.help !== undefined) {
    await say(configHelp(call.help === "all"));
    return STATUS.good;
  }
  if (what === "schema") await say(jsonSchemaText());
  else if (what === "show") {
    const file = await configFileOf(call);
    const isJson = call.said.given.get("json")?.at(-1) === "true";
    await say(isJson ? shownAsJson(call, file) : shownAsToml(call, file));
  } else {
    const meant = nearest(what, ["show", "schema"]);
    const hint = meant === undefined
      ? "write plumb config show, or plumb config schema"
      : `did you mean ${meant}?`;
    throw new CallError(what === "" ? hint : `unknown command ${JSON.stringify(`config ${what}`)}; ${hint}`);
  }
  return STATUS.good;
}

/** The help of both. */
function configHelp(isAll: boolean): string {
  return [
    HELP,
    ...flagsHelp([{ title: "Flags", rows: [JSON_ROW] }, ...OPTIONS], isAll),
    STATUS_HELP,
  ].join("\n\n") + "\n";
}

/** A setting that holds. */
interface Shown {
  readonly row: Setting;
  /** As on the command line. */
  readonly values: readonly string[];
  /** `flag --port`, `variable PLUMB_PORT`, `plumb.toml:3`, `default`. */
  readonly from: string;
}

function sourceOf(said: Said, row: Setting): string {
  const source = said.source(row.name);
  if (source === undefined) return "default";
  const where = said.written(row.name);
  return source === "file" ? placeOf(where) : `${source} ${where}`;
}

/** `plumb.toml:3` of `plumb.toml:3: data`. */
function placeOf(where: string): string {
  return where.replace(/: [a-z.-]+$/, "");
}

/** The settings of the broker; a setting without a value and without a default is none. */
function brokerShown(call: Call, file: ConfigFile | undefined): Shown[] {
  const said = over(call.said, file);
  const { data, listen, login } = settingsOfCall(call, file);
  const own = listen.filter((one) => one.own === undefined);
  return SETTINGS.flatMap((row): Shown[] => {
    const from = sourceOf(said, row);
    if (row.option === "listen") {
      if (row.name !== "listen" || own.length === 0) return [];
      return [{ row, values: own.map(({ url }) => url), from: listenFrom(own, said) }];
    }
    // The directory and --memory exclude each other: the one that counts less does not hold.
    if (row.name === "data" && data === undefined) return [];
    // Of a chain that is written link by link, the one in short does not count.
    if (login !== undefined && row.key.startsWith(`${LOGIN}.`)) return [];
    if (row.name === "memory") return data === undefined ? [{ row, values: ["true"], from }] : [];
    const values = said.given.get(row.name) ??
      (row.default === undefined ? row.kind === "flag" ? ["false"] : undefined : [row.default]);
    return values === undefined ? [] : [{ row, values, from }];
  });
}

/** Where the URLs of the listeners without settings of their own come from. */
function listenFrom(listen: readonly Listen[], said: Said): string {
  const names = ["listen", "listen-addr", "port"].filter((name) => said.given.has(name));
  const rows = names.map((name) => SETTINGS.find((row) => row.name === name)!);
  const all = rows.filter((row) => {
    const where = said.written(row.name);
    return listen.some(({ flag, portFlag }) => flag === where || portFlag === where);
  });
  return all.length === 0 ? "default" : all.map((row) => sourceOf(said, row)).join(", ");
}

function listenerShown({ values }: FileListener): Shown[] {
  return LISTENER_SETTINGS.flatMap((row) => {
    const found = values.get(row.name);
    return found === undefined ? [] : [{ row, values: found.values, from: found.where }];
  });
}

/** The tables of the file whose listeners are opened. */
function tablesOf(call: Call, file: ConfigFile | undefined): readonly FileListener[] {
  return settingsOfCall(call, file).listen.some(({ own }) => own !== undefined) ? file?.listeners ?? [] : [];
}

function tableShown({ rows, values }: FileTable): Shown[] {
  return rows.flatMap((row) => {
    const found = values.get(row.name);
    return found === undefined ? [] : [{ row, values: found.values, from: found.where }];
  });
}

/** A block of lines for each table of an array. */
function arrayBlocks(
  { links = [], sni = [] }: FileArrays,
  prefix: string,
  line: (shown: Shown) => [string, string],
): [string, string][][] {
  const block = (name: string, one: FileTable, kind?: string): [string, string][] => [
    [`[[${prefix}${name}]]`, one.where],
    ...kind === undefined ? [] : [[`kind = ${quoted(kind)}`, one.where] as [string, string]],
    ...tableShown(one).map(line),
  ];
  return [...sni.map((one) => block(`tls.${SNI}`, one)), ...links.map((one) => block(LOGIN, one, one.kind))];
}

/** A block of lines for each bridge, and for each of its topics. */
function bridgeBlocks(
  bridges: readonly FileBridge[],
  line: (shown: Shown) => [string, string],
): [string, string][][] {
  const block = (name: string, one: FileTable): [string, string][] => [
    [`[[${name}]]`, one.where],
    ...tableShown(one).map(line),
  ];
  return bridges.flatMap((one) => [
    block(BRIDGE, one),
    ...one.topics.map((topic) => block(`${BRIDGE}.topic`, topic)),
  ]);
}

function shownAsToml(call: Call, file: ConfigFile | undefined): string {
  const line = ({ row, values, from }: Shown): [string, string] => [
    `${row.key} = ${tomlValue(row, values)}`,
    from,
  ];
  const blocks = [
    brokerShown(call, file).map(line),
    ...arrayBlocks(file ?? {}, "", line),
    ...tablesOf(call, file).flatMap((table): [string, string][][] => [
      [
        [`[[${LISTENER}]]`, table.where],
        [`url = ${quoted(table.url)}`, table.where],
        ...listenerShown(table).map(line),
      ],
      ...arrayBlocks(table, `${LISTENER}.`, line),
    ]),
    ...bridgeBlocks(file?.bridges ?? [], line),
  ];
  const width = Math.min(60, Math.max(...blocks.flat().map(([text]) => text.length)));
  const lines = blocks.map((block) =>
    block.map(([text, from]) => `${text.padEnd(width)}  # ${from}\n`).join("")
  );
  return lines.join("\n");
}

function shownAsJson(call: Call, file: ConfigFile | undefined): string {
  const item = ({ row, values, from }: Shown) => ({
    key: row.key,
    value: jsonValue(row, values),
    ...row.unit !== undefined && { unit: row.unit },
    from,
  });
  const arrays = ({ links, sni }: FileArrays) => ({
    ...links && {
      login: links.map((one) => ({ kind: one.kind, from: one.where, settings: tableShown(one).map(item) })),
    },
    ...sni && { sni: sni.map((one) => ({ from: one.where, settings: tableShown(one).map(item) })) },
  });
  const listeners = tablesOf(call, file).map((table) => ({
    url: table.url,
    from: table.where,
    settings: listenerShown(table).map(item),
    ...arrays(table),
  }));
  const settings = brokerShown(call, file).map(item);
  const bridges = file?.bridges?.map((one) => ({
    from: one.where,
    settings: tableShown(one).map(item),
    topics: one.topics.map((topic) => ({ from: topic.where, settings: tableShown(topic).map(item) })),
  }));
  return `${JSON.stringify({ settings, ...arrays(file ?? {}), listeners, ...bridges && { bridges } })}\n`;
}

function jsonValue({ kind }: Setting, values: readonly string[]): unknown {
  if (kind === "list") return values;
  const value = values.at(-1)!;
  const isBare = kind === "flag" || kind === "switch" || kind === "integer" && /^\d+$/.test(value);
  return isBare ? JSON.parse(value) : value;
}
