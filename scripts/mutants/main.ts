/**
 * Shows that every case for Servers can fail: for each, small breaks of our broker that must turn it red.
 * Knows what is to be shown and what is shown already; refuses to know how a broker is broken.
 *
 * `deno task mutants -- [--only CASE] [--level 4|5] [--jobs N] [--sample N] [--all]`: `--only` is a case or the beginning
 * of one and may be given more than once; `--sample` takes a fixed choice of so many; `--all` asks the cache nothing.
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import process from "node:process";
import type { Level } from "../../conformance/bytes.ts";
import { SERVER_CASES } from "../../conformance/cases/mod.ts";
import { AUDITED_BROKERS, type AuditedBroker, NO_OCCASION } from "../lib/audited_brokers.ts";
import { allMutants, type FoundMutant } from "../lib/mutants.ts";
import { filesUnder, ROOT } from "../lib/tree.ts";
import { BrokerProcess } from "./broker_process.ts";
import { auditorFiles, brokerFiles, Cache, hashOf, hashOfFiles } from "./cache.ts";
import { allServerCases, type FoundCase } from "./cases.ts";
import { BASELINE_PATIENCE_MS, type Found, PATIENCE_MS, tryCases } from "./trials.ts";
import { Workshop } from "./workshop.ts";

const args = parseArgs(process.argv.slice(2).filter((arg) => arg !== "--"), {
  string: ["only", "jobs", "level", "sample"],
  boolean: ["all"],
  collect: ["only"],
  unknown: (arg: string) => {
    console.log(`Unknown: ${arg}`);
    process.exit(2);
  },
});
const jobs = Number(args.jobs ?? 2);
/** They wait most of their time. */
const TIMING_JOBS = 8;
const levels: readonly Level[] = args.level === undefined ? [5, 4] : [Number(args.level) as Level];

/** One mutant at one level, which its case must find. */
interface Task {
  readonly found: FoundMutant;
  readonly source: FoundCase;
  readonly level: Level;
  readonly key: string;
}

const began = performance.now();
const faults: string[] = [];
const cache = new Cache();
const cases = new Map((await allServerCases()).map((found) => [found.one.id, found]));
const mutants = await allMutants();
const auditor = hashOfFiles(auditorFiles());

for (const id of cases.keys()) {
  if (!SERVER_CASES.some((one) => one.id === id)) faults.push(`${id}: not among SERVER_CASES`);
}
const tasks = sampled(plan());
const brokers = await baselines();
await runAll(tasks);
cache.save(args.only.length === 0 && args.sample === undefined && args.level === undefined);

for (const fault of faults) console.log(fault);
console.log(
  `${cases.size} cases, ${mutants.length} mutants, ${tasks.length} tasks in ${
    ((performance.now() - began) / 1000).toFixed(1)
  } s`,
);
console.log(`${passed()} passed, ${faults.length} failed`);
process.exit(faults.length === 0 ? 0 : 1);

function passed(): number {
  return tasks.filter(({ key }) => cache.get(key) === "killed").length;
}

function isWanted(id: string): boolean {
  return args.only.length === 0 || args.only.some((start: string) => id === start || id.startsWith(start));
}

/** What is to be shown; names the cases for which nothing is written down. */
function plan(): Task[] {
  const all: Task[] = [];
  const files = filesUnder("conformance/mutants", ".ts");
  const helpers = hashOfFiles(files.filter((file) => mutants.every((one) => one.file !== file)));
  for (const found of mutants) {
    const { mutant, file, index } = found;
    const source = cases.get(mutant.kills);
    if (source === undefined) {
      faults.push(`${file} #${index}: there is no case ${mutant.kills}`);
      continue;
    }
    if (!isWanted(mutant.kills)) continue;
    const texts = hashOfFiles([file, source.file, ..."file" in mutant ? [mutant.file] : []]);
    for (const level of mutant.levels ?? source.one.levels) {
      if (!levels.includes(level)) continue;
      const key = hashOf("mutant", auditor, helpers, texts, String(index), String(level));
      all.push({ found, source, level, key });
    }
  }
  for (const { one } of cases.values()) {
    if (!isWanted(one.id) || one.id in NO_OCCASION) continue;
    for (const level of one.levels) {
      const has = all.some((task) => task.level === level && task.source.one === one);
      if (levels.includes(level) && !has) faults.push(`${one.id} level ${level}: no mutant`);
    }
  }
  return all;
}

/** A choice that stays the same as long as the mutants do. */
function sampled(all: Task[]): Task[] {
  if (args.sample === undefined) return all;
  const place = ({ found: { mutant, index }, level }: Task) =>
    hashOf(mutant.kills, String(index), String(level));
  return [...all].filter(({ source }) => source.one.timing !== true)
    .sort((a, b) => place(a) < place(b) ? -1 : 1).slice(0, Number(args.sample));
}

