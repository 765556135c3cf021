/**
 * Runs a command for a script: output goes to the terminal as it comes, and back to the caller at the end.
 * Knows processes and time limits; refuses to know what the commands are for.
 * @module
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { spawnKept } from "./kept_child.ts";
import { pathOf, ROOT } from "./tree.ts";

/** How a command ended. */
export interface Outcome {
  /** The exit status; 1 when it was ended by a signal, 124 when its time was over, 127 when it is not there. */
  readonly code: number;
  /** Standard output and standard error as they came, without colours. */
  readonly text: string;
  readonly seconds: number;
}

/** What `run` may be told. */
export interface RunOptions {
  /** Show nothing while it runs. */
  readonly quiet?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** The command is ended after this long. */
  readonly limitMs?: number;
  /** The command is ended when it has said nothing for so long. */
  readonly silentMs?: number;
  /** Output that does not count as something. */
  readonly noise?: RegExp;
  /** Default: the root of the project. */
  readonly cwd?: string;
}

/** Runs a command, which does not outlive this process. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const began = performance.now();
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: "1", ...options.env };
    const child = spawnKept(command, {
      cwd: options.cwd ?? ROOT,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const chunks: string[] = [];
    let late = false;
    const kill = () => {
      late = true;
      child.kill("SIGKILL");
    };
    const { silentMs, noise, limitMs = 600_000 } = options;
    const timer = setTimeout(kill, limitMs);
    let silence = setTimeout(kill, silentMs ?? limitMs);
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding("utf8");
      stream.on("data", (chunk: string) => {
        chunks.push(chunk);
        if (silentMs !== undefined && noise?.test(chunk) !== true) {
          clearTimeout(silence);
          silence = setTimeout(kill, silentMs);
        }
        if (!options.quiet) process.stdout.write(chunk);
      });
    }
    const finish = (code: number): void => {
      clearTimeout(timer);
      clearTimeout(silence);
      resolve({ code, text: chunks.join(""), seconds: (performance.now() - began) / 1000 });
    };
    child.on("error", (error) => {
      chunks.push(String(error));
      finish(127);
    });
    child.on("close", (code) => finish(late ? 124 : code ?? 1));
  });
}

/** The command that starts Deno: the one that runs this, since `npx deno` need not put one on the PATH. */
export function deno(): string[] {
  return ["Deno" in globalThis ? process.execPath : "deno"];
}

/** The command that starts Bun: the one that runs this, the one on the PATH, or the one that npm has. */
export function bun(): string[] {
  if ("Bun" in globalThis) return [process.execPath];
  const found = spawnSync("bun", ["--version"], { stdio: "ignore" }).status === 0;
  return found ? ["bun"] : ["npx", "-y", "bun@^1.4.0"];
}

/** The command that starts a Node which reads the tests, TypeScript with `using`: the one that runs this, the one on the PATH, or the one that npm has; undefined where none can be had. */
export function node(): string[] | undefined {
  const own = "Deno" in globalThis || "Bun" in globalThis ? [] : [process.execPath];
  const found = [...own, "node"].find(readsTests);
  if (found !== undefined) return [found];
  // Its path, not `npx node`: npx would stand between us and its signals.
  const path = outputOf("npx", ["-y", "-p", "node@^24.0.0", "-c", "node -p process.execPath"]);
  return readsTests(path) ? [path] : undefined;
}

/** Has Node find the packages of JSR. */
export const NODE_FLAGS: readonly string[] = ["--import", pathToFileURL(pathOf("scripts/jsr/node.js")).href];

function readsTests(file: string): boolean {
  return outputOf(file, [
    "-p",
    "Number(process.versions.node.split('.')[0]) >= 24 && process.features.typescript",
  ]) === "strip";
}

function outputOf(command: string, args: readonly string[]): string {
  return (spawnSync(command, args, { encoding: "utf8" }).stdout ?? "").trim();
}
