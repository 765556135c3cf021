/**
 * How the program that runs is started once more.
 * Knows the runtimes, and the file that Bun compiles; refuses to know what the program does.
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";

interface DenoSlice {
  readonly args: readonly string[];
  readonly mainModule: string;
  readonly permissions: { querySync(what: { readonly name: string }): { readonly state: string } };
}

/** All kinds of permissions. */
const KINDS: readonly string[] = ["read", "write", "net", "env", "run", "sys", "ffi"];

/**
 * The words of its call, up to its own arguments: the runtime with the flags that it has now, and the script. Undefined on Deno with less
 * than all permissions: a process that may start others may do everything by them. There it has `--unstable-net` besides, for `reusePort`.
 */
export function ownProgram(): readonly string[] | undefined {
  const { execPath, execArgv, argv } = process;
  const { Deno: deno } = globalThis as unknown as { readonly Deno?: DenoSlice };
  if (deno === undefined) {
    const isCompiled = argv[1]!.startsWith("/$bunfs/");
    return [execPath, ...isCompiled ? [] : [...execArgv, argv[1]!]];
  }
  if (KINDS.some((name) => deno.permissions.querySync({ name }).state !== "granted")) return undefined;
  const words = wordsOf(deno.args.length)?.slice(1) ?? ["run", "-A", deno.mainModule];
  const isRun = words[0] === "run";
  return [execPath, ...isRun ? ["run"] : [], "--unstable-net", ...words.slice(isRun ? 1 : 0)];
}

/** The words of this process's call without its last ones; undefined where the system does not tell: Linux does. */
function wordsOf(last: number): readonly string[] | undefined {
  try {
    const words = readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(0, -1);
    return words.slice(0, words.length - last);
  } catch {
    return undefined;
  }
}
