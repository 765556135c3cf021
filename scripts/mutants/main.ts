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
import type { Level } from "../../conformance/wire/bytes.ts";
import type { ServerCase } from "../../conformance/case.ts";
import { SERVER_CASES } from "../../conformance/server/cases/mod.ts";
import type { Mutant } from "../../conformance/mutants/mutant.ts";
import { AUDITED_BROKERS, type AuditedBroker, NO_OCCASION } from "../lib/audited_brokers.ts";
import { allMutants, type FoundMutant } from "../lib/mutants.ts";
import { ROOT } from "../lib/tree.ts";
import { BrokerProcess } from "./broker_process.ts";
import { brokerFiles, Cache, hashOf, hashOfFiles, hashOfModules } from "./cache.ts";
import { allServerCases, type FoundCase } from "./cases.ts";
import { BASELINE_PATIENCE_MS, type Found, PATIENCE_MS, tryCases } from "./trials.ts";
import { TypedSource } from "./types.ts";
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

/** One mutant, which its case must find at each of these levels. */
interface Task {
  readonly found: FoundMutant;
  readonly source: FoundCase;
  /** The levels, each with the key of its finding. */
  readonly keys: ReadonlyMap<Level, string>;
}

/** What runs the cases. */
const AUDITOR = "conformance/server/run_cases.ts";
/** What the cache says of a mutant that was found. */
const KILLED = "killed";

const began = performance.now();
const faults: string[] = [];
const cache = new Cache();
const cases = new Map((await allServerCases()).map((found) => [found.one.id, found]));
const mutants = await allMutants();

for (const id of cases.keys()) {
  if (!SERVER_CASES.some((one) => one.id === id)) faults.push(`${id}: not among SERVER_CASES`);
}
const tasks = wellTyped(sampled(plan()));
const brokers = await baselines(tasks.flatMap(openLevels));
await runAll(tasks);
cache.save(args.only.length === 0 && args.sample === undefined && args.level === undefined);

for (const fault of faults) console.log(fault);
const seconds = ((performance.now() - began) / 1000).toFixed(1);
console.log(
  `${cases.size} cases, ${mutants.length} mutants, ${tasks.length} of them looked at in ${seconds} s`,
);
const killed = tasks.flatMap(({ keys }) => [...keys.values()]).filter((key) => cache.get(key) === KILLED);
console.log(`${killed.length} passed, ${faults.length} failed`);
process.exit(faults.length === 0 ? 0 : 1);

/** What is still to be shown of a task. */
function openLevels({ source, keys }: Task): { readonly source: FoundCase; readonly level: Level }[] {
  return [...keys].filter(([, key]) => args.all || cache.get(key) !== KILLED).map(([level]) => ({
    source,
    level,
  }));
}

function isWanted(id: string): boolean {
  return args.only.length === 0 || args.only.some((start: string) => id === start || id.startsWith(start));
}

/** What is to be shown; names the cases for which nothing is written down. */
function plan(): Task[] {
  const all: Task[] = [];
  for (const found of mutants) {
    const { mutant, file, index } = found;
    const source = cases.get(mutant.kills);
    if (source === undefined) {
      faults.push(`${file} #${index}: there is no case ${mutant.kills}`);
      continue;
    }
    if (!isWanted(mutant.kills)) continue;
    const modules = hashOfModules([AUDITOR, file, source.file]);
    const broken = "file" in mutant ? hashOfFiles([mutant.file]) : "";
    const keyOf = (level: Level) => hashOf("mutant", modules, broken, String(index), String(level));
    const at = (mutant.levels ?? source.one.levels).filter((level) => levels.includes(level));
    if (at.length > 0) all.push({ found, source, keys: new Map(at.map((level) => [level, keyOf(level)])) });
  }
  for (const { one } of cases.values()) {
    if (!isWanted(one.id) || one.id in NO_OCCASION) continue;
    for (const level of one.levels) {
      const has = all.some(({ keys, source }) => keys.has(level) && source.one === one);
      if (levels.includes(level) && !has) faults.push(`${one.id} level ${level}: no mutant`);
    }
  }
  return all;
}

/** A choice that stays the same as long as the mutants do. */
function sampled(all: Task[]): Task[] {
  if (args.sample === undefined) return all;
  const place = ({ found: { mutant, index } }: Task) => hashOf(mutant.kills, String(index));
  return [...all].filter(({ source }) => source.one.timing !== true)
    .sort((a, b) => place(a) < place(b) ? -1 : 1).slice(0, Number(args.sample));
}

/** The tasks that can be done: a break that is still to be shown is made of names that are there. */
function wellTyped(all: Task[]): Task[] {
  let source: TypedSource | undefined;
  return all.filter((task) => {
    const { mutant, file, index } = task.found;
    if (!("file" in mutant) || openLevels(task).length === 0) return true;
    try {
      const fault = (source ??= new TypedSource()).faultOf(mutant);
      if (fault === undefined) return true;
      faults.push(`${mutant.kills} (${file} #${index}): the broken source is not well typed: ${fault}`);
    } catch (error) {
      faults.push(`${mutant.kills} (${file} #${index}): ${(error as Error).message}`);
    }
    return false;
  });
}

