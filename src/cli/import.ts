/**
 * `plumb import`: how it is called, the files that it reads, and the one that it writes.
 * Knows flags and files; refuses to know the options of mosquitto.
 * @module
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseConfig } from "../config/file.ts";
import { importMosquitto, type MosquittoLine, mosquittoLines } from "../config/mosquitto.ts";
import { NO_VARIABLES } from "./environment.ts";
import { CallError, fileTrouble, STATUS, STATUS_HELP } from "./error.ts";
import { flagsHelp, HELP_ROWS, helpAsked, type OptionRow, readFlags } from "./flags.ts";
import { DEFAULT_CONFIG } from "./options.ts";
import { complain, say } from "./terminal.ts";

const ROWS: readonly OptionRow[] = [
  {
    name: "output",
    short: "o",
    kind: "text",
    value: "DIR",
    about: `write DIR/${DEFAULT_CONFIG}, not to stdout`,
  },
  { name: "force", kind: "flag", about: "replace the file if it is there" },
  ...HELP_ROWS,
];

/**
 * Writes our configuration for mosquitto's, and says on stderr which lines have no counterpart or another meaning; gives the exit status.
 * @throws {CallError}
 */
export async function importMain(args: readonly string[]): Promise<number> {
  const said = readFlags(args, NO_VARIABLES, { rows: ROWS, positionals: 1, help: "plumb help import" });
  if (helpAsked(said) !== undefined) {
    await say(importHelp());
    return STATUS.good;
  }
  const { given, positionals: [file] } = said;
  if (file === undefined) throw new CallError("say which file: plumb import mosquitto.conf");
  const { toml, remarks } = importMosquitto(linesOf(file, new Set()), file, resolve);
  await parseConfig(toml, DEFAULT_CONFIG); // for values that mosquitto takes and we do not
  const directory = given.get("output")?.at(-1);
  if (directory === undefined) await say(toml);
  else write(directory, toml, given.get("force")?.at(-1) === "true");
  for (const remark of remarks) await complain(`${remark}\n`);
  return STATUS.good;
}

/** Its help. */
function importHelp(): string {
  return [
    "plumb import [flags] mosquitto.conf\n\n" +
    `Writes a ${DEFAULT_CONFIG} for a configuration of mosquitto, each line with the one that it comes from.\n` +
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
