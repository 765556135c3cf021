/**
 * Runs every `*_test.ts` on Deno, and on Bun and Node those that may differ there, and adds up what really ran; the last line is `N passed, N failed`.
 * Knows how the runtimes report; refuses to know what is tested. Arguments narrow the files: `deno task test src/codec`.
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TEST_MS } from "../src/testing/patience.ts";
import { bun, deno, node, NODE_FLAGS, run } from "./lib/run.ts";
import {
  brokeOff,
  count,
  countBun,
  countJunit,
  countNode,
  failuresInBun,
  failuresInJunit,
  failuresInNode,
  type Tally,
} from "./lib/tally.ts";
import { filesUnder } from "./lib/tree.ts";

/** For all tests on one runtime; `TEST_MS` finds what hangs. */
const LIMIT_MS = 60 * 60_000;
/** Files that a runtime leaves out, and why: the whole must end within CI's time, and Deno has all. */
type LeftOut = readonly (readonly [files: RegExp, why: string])[];
const THREE_SERVERS: LeftOut[number] = [
  /^src\/cluster\/nats\/cluster_test/,
  "three nats-servers of which one is killed: elections, which are the same whoever waits for them",
];
const NOT_ON_BUN: LeftOut = [
  [
    /^scripts\/(bench|browser_tests|figures|layers|lib\/(?!kept_child)|mutants|refusals|release|site|trials\/mutate)/,
    "tools of this repository, which are run on Deno",
  ],
  [
    /^conformance\/(?!server\/own_broker_test|wire\/)/,
    "the auditor's own parts, which know no runtime: what stays has Bun audit our broker",
  ],
  THREE_SERVERS,
];
/** Its engine is Deno's V8. */
const NOT_ON_NODE: LeftOut = [
  [
    /^scripts\/(?!lib\/tally)/,
    "tools of this repository, which run on Deno and Bun",
  ],
  [
    /^conformance\/(?!server\/own_broker_test)/,
    "the auditor's own parts: they know no runtime, and take long",
  ],
  THREE_SERVERS,
  [
    /^src\/(broker|client|cluster(?!\/nats)|codec|config|delivery|engine|nodes|page|permissions|toml|topic|transport|browser|edge|test_broker)\//,
    "the core, settings, and what is made for pages and edges: they know no runtime (deno task matrix has the core on Node)",
  ],
  [
    /^src\/cli\/(acl|audit|bench|bridges|closed|config|explain|guessing|home_assistant|init|metrics|rules|tolerate|trust)_test/,
    "commands that read, ask and print: what serves, keeps, watches and pipes is run, and shows that each can be started",
  ],
];
/** The tests that failed, told once more at the end, where they are found. */
const failures = new Set<string>();
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
    return count(code, () => {
      const xml = readFileSync(report, "utf8");
      tellFailures("Deno", failuresInJunit(xml));
      return countJunit(xml);
    });
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
  console.log(`\nBun: ${files.length} files\n${told(NOT_ON_BUN)}${text}`);
  tellBreak("Bun", code, text);
  tellFailures("Bun", failuresInBun(text));
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
  console.log(`\nNode: ${files.length} files\n${told(NOT_ON_NODE)}${text}`);
  tellBreak("Node", code, text);
  tellFailures("Node", failuresInNode(text));
  return count(code, () => countNode(text));
}

function without(files: readonly string[], left: LeftOut): string[] {
  return files.filter((file) => !left.some(([pattern]) => pattern.test(file)));
}

/** What is left out, in lines. */
function told(left: LeftOut): string {
  return left.map(([pattern, why]) => `  left out: ${pattern.source}: ${why}\n`).join("");
}

/** Every other one. */
function halves(files: readonly string[]): [string[], string[]] {
  return [files.filter((_, i) => i % 2 === 0), files.filter((_, i) => i % 2 === 1)];
}

/** Says where a run ended that has no summary: it crashed, it left, or it was ended since it took too long. */
function tellBreak(runtime: string, code: number, text: string): void {
  const where = brokeOff(text);
  if (where === undefined) return;
  const how = code === 124 ? "took too long" : `ended with status ${code} and without a summary`;
  console.log(`\n${runtime} ${how}, ${where}`);
}

function tellFailures(runtime: string, names: readonly string[]): void {
  for (const name of names) failures.add(`${runtime}: ${name}`);
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
const onBunToo = without(files, NOT_ON_BUN);
const onNodeToo = without(files, NOT_ON_NODE);
console.log(
  `Deno: ${files.length} files, and at the same time ${onBunToo.length} of them on Bun, and ${onNodeToo.length} on Node`,
);
const [[even, odd], [evenOnBun, oddOnBun]] = [halves(files), halves(onBunToo)];
let last: Promise<Tally> = runDeno(even);
const first = last;
/** Starts a run whose output comes behind that of the one before; no files are no run. */
const begin = (run: typeof runBun, files: readonly string[]): Promise<Tally> =>
  files.length === 0 ? NOTHING : last = run(files, last);
const second = begin(runDeno, odd);
const third = begin(runBun, evenOnBun);
const fourth = begin(runBun, oddOnBun);
const fifth = begin(runNode, onNodeToo);
const onDeno = sum(await first, await second);
const onBun = sum(await third, await fourth);
const onNode = await fifth;

if (failures.size > 0) console.log(`\nFailed:\n  ${[...failures].join("\n  ")}`);
console.log(`\nDeno ${line(onDeno)}\nBun ${line(onBun)}\nNode ${line(onNode)}`);
const total = sum(sum(onDeno, onBun), onNode);
console.log(line(total));
process.exit(total.failed === 0 ? 0 : 1);