/** The brokers on which a case can show something: one that it passes on, or that it has nothing to do on. */
async function baselines(
  open: readonly { readonly source: FoundCase; readonly level: Level }[],
): Promise<Map<string, AuditedBroker[]>> {
  const chosen = new Map<string, AuditedBroker[]>();
  const source = hashOfFiles(brokerFiles());
  for (const level of levels) {
    const wanted = new Map(
      open.filter((one) => one.level === level).map(({ source }) => [source.one.id, source]),
    );
    const keyOf = ({ file, one }: FoundCase, { name }: AuditedBroker) =>
      hashOf("baseline", hashOfModules([AUDITOR, file]), source, one.id, String(level), name);
    for (const audited of AUDITED_BROKERS) {
      const left = [...wanted.values()];
      const asked = left.filter((found) => args.all || cache.get(keyOf(found, audited)) === undefined);
      const results = await tryWhole(asked.map(({ one }) => one), level, audited);
      for (const found of left) {
        const id = found.one.id;
        const result = results.get(id);
        const verdict = result?.verdict ?? cache.get(keyOf(found, audited))!;
        if (verdict === "pass" || verdict === "unsupported") cache.put(keyOf(found, audited), verdict);
        else if (!(id in NO_OCCASION)) {
          faults.push(`${id} level ${level}: ${verdict} on our broker ${audited.name}: ${result?.reason}`);
        }
        if (verdict !== "unsupported") wanted.delete(id);
        const before = chosen.get(`${id} ${level}`) ?? [];
        if (verdict === "pass") chosen.set(`${id} ${level}`, [audited, ...before]);
        if (verdict === "unsupported") chosen.set(`${id} ${level}`, [...before, audited]);
      }
    }
    for (const id of wanted.keys()) {
      if (!(id in NO_OCCASION)) faults.push(`${id} level ${level}: it passes on none of our brokers`);
    }
  }
  return chosen;
}

async function tryWhole(
  all: readonly ServerCase[],
  level: Level,
  audited: AuditedBroker,
): Promise<Map<string, Found>> {
  if (all.length === 0) return new Map();
  const broker = await BrokerProcess.start(ROOT, audited.name);
  try {
    return await tryCases(all, level, broker.ports, audited.declared, BASELINE_PATIENCE_MS);
  } finally {
    broker.stop();
  }
}

/** Does what is not known to be done. */
async function runAll(all: readonly Task[]): Promise<void> {
  const open = all.filter((task) => openLevels(task).length > 0);
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
          done++;
          if (process.stderr.isTTY) process.stderr.write(`\r${done}/${open.length}`);
          if (done % 50 === 0) cache.save(false);
        }
        workshop.remove();
      })
    ),
  );
  for (const broker of shared.values()) (await broker).stop();
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
}

/** A mutant on the brokers where its case can show something, until it has been found at every level. */
async function doTask(
  task: Task,
  workshop: Workshop,
  shared: Map<string, Promise<BrokerProcess>>,
): Promise<void> {
  const { found: { mutant, file, index }, source: { one }, keys } = task;
  const where = (level: Level) => `${one.id} level ${level} (${file} #${index})`;
  const last = new Map<Level, string>();
  const left = new Set(openLevels(task).map(({ level }) => level));
  try {
    for (const audited of AUDITED_BROKERS) {
      const here = [...left].filter((level) => brokers.get(`${one.id} ${level}`)?.includes(audited));
      if (here.length === 0) continue;
      const broker = await brokenBroker(mutant, audited, workshop, shared);
      try {
        const proxy = "file" in mutant ? undefined : mutant;
        for (const level of here) {
          const results = await tryCases([one], level, broker.ports, audited.declared, PATIENCE_MS, proxy);
          const { verdict, reason } = results.get(one.id)!;
          if (verdict !== "fail" && verdict !== "lenient") {
            last.set(level, reason === "" ? verdict : `${verdict}: ${reason}`);
            continue;
          }
          left.delete(level);
          cache.put(keys.get(level)!, KILLED);
        }
      } finally {
        if ("file" in mutant) broker.stop();
      }
    }
    for (const level of left) {
      // What does not pass on the whole broker is told already.
      if (last.has(level)) faults.push(`${where(level)}: not found, ${last.get(level)}`);
    }
  } catch (error) {
    faults.push(`${where([...left][0]!)}: ${(error as Error).message}`);
  }
}

function brokenBroker(
  mutant: Mutant,
  { name }: AuditedBroker,
  workshop: Workshop,
  shared: Map<string, Promise<BrokerProcess>>,
): Promise<BrokerProcess> {
  if ("file" in mutant) return workshop.start(mutant, name);
  const known = shared.get(name) ?? BrokerProcess.start(ROOT, name);
  shared.set(name, known);
  return known;
}
