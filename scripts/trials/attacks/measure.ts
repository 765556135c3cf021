/**
 * Runs one case against one broker and measures what it does to the broker and to two healthy Clients.
 * Knows processes and clocks; refuses to know what the attack is, and to judge.
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { usageOf } from "../../../src/bench/usage.ts";
import { Attack, PATIENCE_MS, type Reached } from "./attacker.ts";
import { type BrokerName, flagOf, startBroker, type Target } from "./broker.ts";
import type { Case } from "./case.ts";
import type { Health } from "./healthy_child.ts";
import { HealthyClients } from "./healthy.ts";

/** How it is measured. */
export interface MeasureOptions {
  /** How long attacks without an end of their own last. */
  readonly seconds: number;
  /** Part of the rows' numbers. */
  readonly scale?: number;
  /** What the healthy Clients' command begins with. */
  readonly load?: readonly string[];
  /** How long the broker has after the attackers have gone; default a second. */
  readonly restMs?: number;
  /** How long each thing is waited for before it is given up; default 8 s. */
  readonly patienceMs?: number;
  /** What the attack is to reach, which is waited for. */
  readonly least?: Partial<Reached>;
}

/** What was seen. */
export interface Measured {
  readonly clean: Health;
  readonly durable: Health;
  /** Round trips of the healthy Clients, both together, between the attack's first byte and the answer to its last. */
  readonly during: number;
  /** How long that was, s. */
  readonly tookSeconds: number;
  /** The longest that the measuring process itself was late, ms. */
  readonly lateMs: number;
  /** CPU time of the broker, all threads, s. */
  readonly cpuSeconds?: number;
  /** How long its first thread had something to do and others had its core, s. */
  readonly waitedSeconds?: number;
  /** Of the time in which its first thread had something to do, the part in which it had a core. */
  readonly coreShare?: number;
  /** Resident set, bytes: quiet, at most, and a second after the attackers have gone. */
  readonly rss?: { readonly before: number; readonly peak: number; readonly after: number };
  readonly reached: Reached;
  /** Attackers that the broker has ended, by the reason. */
  readonly ends: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
}

/** What was seen of a broker that the suite has started. */
export interface Result {
  readonly id: string;
  readonly title: string;
  readonly broker: string;
  readonly measured?: Measured;
  /** How long SIGTERM took in the middle of the attack, ms; `null` if it had to be killed. */
  readonly sigtermMs?: number | null;
  readonly failure?: string;
}

const REST_MS = 1_000;
/** When SIGTERM comes behind the beginning of the attack. */
const TERM_AFTER_MS = 150;
const TERM_LIMIT_MS = 10_000;

/** Runs the case against what runs at `target`. */
export async function measure(target: Target, one: Case, options: MeasureOptions): Promise<Measured> {
  const { seconds, scale, load, restMs = REST_MS, patienceMs = PATIENCE_MS, least = {} } = options;
  const { pid } = target;
  const healthy = await HealthyClients.start(target, load);
  let atBegin = 0;
  let beganAt = performance.now();
  const done = async (): Promise<number> => {
    const { clean, durable } = await healthy.report();
    return clean.done + durable.done;
  };
  const attack = new Attack(target, {
    seconds,
    patienceMs,
    ...scale !== undefined && { scale },
    onBegin: async () => {
      atBegin = await done();
      beganAt = performance.now();
    },
  });
  try {
    await healthy.go(20, patienceMs);
    const before = pid === undefined ? undefined : processOf(pid);
    if (pid !== undefined) forgetPeak(pid);
    await healthy.mark();
    await one.run(attack);
    await attack.reaches(least);
    const tookSeconds = (performance.now() - beganAt) / 1_000;
    const during = await done() - atBegin;
    const isBack = await healthy.go(2, patienceMs);
    const { reached } = attack;
    const ends = attack.ends();
    attack.stop();
    await attack.rest(restMs);
    await healthy.go(2, patienceMs);
    const { clean, durable, lateMs } = await healthy.report();
    const after = pid === undefined ? undefined : processOf(pid);
    const notes = [...attack.notes];
    if (!isBack) notes.push(`healthy Clients still wait ${patienceMs / 1_000} s after it`);
    if (pid !== undefined && after === undefined) notes.push("THE BROKER IS GONE");
    return {
      clean,
      durable,
      during,
      tookSeconds,
      lateMs,
      ...before && after && {
        cpuSeconds: after.cpuSeconds - before.cpuSeconds,
        waitedSeconds: after.waitedSeconds - before.waitedSeconds,
        coreShare: shareOf(after.ranSeconds - before.ranSeconds, after.waitedSeconds - before.waitedSeconds),
        rss: { before: before.rss, peak: after.peak, after: after.rss },
      },
      reached,
      ends,
      notes,
    };
  } finally {
    attack.stop();
    await healthy.close();
  }
}

