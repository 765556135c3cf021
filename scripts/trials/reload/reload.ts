/**
 * A broker that is reloaded again and again while twenty Clients exchange numbered messages: none may lose its connection, and no
 * message may be lost or come twice.
 * Knows the order of reloads and what must hold; refuses to know what stands in the files.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Runtime } from "../../lib/broker_process.ts";
import { PlumbChild } from "../../lib/plumb_child.ts";
import { median } from "../../bench/statistics.ts";
import { Canary } from "../soak/canary.ts";
import { Dice } from "../soak/dice.ts";
import { ANY_CERTIFICATE, Files, TOLD_OF_SIGNAL, USER } from "./files.ts";

/** What to do. */
export interface ReloadTrial {
  readonly runtime: Runtime;
  readonly reloads: number;
  /** A message, and a reload, may take this long. */
  readonly limitMs: number;
  /** Told how it goes. */
  readonly progress?: (line: string) => void;
}

/** How it went. */
export interface ReloadResult {
  /** What is wrong; nothing, if all is well. */
  readonly problems: readonly string[];
  readonly messages: number;
  readonly worstMs: number;
  /** Bytes of the broker's resident set behind each reload; none where the system does not tell. */
  readonly rssBytes: readonly number[];
}

/** Memory is settled when so many reloads are over. */
export const SETTLED_RELOADS = 20;
/** What a broker's resident set may grow by between that reload and the last: garbage, and holes in the heap. */
export const RSS_GROWTH_MAX: number = 48 * 1024 * 1024;
/** A collection of garbage comes when it comes: the figure for one reload is the median of so many up to it. */
const SAMPLES = 5;

const TICK_MS = 20;
const LOOK_MS = 50;
const CONNECT_TIMEOUT_MS = 10_000;

/** Levels and listeners of the pairs, each at QoS 1 and 2: twenty Clients. */
const PAIRS = [
  { level: 5, isSecure: false },
  { level: 5, isSecure: true },
  { level: 4, isSecure: false },
  { level: 4, isSecure: true },
  { level: 3, isSecure: true },
] as const;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Runs it. Throws only if it cannot begin. */
export async function reloadTrial(trial: ReloadTrial): Promise<ReloadResult> {
  const { runtime, reloads, limitMs, progress = () => {} } = trial;
  const folder = mkdtempSync(join(tmpdir(), "plumb-reload-"));
  const problems: string[] = [];
  const rssBytes: number[] = [];
  let broker: PlumbChild | undefined;
  let pump: ReturnType<typeof setInterval> | undefined;
  try {
    const files = await Files.write(folder);
    broker = await PlumbChild.start(runtime, ["--config", files.config], ["mqtt", "mqtts"]);
    const canaries = flock(broker, limitMs, (text) => void problems.push(text));
    await Promise.all(canaries.map((canary) => canary.start()));
    pump = setInterval(() => {
      const now = performance.now();
      for (const canary of canaries) {
        canary.check(now);
        canary.publish(now);
      }
    }, TICK_MS);
    for (let i = 0; i < reloads && problems.length === 0; i++) {
      const line = await reload(broker, files, i, limitMs);
      if (line !== undefined) problems.push(line);
      const rss = broker.rssBytes;
      if (rss !== undefined) rssBytes.push(rss);
      if ((i + 1) % SETTLED_RELOADS === 0) progress(lineOf(i + 1, canaries, rssBytes));
    }
    clearInterval(pump);
    const end = performance.now() + limitMs;
    while (!canaries.every(({ done }) => done) && performance.now() < end) await pause(TICK_MS);
    await Promise.all(canaries.map((canary) => canary.end()));
    // A guest may come too early, if a file is read between its change and the signal.
    const isTrouble = (line: string) => /level=(warn|error)/.test(line) && !line.includes("user=guest-");
    problems.push(...broker.log.split("\n").filter(isTrouble));
    return {
      problems,
      messages: canaries.reduce((all, { received }) => all + received, 0),
      worstMs: Math.max(...canaries.map(({ worstMs }) => worstMs)),
      rssBytes,
    };
  } finally {
    clearInterval(pump);
    await broker?.stop();
    rmSync(folder, { recursive: true });
  }
}

/** The i-th reload: each kind in turn, four by SIGHUP, four by the change alone. What is wrong, if something is. */
async function reload(
  broker: PlumbChild,
  { kinds }: Files,
  i: number,
  limitMs: number,
): Promise<string | undefined> {
  const kind = kinds[i % kinds.length]!;
  const isBySignal = Math.floor(i / kinds.length) % 2 === 0;
  const version = Math.floor(i / kinds.length) + 1;
  const times = (text: string) => broker.log.split(text).length;
  const needed = isBySignal ? [...kind.told, ...TOLD_OF_SIGNAL] : kind.told;
  const before = needed.map(times);
  kind.write(version);
  if (isBySignal) broker.signal("SIGHUP");
  const end = performance.now() + limitMs;
  // Not asked before: a login that is refused would count as a guess.
  while (needed.some((text, i) => times(text) === before[i]) || !await kind.holds(version, broker)) {
    const cause = isBySignal ? "SIGHUP" : "the change of the file";
    if (performance.now() > end) return `Reload ${i + 1}: ${kind.name} is not read again after ${cause}`;
    await pause(LOOK_MS);
  }
  return undefined;
}

function flock(broker: PlumbChild, limitMs: number, problem: (text: string) => void): Canary[] {
  const dice = new Dice(1);
  return PAIRS.flatMap(({ level, isSecure }) =>
    ([1, 2] as const).map((qos) =>
      new Canary({
        port: broker.port(isSecure ? "mqtts" : "mqtt"),
        ...isSecure && { tls: ANY_CERTIFICATE },
        connect: USER,
        level,
        qos,
        roaming: false,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        limitMs,
        dice,
        problem,
      })
    )
  );
}

function lineOf(count: number, canaries: readonly Canary[], rssBytes: readonly number[]): string {
  const messages = canaries.reduce((all, { received }) => all + received, 0);
  return `${count} reloads, ${messages} messages, rss ${mib(rssAfter(rssBytes, count))}`;
}

/** The resident set behind so many reloads; undefined if it is not known. */
export function rssAfter(rssBytes: readonly number[], reloads: number): number | undefined {
  const samples = rssBytes.slice(Math.max(0, reloads - SAMPLES), reloads);
  return reloads > rssBytes.length || samples.length === 0 ? undefined : median(samples);
}

/** Bytes for people. */
export function mib(bytes: number | undefined): string {
  return bytes === undefined ? "not known" : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
