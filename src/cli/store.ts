/**
 * `plumb backup`, `plumb export`, `plumb verify` and `plumb compact`: how they are called, and their output.
 * Knows flags and lines; refuses to know how a store is kept.
 * @module
 */
import { join } from "node:path";
import { DEFAULT_DATA } from "../config/schema.ts";
import { StoreError } from "../store/error.ts";
import { isThere, STORE_FILE } from "../store/files.ts";
import type { Contents } from "../store/salvage.ts";
import type { Verified } from "../store/verify.ts";
import { configFileOf } from "./config_file.ts";
import type { Environment } from "./environment.ts";
import { CallError, STATUS, STATUS_HELP } from "./error.ts";
import {
  type Flags,
  flagsHelp,
  HELP_ROWS,
  helpAsked,
  type OptionGroup,
  type OptionRow,
  readFlags,
} from "./flags.ts";
import { CONFIG_ROW } from "./options.ts";
import { say } from "./terminal.ts";
import { storesIn } from "./workers/layout.ts";

/** The flag that says which data directory. */
export const DATA: OptionRow = {
  name: "data",
  kind: "text",
  value: "DIR",
  default: DEFAULT_DATA,
  about: "the data directory of the broker",
};
const JSON_ROW: OptionRow = { name: "json", kind: "flag", about: "results as JSON" };
const FORCE: OptionRow = { name: "force", kind: "flag", about: "replace FILE if it is there" };

/** A command: its flags, and its work on a store that is there; gives the exit status. */
interface StoreCommand {
  readonly call: string;
  readonly about: readonly string[];
  readonly rows: readonly OptionRow[];
  readonly positionals: number;
  run(call: StoreCall): Promise<number>;
}

interface StoreCall {
  /** The directories of the stores: one, or one for each worker. */
  readonly directories: readonly string[];
  /** Their files. */
  readonly paths: readonly string[];
  readonly positionals: readonly string[];
  is(flag: string): boolean;
}

/** The commands by name. */
export const STORE_COMMANDS: Readonly<Record<string, StoreCommand>> = {
  backup: {
    call: "plumb backup [flags] FILE",
    about: [
      "Copies the data of a broker to FILE, as of one moment; the broker may keep running.",
      `To restore it, stop the broker and put FILE into its data directory as ${STORE_FILE}.`,
      "Of several workers it has what each had at one moment; to restore it, remove the directory workers as well.",
    ],
    rows: [DATA, CONFIG_ROW, FORCE, JSON_ROW, ...HELP_ROWS],
    positionals: 1,
    async run({ paths, positionals: [file], is }) {
      if (file === undefined) throw new CallError("say where to: plumb backup FILE");
      if (isThere(file) && !is("force")) throw new CallError(`${file} is there already; --force replaces it`);
      const { backUp } = await import("../store/backup.ts");
      const { asOneStore } = await import("../store/join.ts");
      const copied = asOneStore(paths, file, (path) => backUp(path, file));
      await say(contentsLine(file, copied, is("json")));
      return STATUS.good;
    },
  },
  export: {
    call: "plumb export [flags] FILE",
    about: [
      "Writes the data of a broker to FILE as a snapshot, as of one moment; the broker may keep running.",
      "plumb import FILE makes a data directory of it, and a broker in a browser reads it by importSnapshot().",
    ],
    rows: [DATA, CONFIG_ROW, FORCE, JSON_ROW, ...HELP_ROWS],
    positionals: 1,
    async run({ paths, positionals: [file], is }) {
      if (file === undefined) throw new CallError("say where to: plumb export FILE");
      if (isThere(file) && !is("force")) throw new CallError(`${file} is there already; --force replaces it`);
      const { exportStore } = await import("../store/snapshot_file.ts");
      const { asOneStore } = await import("../store/join.ts");
      const exported = asOneStore(paths, file, (path) => exportStore(path, file));
      await say(contentsLine(file, exported, is("json")));
      return STATUS.good;
    },
  },
  verify: {
    call: "plumb verify [flags]",
    about: [
      "Checks every page and every row of the data of a broker, and changes nothing; the broker may keep running.",
      "Prints a line for each fault. When it starts, the broker sets a damaged store aside, and saves all that can be read.",
    ],
    rows: [DATA, CONFIG_ROW, JSON_ROW, ...HELP_ROWS],
    positionals: 0,
    async run({ paths, is }) {
      const { verifyStore } = await import("../store/verify.ts");
      const lines: string[] = [];
      const all = paths.map((path) => verifyStore(path, (line) => lines.push(line)));
      const sum = (name: keyof Verified) => all.reduce((sum, each) => sum + each[name], 0);
      const [sessions, subscriptions, deliveries, waiting, retained, bytes, faults] = [
        sum("sessions"),
        sum("subscriptions"),
        sum("deliveries"),
        sum("waiting"),
        sum("retained"),
        sum("bytes"),
        sum("faults"),
      ];
      const counts = { bytes, sessions, subscriptions, deliveries, waiting, retained };
      const text = [
        ...lines,
        `${paths.join(", ")}: ${
          [
            many(sessions, "session"),
            many(subscriptions, "subscription"),
            `${many(deliveries, "message")} on their way (${waiting} of them wait)`,
            many(retained, "retained message"),
            many(bytes, "byte"),
            faults === 0 ? "sound" : many(faults, "fault"),
          ].join(", ")
        }`,
      ].join("\n");
      await say(line(is("json") ? { ...counts, faults, lines } : text));
      return faults === 0 ? STATUS.good : STATUS.found;
    },
  },
  compact: {
    call: "plumb compact [flags]",
    about: [
      "Makes the data file smaller: it gives the room of deleted data back to the disk. The broker must not run.",
      "It needs as much free room as the file has, beside it and in the directory for temporary files.",
    ],
    rows: [DATA, CONFIG_ROW, JSON_ROW, ...HELP_ROWS],
    positionals: 0,
    async run({ directories, paths, is }) {
      const { compact } = await import("../store/backup.ts");
      const all = directories.map((directory) => compact(directory));
      const before = all.reduce((sum, one) => sum + one.before, 0);
      const after = all.reduce((sum, one) => sum + one.after, 0);
      await say(line(
        is("json")
          ? { before, after }
          : `${paths.join(", ")}: ${many(before, "byte")} before, ${many(after, "byte")} after`,
      ));
      return STATUS.good;
    },
  },
};

