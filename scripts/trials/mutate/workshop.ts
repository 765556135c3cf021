/**
 * A copy of the project in which one mutant after the other is made and tried.
 * Knows what the unit tests of the core need; refuses to know which mutants are tried.
 * @module
 */
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { bun } from "../../lib/run.ts";
import { pathOf } from "../../lib/tree.ts";

const FILES = ["src", "spec", "scripts/jsr", "package.json", "tsconfig.json"];

/** A broken loop may ask for memory without end. */
const MEMORY_KIB_MAX = 6_000_000;
/** bun's own limit for one test is wall time, which a busy machine uses up. */
const TEST_MS_MAX = 600_000;
/** As much of the end of a report is looked at. */
const OUTPUT_MAX = 4_000;

/** How the tests ended. */
export interface Trial {
  readonly passed: boolean;
  readonly output: string;
  /** Seconds of processor time; 0 if the time was used up. */
  readonly cpuSeconds: number;
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

  /**
   * Runs test files, in this order, until one test fails, or until they have had so many seconds of processor time, which
   * counts as failed. Wall time would say how busy the machine is.
   */
  run(tests: readonly string[], cpuSecondsMax: number): Promise<Trial> {
    const limits = `ulimit -t ${cpuSecondsMax}; ulimit -v ${MEMORY_KIB_MAX} 2>/dev/null`;
    const files = tests.map((test) => `./${test}`);
    const command = [...bun(), "test", "--bail", "--timeout", `${TEST_MS_MAX}`, ...files];
    const child = spawn("sh", ["-c", `${limits}; "$@"; code=$?; times; exit $code`, "sh", ...command], {
      cwd: this.#root,
      env: { ...process.env, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (chunk: string) => output = (output + chunk).slice(-OUTPUT_MAX));
    }
    return new Promise((resolve) => {
      child.on("error", (error) => resolve({ passed: false, output: String(error), cpuSeconds: 0 }));
      child.on("close", (code) => resolve({ passed: code === 0, output, cpuSeconds: cpuSecondsOf(output) }));
    });
  }

  remove(): void {
    rmSync(this.#root, { recursive: true });
  }
}

/** What `times` says of the children, in the last line that has the form `0m12.340s 0m2.010s`. */
function cpuSecondsOf(output: string): number {
  const [, ...parts] = [...output.matchAll(/^(\d+)m([\d.]+)s (\d+)m([\d.]+)s$/gm)].at(-1) ?? [];
  const [minutes = 0, seconds = 0, systemMinutes = 0, systemSeconds = 0] = parts.map(Number);
  return (minutes + systemMinutes) * 60 + seconds + systemSeconds;
}
