/**
 * Runs every `*_test.ts` under Deno and under Bun and adds up what really ran; the last line is `N passed, N failed`.
 * Knows how both runtimes report; refuses to know what is tested. Arguments narrow the files: `deno task test src/codec`.
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bun, deno, run } from "./lib/run.ts";
import { count, countBun, countJunit, type Tally } from "./lib/tally.ts";
import { filesUnder } from "./lib/tree.ts";

const LIMIT_MS = 10 * 60_000;
/** For one test on Bun, whose own 5 s a busy machine exceeds. A test that hangs is ended by its own time-out or by `LIMIT_MS`. */
const TEST_MS = "120000";

async function runDeno(files: readonly string[]): Promise<Tally> {
  const folder = mkdtempSync(join(tmpdir(), "plumb-test-"));
  try {
    const report = join(folder, "deno.xml");
    const command = [...deno(), "test", "-A", `--junit-path=${report}`, ...files];
    const { code } = await run(command, { limitMs: LIMIT_MS });
    return count(code, () => countJunit(readFileSync(report, "utf8")));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function runBun(files: readonly string[]): Promise<Tally> {
  const command = bun();
  const installed = await run([...command, "install", "--frozen-lockfile"], { quiet: true });
  if (installed.code !== 0) {
    console.log(installed.text);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const { code, text } = await run([
    ...command,
    "test",
    "--timeout",
    TEST_MS,
    ...files.map((file) => `./${file}`),
  ], {
    limitMs: LIMIT_MS,
  });
  return count(code, () => countBun(text));
}

function line({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

const wanted = process.argv.slice(2).map((path) => path.replace(/^\.\//, ""));
const files = filesUnder(".", "_test.ts").filter((file) =>
  wanted.length === 0 || wanted.some((path) => file.startsWith(path))
);
if (files.length === 0) {
  console.log("No test file there.\n0 passed, 1 failed");
  process.exit(1);
}

console.log(`Deno: ${files.length} files`);
const onDeno = await runDeno(files);
console.log(`\nBun: ${files.length} files`);
const onBun = await runBun(files);

console.log(`\nDeno ${line(onDeno)}\nBun ${line(onBun)}`);
const total: Tally = {
  passed: onDeno.passed + onBun.passed,
  failed: onDeno.failed + onBun.failed,
  skipped: onDeno.skipped + onBun.skipped,
};
console.log(line(total));
process.exit(total.failed === 0 ? 0 : 1);
