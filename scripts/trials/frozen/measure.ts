/**
 * One subscriber that never reads beside twenty that do: what it costs them in throughput, and the broker in memory.
 * Knows how to measure that; refuses to judge it.
 * @module
 */
import { encodePacket } from "../../../src/codec/mod.ts";
import type { Report } from "../../lib/broker_child.ts";
import { BrokerProcess, type Runtime } from "../../lib/broker_process.ts";
import { connectOf, RawClient } from "../../lib/raw_client.ts";
import { Load, subscribeTo } from "./load.ts";

/** What is measured. */
export interface Subject {
  readonly runtime: Runtime;
  readonly qos: 0 | 1;
}

/** Throughput of runs with the frozen one as parts of that without. */
export interface Throughput {
  /** Ratio of the medians of messages per second. */
  readonly ratio: number;
  /** Ratio of the medians of the broker's CPU time for each message. */
  readonly cpuRatio: number;
  /** Ratio of each pair. */
  readonly pairs: readonly number[];
  /** Part of the time that the broker's process was at work, without the frozen one. */
  readonly busy: number;
}

/** Resident set of the broker. */
export interface Memory {
  /** At most, under load and without the frozen one. */
  readonly withoutBytes: number;
  /** At most, from when it froze until some time after its limit bit. */
  readonly withBytes: number;
  /** Limits that bit. */
  readonly limits: readonly string[];
}

interface Run {
  readonly perSecond: number;
  readonly cpuMsPerMessage: number;
  readonly busy: number;
}

const PUBLISHERS = 4;
const SUBSCRIBERS = 20;
const CLIENTS = PUBLISHERS + SUBSCRIBERS;
const WARM_UP_MS = 400;
const LOOK_MS = 100;
/** The load before the frozen one comes, and after its limit has bitten. */
const STEADY_MS = 6_000;
const FULL_MS_MAX = 45_000;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Does something with a broker under a load that rests; fails when the broker had errors of its own. */
async function withLoad<T>(
  { runtime, qos }: Subject,
  payloadBytes: number,
  body: (broker: BrokerProcess, load: Load) => Promise<T>,
): Promise<T> {
  const broker = await BrokerProcess.start(runtime, {});
  let load: Load | undefined;
  let result: T;
  try {
    const options = { qos, publishers: PUBLISHERS, subscribers: SUBSCRIBERS, payloadBytes };
    load = await Load.start({ port: broker.port, ...options });
    result = await body(broker, load);
  } finally {
    load?.close();
    await broker.close();
  }
  if (broker.failures.length > 0) throw new Error(`The broker: ${broker.failures.join("\n")}`);
  return result;
}

/** A subscriber to everything that reads not even its CONNACK; resolves when the broker knows it. */
async function freeze(broker: BrokerProcess, qos: 0 | 1): Promise<RawClient> {
  const before = (await broker.report()).subscriptions;
  const client = new RawClient(broker.port, 4);
  client.freeze();
  client.write(encodePacket(connectOf(4, "frozen"), 4));
  client.write(subscribeTo("#", qos));
  await until(broker, "the frozen one has subscribed", ({ subscriptions }) => subscriptions > before);
  return client;
}

async function until(broker: BrokerProcess, what: string, test: (report: Report) => boolean): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if (test(await broker.report())) return;
    await pause(10);
  }
  throw new Error(`It never came to this: ${what}`);
}

/** One run of throughput. */
async function run(
  broker: BrokerProcess,
  load: Load,
  qos: 0 | 1,
  ms: number,
  frozen: boolean,
): Promise<Run> {
  const cold = frozen ? await freeze(broker, qos) : undefined;
  load.run();
  await pause(WARM_UP_MS);
  const before = await broker.report();
  const delivered = load.delivered;
  const began = performance.now();
  await pause(ms);
  const tookMs = performance.now() - began;
  const messages = load.delivered - delivered;
  const cpuMs = (await broker.report()).cpuMs - before.cpuMs;
  await load.stop();
  cold?.reset();
  await until(broker, "the frozen one is gone", ({ connections }) => connections === CLIENTS);
  return { perSecond: messages / tookMs * 1_000, cpuMsPerMessage: cpuMs / messages, busy: cpuMs / tookMs };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Pairs of runs, without and with, each first in turn. */
export function measureThroughput(subject: Subject, pairs: number, ms: number): Promise<Throughput> {
  return withLoad(subject, 128, async (broker, load) => {
    const without: Run[] = [];
    const withOne: Run[] = [];
    await run(broker, load, subject.qos, ms, false); // the compilers' turn
    await run(broker, load, subject.qos, ms, true);
    for (let i = 0; i < pairs; i++) {
      for (const frozen of i % 2 === 0 ? [false, true] : [true, false]) {
        (frozen ? withOne : without).push(await run(broker, load, subject.qos, ms, frozen));
      }
    }
    const ratioOf = (of: (run: Run) => number) => median(withOne.map(of)) / median(without.map(of));
    return {
      ratio: ratioOf(({ perSecond }) => perSecond),
      cpuRatio: ratioOf(({ cpuMsPerMessage }) => cpuMsPerMessage),
      pairs: withOne.map(({ perSecond }, i) => perSecond / without[i]!.perSecond),
      busy: median(without.map(({ busy }) => busy)),
    };
  });
}

/** Load until the frozen one is at its limit: at QoS 0 its outbox is full, at QoS 1 its queue too, and it is cut off. */
export function measureMemory(subject: Subject): Promise<Memory> {
  return withLoad(subject, 1_024, async (broker, load) => {
    const peakDuring = async (ms: number, over: () => boolean): Promise<number> => {
      let rssBytes = 0;
      for (const end = performance.now() + ms; performance.now() < end && !over();) {
        rssBytes = Math.max(rssBytes, (await broker.report()).rssBytes);
        await pause(LOOK_MS);
      }
      return rssBytes;
    };
    load.run();
    const withoutBytes = await peakDuring(STEADY_MS, () => false);
    await load.stop();
    const frozen = await freeze(broker, subject.qos);
    load.run();
    const filling = await peakDuring(FULL_MS_MAX, () => broker.limited.size > 0);
    const full = await peakDuring(STEADY_MS, () => false);
    await load.stop();
    frozen.reset();
    return { withoutBytes, withBytes: Math.max(filling, full), limits: [...broker.limited].sort() };
  });
}
