/**
 * Runs every `*_test.ts` under Deno, Bun and Node and adds up what really ran; the last line is `N passed, N failed`.
 * Knows how the runtimes report; refuses to know what is tested. Arguments narrow the files: `deno task test src/codec`.
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TEST_MS } from "../src/testing/patience.ts";
import { bun, deno, node, NODE_FLAGS, run } from "./lib/run.ts";
import { brokeOff, count, countBun, countJunit, countNode, type Tally } from "./lib/tally.ts";
import { filesUnder } from "./lib/tree.ts";

/** For all tests on one runtime; `TEST_MS` finds what hangs. */
const LIMIT_MS = 60 * 60_000;
/** Files that Node leaves out, and why: its engine is Deno's V8, and the whole must end within CI's time. */
const NOT_ON_NODE: readonly (readonly [files: RegExp, why: string])[] = [
  [
    /^scripts\/(?!lib\/tally)/,
    "tools of this repository, which run on Deno and Bun",
  ],
  [
    /^conformance\/(?!server\/own_broker_test)/,
    "the auditor's own parts: they know no runtime, and take long",
  ],
  [
    /^src\/(broker|client|codec|config|delivery|engine|page|permissions|toml|topic|transport|browser|edge|test_broker)\//,
    "the core, settings, and what is made for pages and edges: they know no runtime (deno task matrix has the core on Node)",
  ],
];
/** What Deno says again and again of one test. */
const STILL_RUNNING = /has been running for over/;

/** Its output is shown as it comes, or else behind that of `after`. */
async function runDeno(
  files: readonly string[],
  after?: Promise<unknown>,
): Promise<Tally> {
  const folder = mkdtempSync(join(tmpdir(), "plumb-test-"));
  try {
    const report = join(folder, "deno.xml");
    // `deno task check` checks types, once for all: here each thread that a test starts would check its own again.
    const command = [...deno(), "test", "-A", "--no-check", `--junit-path=${report}`, ...files];
    const isQuiet = after !== undefined;
    const { code, text } = await run(command, {
      limitMs: LIMIT_MS,
      silentMs: isQuiet ? 2 * TEST_MS : TEST_MS,
      noise: STILL_RUNNING,
      quiet: isQuiet,
    });
    await after;
    if (isQuiet) console.log(`\nDeno, the other files\n${text}`);
    tellBreak("Deno", code, text);
    return count(code, () => countJunit(readFileSync(report, "utf8")));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Its output is shown behind that of `after`. */
async function runBun(
  files: readonly string[],
  after: Promise<unknown>,
): Promise<Tally> {
  const { code, text } = await run(
    [
      ...bun(),
      "test",
      `--timeout=${TEST_MS}`,
      ...files.map((file) => `./${file}`),
    ],
    { limitMs: LIMIT_MS, silentMs: 2 * TEST_MS, quiet: true },
  );
  await after;
  console.log(`\nBun: ${files.length} files\n${text}`);
  tellBreak("Bun", code, text);
  return count(code, () => countBun(text));
}

/** Its output is shown behind that of `after`. A machine on which no Node can be had has failed. */
async function runNode(
  files: readonly string[],
  after: Promise<unknown>,
): Promise<Tally> {
  const command = node();
  if (command === undefined) {
    await after;
    console.log(
      "\nNode: none that reads TypeScript is on the PATH, and npx has none",
    );
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const flags = [
    "--test",
    "--test-isolation=none",
    "--test-force-exit",
    "--test-reporter=spec",
    `--test-timeout=${TEST_MS}`,
  ];
  const { code, text } = await run([...command, ...flags, ...files], {
    limitMs: LIMIT_MS,
    silentMs: 2 * TEST_MS,
    quiet: true,
    // For its children too. The cache saves them the time to read TypeScript.
    env: {
      NODE_OPTIONS: NODE_FLAGS.join("="),
      NODE_COMPILE_CACHE: join(tmpdir(), "plumb-node-cache"),
    },
  });
  await after;
  const left = NOT_ON_NODE.map(([pattern, why]) => `  left out: ${pattern.source}: ${why}\n`).join("");
  console.log(`\nNode: ${files.length} files\n${left}${text}`);
  tellBreak("Node", code, text);
  return count(code, () => countNode(text));
}

/** Says where a run ended that has no summary: it crashed, it left, or it was ended since it took too long. */
function tellBreak(runtime: string, code: number, text: string): void {
  const where = brokeOff(text);
  if (where === undefined) return;
  const how = code === 124 ? "took too long" : `ended with status ${code} and without a summary`;
  console.log(`\n${runtime} ${how}, ${where}`);
}

function line({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

const NOTHING: Promise<Tally> = Promise.resolve({
  passed: 0,
  failed: 0,
  skipped: 0,
});

function sum(one: Tally, other: Tally): Tally {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
  };
}

const wanted = process.argv.slice(2).map((path) => path.replace(/^\.\//, ""));
const files = filesUnder(".", "_test.ts").filter((file) =>
  wanted.length === 0 || wanted.some((path) => file.startsWith(path))
);
if (files.length === 0) {
  console.log("No test file there.\n0 passed, 1 failed");
  process.exit(1);
}

// Before both: no test may find half a node_modules.
const installed = await run([...bun(), "install", "--frozen-lockfile"], {
  quiet: true,
});
if (installed.code !== 0) {
  console.log(`${installed.text}\n0 passed, 1 failed`);
  process.exit(1);
}

// All at a time: most tests wait more than they compute. Deno and Bun have every other file in a second process.
const onNodeToo = files.filter((file) => !NOT_ON_NODE.some(([pattern]) => pattern.test(file)));
console.log(
  `Deno: ${files.length} files, and at the same time all of them on Bun, and ${onNodeToo.length} on Node`,
);
const [even, odd] = [0, 1].map((rest) => files.filter((_, i) => i % 2 === rest)) as [string[], string[]];
const first = runDeno(even);
const second = odd.length === 0 ? NOTHING : runDeno(odd, first);
const third = runBun(even, second);
const fourth = odd.length === 0 ? NOTHING : runBun(odd, third);
const fifth = onNodeToo.length === 0 ? NOTHING : runNode(onNodeToo, fourth);
const onDeno = sum(await first, await second);
const onBun = sum(await third, await fourth);
const onNode = await fifth;

console.log(`\nDeno ${line(onDeno)}\nBun ${line(onBun)}\nNode ${line(onNode)}`);
const total = sum(sum(onDeno, onBun), onNode);
console.log(line(total));
process.exit(total.failed === 0 ? 0 : 1);
