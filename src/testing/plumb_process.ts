/**
 * The executable as a process, on the runtime that the test runs on.
 * Knows how it is started; refuses to know what it is asked for.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../cli/main.ts", import.meta.url));

/** How it ended, and what it has said. */
export interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Starts it. `env` comes on top of ours; `cwd` is its working directory in place of ours. */
export function startPlumb(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): ChildProcess {
  const before = "Deno" in globalThis ? ["run", "-A", "--no-check", MAIN] : [MAIN];
  const options = { env: { ...process.env, ...env }, cwd, stdio: "pipe" } as const;
  return spawn(process.execPath, [...before, ...args], options);
}

/** Starts it and waits for its end. */
export function plumb(
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
  cwd?: string,
): Promise<Outcome> {
  const child = startPlumb(args, env, cwd);
  const said = { out: "", err: "" };
  child.stdout!.setEncoding("utf8").on("data", (text: string) => said.out += text);
  child.stderr!.setEncoding("utf8").on("data", (text: string) => said.err += text);
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, ...said })));
}
