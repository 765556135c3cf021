/**
 * `plumb import`: how it is called, the files that it reads, and the ones that it writes.
 * Knows flags and files; refuses to know the options of mosquitto, and the content of a snapshot.
 * @module
 */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseConfig } from "../config/file.ts";
import { importMosquitto, type MosquittoLine, mosquittoLines } from "../config/mosquitto.ts";
import { StoreError } from "../store/error.ts";
import { STORE_FILE } from "../store/files.ts";
import { isSnapshot } from "../store/snapshot.ts";
import type { Environment } from "./environment.ts";
import { CallError, fileTrouble, STATUS, STATUS_HELP } from "./error.ts";
import { flagsHelp, HELP_ROWS, helpAsked, type OptionRow, readFlags } from "./flags.ts";
import { CONFIG_ROW, DEFAULT_CONFIG } from "./options.ts";
import { contentsLine, DATA, dataOf } from "./store.ts";
import { complain, say } from "./terminal.ts";
import { isDivided } from "./workers/layout.ts";

/** The variables that are read: those of the other flags would be read by everything else. */
const VARIABLES: readonly string[] = ["PLUMB_DATA", "PLUMB_CONFIG"];

const ROWS: readonly OptionRow[] = [
  {
    name: "output",
    short: "o",
    kind: "text",
    value: "DIR",
    about: `write DIR/${DEFAULT_CONFIG}, not to stdout`,
  },
  { name: "force", kind: "flag", about: "replace the file or the data if it is there" },
  DATA,
  CONFIG_ROW,
  { name: "json", kind: "flag", about: "what a snapshot had, as JSON" },
  ...HELP_ROWS,
];

/** What a snapshot begins with, and no text has. */
const BEGIN_BYTES = 64;

/**
 * Makes a data directory of a snapshot, or writes our configuration for mosquitto's, and says on stderr which lines have no counterpart or
 * another meaning; gives the exit status.
 * @throws {CallError}
 */
export async function importMain(args: readonly string[], environment: Environment): Promise<number> {
  const variables: Environment = (name) => VARIABLES.includes(name) ? environment(name) : undefined;
  const said = readFlags(args, variables, { rows: ROWS, positionals: 1, help: "plumb help import" });
  if (helpAsked(said) !== undefined) {
    await say(importHelp());
    return STATUS.good;
  }
  const { given, positionals: [file] } = said;
  const is = (flag: string) => given.get(flag)?.at(-1) === "true";
  const output = given.get("output")?.at(-1);
  if (file === undefined) throw new CallError("say which file: plumb import FILE");
  const begin = attempt(file, () => beginOf(file));
  if (isSnapshot(begin)) {
    if (output !== undefined) {
      throw new CallError("--output is for a mosquitto.conf; --data says where data goes");
    }
    const directory = await dataOf(given);
    if (isDivided(directory)) {
      throw new CallError(
        `${directory} has the data of several workers; choose another directory, or start the broker once with --workers 1`,
      );
    }
    try {
      const { importStore } = await import("../store/snapshot_file.ts");
      const contents = importStore(file, directory, is("force"));
      await say(contentsLine(join(directory, STORE_FILE), contents, is("json")));
      return STATUS.good;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      const advice = error.trouble === "locked" && error.message.endsWith("already")
        ? "; --force replaces it"
        : "";
      throw new CallError(error.message + advice);
    }
  }
  if (begin.includes(0)) {
    throw new CallError(`${file}: neither a mosquitto.conf nor a snapshot of plumb export`);
  }
  const { toml, remarks } = importMosquitto(linesOf(file, new Set()), file, resolve);
  await parseConfig(toml, DEFAULT_CONFIG); // for values that mosquitto takes and we do not
  if (output === undefined) await say(toml);
  else write(output, toml, is("force"));
  for (const remark of remarks) await complain(`${remark}\n`);
  return STATUS.good;
}

function beginOf(path: string): Uint8Array {
  const file = openSync(path, "r");
  try {
    const bytes = new Uint8Array(BEGIN_BYTES);
    return bytes.subarray(0, readSync(file, bytes, 0, BEGIN_BYTES, 0));
  } finally {
    closeSync(file);
  }
}

/** Its help. */
function importHelp(): string {
  return [
    "plumb import [flags] FILE\n\n" +
    "FILE is a snapshot, of plumb export or of a broker in a browser: makes a data directory of it, in which no broker may run.\n" +
    `Or it is a mosquitto.conf: writes a ${DEFAULT_CONFIG} for a configuration of mosquitto, each line with the one that it comes from.\n` +
    "Says on stderr which options have no counterpart or another meaning.\n" +
    "Files that it names, of passwords, permissions and certificates, stay where they are.",
    ...flagsHelp([{ title: "Flags", rows: ROWS }], true),
    STATUS_HELP,
  ].join("\n\n") + "\n";
}

/** The lines of a file, and of the files of each `include_dir` in its place; a directory counts once. */
function linesOf(file: string, seen: Set<string>): MosquittoLine[] {
  return mosquittoLines(attempt(file, () => readFileSync(file, "utf8")), file).flatMap((line) => {
    if (line.option !== "include_dir") return [line];
    if (seen.has(line.value)) return [];
    seen.add(line.value);
    const names = attempt(`${line.where}: ${line.value}`, () => readdirSync(line.value));
    return names.filter((name) => name.endsWith(".conf")).sort()
      .flatMap((name) => linesOf(join(line.value, name), seen));
  });
}

function write(directory: string, toml: string, isForced: boolean): void {
  const path = join(directory, DEFAULT_CONFIG);
  attempt(path, () => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(path, toml, { flag: isForced ? "w" : "wx", mode: 0o600 });
  });
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const isThere = (error as NodeJS.ErrnoException).code === "EEXIST";
    throw new CallError(
      `${path}: ${isThere ? "it is there already; --force replaces it" : fileTrouble(error)}`,
    );
  }
}