/** Starts the broker, runs the case, and starts it again to see how long SIGTERM takes in the middle of the attack. */
export async function measureStarted(
  broker: BrokerName,
  one: Case,
  options: MeasureOptions & { readonly before?: readonly string[] },
): Promise<Result> {
  const about = { id: one.id, title: one.title, broker };
  let measured: Measured | undefined;
  try {
    const first = await startBroker(broker, options.before, one);
    try {
      measured = await measure(first, one, options);
    } finally {
      await first.stop();
    }
    return { ...about, measured, sigtermMs: await sigterm(broker, one, options) ?? null };
  } catch (error) {
    return { ...about, ...measured && { measured }, failure: (error as Error).message };
  }
}

/** Runs the case against a broker that somebody else has started. */
export async function measureRunning(
  name: string,
  target: Target,
  one: Case,
  options: MeasureOptions,
): Promise<Result> {
  const about = { id: one.id, title: one.title, broker: name };
  try {
    const measured = await measure(target, one, options);
    const flags = Object.entries(one.limits ?? {}).map(([limit, value]) => `${flagOf(limit)} ${value}`);
    if (one.deafLog) flags.push("a log that nothing reads");
    if (flags.length === 0) return { ...about, measured };
    return {
      ...about,
      measured: { ...measured, notes: [...measured.notes, `meant for ${flags.join(", ")}`] },
    };
  } catch (error) {
    return { ...about, failure: (error as Error).message };
  }
}

/** ms until the broker is gone; undefined if it does not go. */
async function sigterm(
  broker: BrokerName,
  one: Case,
  { seconds, scale, before }: MeasureOptions & { readonly before?: readonly string[] },
): Promise<number | undefined> {
  const started = await startBroker(broker, before, one);
  let begun: () => void = () => {};
  const begins = new Promise<void>((resolve) => begun = resolve);
  const attack = new Attack(started, {
    seconds,
    ...scale !== undefined && { scale },
    onBegin: () => begun(),
  });
  try {
    const run = one.run(attack).catch(() => {}); // it is cut in the middle
    await Promise.race([begins, run]);
    await attack.rest(TERM_AFTER_MS);
    const ms = await started.terminate(TERM_LIMIT_MS);
    attack.stop();
    await started.stop();
    await run;
    return ms;
  } finally {
    attack.stop();
    await started.stop();
  }
}

/** What Linux says of a process: memory in bytes, times in seconds. */
export interface ProcessFigures {
  readonly rss: number;
  readonly peak: number;
  readonly cpuSeconds: number;
  readonly ranSeconds: number;
  readonly waitedSeconds: number;
}

/** What Linux says of a process; undefined if it is not there. */
export function processOf(pid: number): ProcessFigures | undefined {
  const usage = usageOf(pid);
  if (usage === undefined) return undefined;
  const [ranNs = "0", waitedNs = "0"] = readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ");
  const peakKiB = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return {
    rss: usage.rssBytes,
    peak: Number(peakKiB) * 1024,
    cpuSeconds: usage.cpuUs / 1e6,
    ranSeconds: Number(ranNs) / 1e9,
    waitedSeconds: Number(waitedNs) / 1e9,
  };
}

function shareOf(ran: number, waited: number): number {
  return ran + waited > 0 ? ran / (ran + waited) : 1;
}

/** Lets the peak of a process's memory count from here, where that is allowed. */
export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  } catch { // the peak of its start counts too
  }
}
