/**
 * A copy of the project in which one mutant after the other is made and tried.
 * Knows what the unit tests of the core need; refuses to know which mutants are tried.
 * @module
 */
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { bun } from "../../lib/run.ts";
import { pathOf } from "../../lib/tree.ts";

const FILES = ["src", "spec", "scripts/jsr", "package.json", "tsconfig.json"];

/** A broken loop may ask for memory without end... */
const MEMORY_KIB_MAX = 6_000_000;
/** ...or for processor time: so much in all, */
const CPU_SECONDS_MAX = 120;
/** and so much without a test that ends, which on Linux alone can be seen. No test of the core takes a second of it. */
const SILENT_CPU_SECONDS_MAX = 6;
/** Who uses no processor time for so long waits in vain. */
const IDLE_MS_MAX = 60_000;
/** Wall time says how busy the machine is: bun's own limit for a test shall never be reached. */
const TEST_MS_MAX = 1_000_000;
const LOOK_MS = 500;
/** As much of the end of a report is kept. */
const OUTPUT_MAX = 4_000;
/** Of Linux, in `/proc`. */
const TICKS_PER_SECOND = 100;

/** How the tests ended. */
export interface Trial {
  readonly passed: boolean;
  readonly output: string;
  /** The test file in which a test failed, if that can be seen. */
  readonly failedIn: string | undefined;
}

/** One copy; mutants are tried in it one at a time. */
export class Workshop {
  readonly #root: string;

  constructor() {
    this.#root = mkdtempSync(join(tmpdir(), "plumb-mutate-"));
    for (const file of FILES) {
      mkdirSync(dirname(join(this.#root, file)), { recursive: true });
      cpSync(pathOf(file), join(this.#root, file), { recursive: true });
    }
    symlinkSync(pathOf("node_modules"), join(this.#root, "node_modules"));
  }

  /** Has a file say something else. */
  write(file: string, text: string): void {
    writeFileSync(join(this.#root, file), text);
  }

  /** Runs test files, in this order, until one test fails, or has no end, which counts as failed. */
  run(tests: readonly string[]): Promise<Trial> {
    const limits = `ulimit -t ${CPU_SECONDS_MAX}; ulimit -v ${MEMORY_KIB_MAX} 2>/dev/null`;
    const files = tests.map((test) => `./${test}`);
    const command = [...bun(), "test", "--bail", "--timeout", `${TEST_MS_MAX}`, ...files];
    const child = spawn("sh", ["-c", `${limits}; exec "$@"`, "sh", ...command], {
      cwd: this.#root,
      env: { ...process.env, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let heardAt = 0;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (chunk: string) => {
        output = (output + chunk).slice(-OUTPUT_MAX);
        heardAt = cpuSecondsOf(child.pid);
      });
    }
    let [usedSeconds, usedAt] = [0, performance.now()];
    const timer = setInterval(() => {
      const seconds = cpuSecondsOf(child.pid);
      if (seconds > usedSeconds) [usedSeconds, usedAt] = [seconds, performance.now()];
      const isIdle = performance.now() - usedAt > IDLE_MS_MAX;
      if (isIdle || seconds - heardAt > SILENT_CPU_SECONDS_MAX) child.kill("SIGKILL");
    }, LOOK_MS);
    return new Promise((resolve) => {
      const ended = (passed: boolean, more = ""): void => {
        clearInterval(timer);
        const failedIn = [...output.matchAll(/\/((?:src|spec)\/\S+_test\.ts):\d/g)].at(-1)?.[1];
        resolve({ passed, output: output + more, failedIn });
      };
      child.on("error", (error) => ended(false, String(error)));
      child.on("close", (code) => ended(code === 0));
    });
  }

  remove(): void {
    rmSync(this.#root, { recursive: true });
  }
}

/** Processor time that a process has had; 0 where the system does not tell. */
function cpuSecondsOf(pid: number | undefined): number {
  try {
    const [, , ...fields] = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/\(.*\)/, "()").split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}