/** The first broker on which each case passes as it is, at each level. */
async function baselines(): Promise<Map<string, AuditedBroker>> {
  const chosen = new Map<string, AuditedBroker>();
  const broker = hashOfFiles(brokerFiles());
  for (const level of levels) {
    const wanted = new Map<string, FoundCase>();
    for (const task of tasks) {
      if (task.level === level && (args.all || cache.get(task.key) !== "killed")) {
        wanted.set(task.source.one.id, task.source);
      }
    }
    const keyOf = ({ file, one }: FoundCase) =>
      hashOf("baseline", auditor, broker, hashOfFiles([file]), one.id, String(level));
    const last = new Map<string, Found & { readonly broker: string }>();
    for (const audited of AUDITED_BROKERS) {
      const left: FoundCase[] = [];
      for (const found of wanted.values()) {
        if (chosen.has(`${found.one.id} ${level}`)) continue;
        const known = args.all ? undefined : cache.get(keyOf(found));
        if (known === audited.name) chosen.set(`${found.one.id} ${level}`, audited);
        else if (known === undefined) left.push(found);
      }
      if (left.length === 0) continue;
      const whole = await BrokerProcess.start(ROOT, audited.name);
      const all = left.map(({ one }) => one);
      const results = await tryCases(all, level, whole.port, audited.declared, BASELINE_PATIENCE_MS);
      whole.stop();
      for (const found of left) {
        const result = results.get(found.one.id)!;
        if (result.verdict === "pass") {
          chosen.set(`${found.one.id} ${level}`, audited);
          cache.put(keyOf(found), audited.name);
        } else if (last.get(found.one.id)?.verdict !== "fail") {
          last.set(found.one.id, { ...result, broker: audited.name });
        }
      }
    }
    for (const id of wanted.keys()) {
      const found = last.get(id);
      if (chosen.has(`${id} ${level}`)) continue;
      if (id in NO_OCCASION) chosen.set(`${id} ${level}`, AUDITED_BROKERS[0]!);
      else {
        faults.push(
          `${id} level ${level}: does not pass on our broker (${found?.broker}): ${found?.verdict}, ${found?.reason}`,
        );
      }
    }
  }
  return chosen;
}

/** Does what is not known to be done. */
async function runAll(all: readonly Task[]): Promise<void> {
  const open = all.filter(({ key, source, level }) =>
    brokers.has(`${source.one.id} ${level}`) && (args.all || cache.get(key) !== "killed")
  );
  const shared = new Map<string, Promise<BrokerProcess>>();
  const bySpeed = [
    { queue: open.filter(({ source }) => source.one.timing !== true), workers: jobs },
    { queue: open.filter(({ source }) => source.one.timing === true), workers: TIMING_JOBS },
  ];
  let done = 0;
  await Promise.all(
    bySpeed.flatMap(({ queue, workers }) =>
      Array.from({ length: Math.min(workers, queue.length) }, async () => {
        const workshop = new Workshop();
        for (let task = queue.shift(); task !== undefined; task = queue.shift()) {
          await doTask(task, workshop, shared);
          if (process.stderr.isTTY) process.stderr.write(`\r${++done}/${open.length}`);
          if (done % 50 === 0) cache.save(false);
        }
        workshop.remove();
      })
    ),
  );
  for (const broker of shared.values()) (await broker).stop();
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
}

async function doTask(
  task: Task,
  workshop: Workshop,
  shared: Map<string, Promise<BrokerProcess>>,
): Promise<void> {
  const { found: { mutant, file, index }, source: { one }, level, key } = task;
  const audited = brokers.get(`${one.id} ${level}`)!;
  const where = `${one.id} level ${level} (${file} #${index})`;
  try {
    let found: Found;
    if ("file" in mutant) {
      const broken = await workshop.start(mutant, audited.name);
      try {
        found = await tryOne(broken.port);
      } finally {
        broken.stop();
      }
    } else {
      let broker = shared.get(audited.name);
      if (broker === undefined) shared.set(audited.name, broker = BrokerProcess.start(ROOT, audited.name));
      found = await tryOne((await broker).port);
    }
    if (found.verdict === "fail" || found.verdict === "lenient") cache.put(key, "killed");
    else {faults.push(
        `${where}: not found, ${found.verdict}${found.reason === "" ? "" : `: ${found.reason}`}`,
      );}
  } catch (error) {
    faults.push(`${where}: ${(error as Error).message}`);
  }

  async function tryOne(port: number): Promise<Found> {
    const proxy = "file" in mutant ? undefined : mutant;
    return (await tryCases([one], level, port, audited.declared, PATIENCE_MS, proxy)).get(one.id)!;
  }
}