/**
 * Does one of them; gives the exit status.
 * @throws {CallError} when the call is wrong, or the work fails.
 */
export async function storeMain(
  name: string,
  args: readonly string[],
  environment: Environment,
): Promise<number> {
  const command = STORE_COMMANDS[name]!;
  const flags: Flags = { rows: command.rows, positionals: command.positionals, help: `plumb help ${name}` };
  const said = readFlags(args, environment, flags);
  const { given, positionals } = said;
  const is = (flag: string) => given.get(flag)?.at(-1) === "true";
  if (helpAsked(said) !== undefined) {
    await say(storeHelp(name));
    return STATUS.good;
  }
  const directory = await dataOf(given);
  const directories = storesIn(directory);
  const paths = directories.map((one) => join(one, STORE_FILE)).filter(isThere);
  if (paths.length < directories.length) {
    throw new CallError(`there is no store in ${directory}; --data says where`);
  }
  try {
    return await command.run({ directories, paths, positionals, is });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const advice = error.trouble === "corrupt" ? "; plumb verify says more" : "";
    throw new CallError(error.message + advice);
  }
}

/** The data directory that the flags name, or the configuration file. */
export async function dataOf(given: ReadonlyMap<string, readonly string[]>): Promise<string> {
  const file = given.has("data") ? undefined : await configFileOf({ config: given.get("config")?.at(-1) });
  return given.get("data")?.at(-1) ?? file?.values.get("data")?.values.at(-1) ?? DEFAULT_DATA;
}

/** The help of one of them. */
export function storeHelp(name: string): string {
  const { call, about, rows } = STORE_COMMANDS[name]!;
  const groups: OptionGroup[] = [{ title: "Flags", rows }];
  return [
    `${call}\n\n${about.join("\n")}`,
    ...flagsHelp(groups, true),
    "Every flag has an environment variable: --data is PLUMB_DATA. The command line wins.",
    STATUS_HELP,
  ].join("\n\n") + "\n";
}

/** What is in a file now, in one line. */
export function contentsLine(
  file: string,
  contents: Contents & { readonly bytes: number },
  json: boolean,
): string {
  const { sessions, subscriptions, deliveries, retained, bytes } = contents;
  if (json) return line({ file, sessions, subscriptions, deliveries, retained, bytes });
  const counts = [
    many(sessions, "session"),
    many(subscriptions, "subscription"),
    many(deliveries, "message") + " on their way",
    many(retained, "retained message"),
    many(bytes, "byte"),
  ];
  return line(`${file}: ${counts.join(", ")}`);
}

function many(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** One line; a value that is no text is written as JSON. */
function line(what: string | object): string {
  return `${typeof what === "string" ? what : JSON.stringify(what)}\n`;
}
