/**
 * The broker as one executable file for each system. The runtimes come from npm, where Bun keeps one package for each.
 * Knows targets, and how Bun compiles; refuses to know what packages are made of the files.
 * @module
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { bun, run } from "../lib/run.ts";
import { pathOf } from "../lib/tree.ts";

/** A system, and Bun's package for it. `baseline` runs on processors without AVX2. */
export interface Target {
  readonly name: string;
  readonly runtime: string;
  /** What Bun calls it. */
  readonly target: string;
  /** What Debian calls it. */
  readonly debian?: string;
}

/** All of them. */
export const TARGETS: readonly Target[] = [
  { name: "linux-x64", runtime: "linux-x64-baseline", target: "bun-linux-x64-baseline", debian: "amd64" },
  { name: "linux-arm64", runtime: "linux-aarch64", target: "bun-linux-arm64", debian: "arm64" },
  { name: "macos-x64", runtime: "darwin-x64", target: "bun-darwin-x64" },
  { name: "macos-arm64", runtime: "darwin-aarch64", target: "bun-darwin-arm64" },
  { name: "windows-x64", runtime: "windows-x64-baseline", target: "bun-windows-x64-baseline" },
];

/** The command that compiles; a program that is started in a folder reads no `.env` and no `bunfig.toml` of it. */
export function compileCommand(entries: readonly string[], outfile: string, ...more: string[]): string[] {
  const flags = ["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"];
  return [...bun(), "build", "--compile", "--minify", ...flags, ...entries, "--outfile", outfile, ...more];
}

/** The name of the file for a target. */
export function fileOf({ name }: Target): string {
  return `plumb-${name}${name.startsWith("windows") ? ".exe" : ""}`;
}

/**
 * The runtime of a target, from npm unless it is there already.
 * @throws {Error}
 */
export async function runtimeOf({ runtime }: Target, version: string): Promise<string> {
  const folder = pathOf(`dist/runtimes/${version}/${runtime}`);
  const executable = `${folder}/package/bin/bun${runtime.startsWith("windows") ? ".exe" : ""}`;
  if (existsSync(executable)) return executable;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const what = `@oven/bun-${runtime}@${version}`;
  await must(["npm", "pack", "--silent", "--pack-destination", folder, what], what);
  const [archive] = readdirSync(folder);
  await must(["tar", "-xzf", `${folder}/${archive}`, "-C", folder], what);
  rmSync(`${folder}/${archive}`);
  return executable;
}

/**
 * Compiles for a target into a folder; gives the path of the file.
 * @throws {Error}
 */
export async function compileFor(
  target: Target,
  entries: readonly string[],
  folder: string,
  version: string,
): Promise<string> {
  const executable = await runtimeOf(target, version);
  const out = `${folder}/${fileOf(target)}`;
  const partial = `${folder}/partial${target.name.startsWith("windows") ? ".exe" : ""}`;
  const more = ["--target", target.target, "--compile-executable-path", executable];
  await must(compileCommand(entries, partial, ...more), target.name);
  renameSync(partial, out);
  chmodSync(out, 0o755);
  return out;
}

/** @throws {Error} with all that the command said. */
export async function must(command: readonly string[], what: string): Promise<string> {
  const { code, text } = await run(command, { quiet: true });
  if (code !== 0) throw new Error(`${what}: ${command.join(" ")} failed (${code}):\n${text}`);
  return text;
}
