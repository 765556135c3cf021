/**
 * A broker in its own process, chaos around it, and canaries in the middle; then all leave, and nothing may be left.
 * Knows what must hold; refuses to know what the chaos does.
 * @module
 */
import { connectOf, RawClient } from "../../lib/raw_client.ts";
import type { ChildOptions, Report } from "../../lib/broker_child.ts";
import { BrokerProcess, type Runtime } from "../../lib/broker_process.ts";
import { type Packet, PacketType } from "../../../src/codec/mod.ts";
import { Inbox } from "../../lib/within.ts";
import { Canary } from "./canary.ts";
import { Chaos } from "./chaos.ts";
import { Dice } from "./dice.ts";

/** What to do. */
export interface SoakOptions {
  readonly runtime: Runtime;
  readonly seconds: number;
  readonly seed: number;
  /** Acts of chaos at a time. */
  readonly width: number;
  /** The broker's owner has a store, an authenticator that both take this long, and an authorizer; no owner if it is not given. */
  readonly slowMs?: number;
  /** A canary's message may take this long. */
  readonly limitMs: number;
  /** A session without connection lasts at most this long; also the time the broker has to forget in the end. */
  readonly sessionExpirySeconds: number;
  /** Told how it goes, every `everyMs`. */
  readonly progress?: (line: string) => void;
  readonly everyMs?: number;
}

/** How it went. */
export interface SoakResult {
  /** What is wrong; nothing, if all is well. */
  readonly problems: readonly string[];
  /** The counts, line by line. */
  readonly summary: readonly string[];
}

const MIB = 1024 * 1024;
const CONNECT_TIMEOUT_MS = 1_200;
const PACKET_BYTES_MAX = MIB;

/** Small enough to bite, large enough for the canaries. */
const LIMITS: NonNullable<ChildOptions["limits"]> = {
  connectTimeoutMs: CONNECT_TIMEOUT_MS,
  closeTimeoutMs: 1_000,
  packetBytesMax: PACKET_BYTES_MAX,
  keepAliveSecondsMax: 30,
  receiveMaximum: 200,
  inFlightMax: 100,
  topicAliasMaximum: 20,
  topicAliasesOutMax: 10,
  queuedMessagesMax: 2_000,
  queuedBytesMax: 4 * MIB,
  outboundBytesMax: MIB,
  pendingBytesMax: 64 * 1024,
  subscriptionsPerSessionMax: 50,
  topicLevelsMax: 20,
  knownTopicsMax: 4_096,
  retainedMessagesMax: 200,
  retainedBytesMax: 2 * MIB,
};

/** What the broker may need to forget beside the sessions' time: for half-closed connections, and on a busy machine. */
const FORGET_MARGIN_MS = 60_000;
/** What a process may keep of a storm: compiled code, pools of buffers, holes in the heap. */
const HEAP_GROWTH_MAX = 32 * MIB;
const RSS_GROWTH_MAX = 160 * MIB;
/** More say nothing new. */
const PROBLEMS_MAX = 50;
const TICK_MS = 20;
const ROAM_MS = 700;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Runs it. Throws only if it cannot begin. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { runtime, seconds, seed, width, limitMs, progress = () => {}, everyMs = 10_000 } = options;
  const problems: string[] = [];
  const problem = (text: string): void => {
    if (problems.length < PROBLEMS_MAX && !problems.includes(text)) problems.push(text);
  };
  const dice = new Dice(seed ^ 0x5eed);
  const broker = await BrokerProcess.start(runtime, {
    limits: { ...LIMITS, sessionExpirySecondsMax: options.sessionExpirySeconds },
    ...(options.slowMs !== undefined && { slowMs: options.slowMs }),
  });
  try {
    const start = await broker.report(true);
    const canaries = flock({
      port: broker.port,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      limitMs,
      dice,
      problem,
    });
    await Promise.all(canaries.map((canary) => canary.start()));
    const chaos = new Chaos({
      port: broker.port,
      seed,
      width,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      packetBytesMax: PACKET_BYTES_MAX,
      marginMs: limitMs,
      problem,
    });
    const raging = chaos.run();

    const began = performance.now();
    let told = began;
    let roamed = began;
    let peakBytes = start.rssBytes;
    let standstillMs = 0;
    let seen = 0;
    const look = async (): Promise<Report> => {
      const report = await broker.report();
      peakBytes = Math.max(peakBytes, report.rssBytes);
      standstillMs = Math.max(standstillMs, report.standstillMs);
      return report;
    };
    const tick = (): void => {
      const now = performance.now();
      for (const canary of canaries) {
        canary.check(now);
        canary.publish(now);
      }
      for (const failure of broker.failures.slice(seen)) problem(`The broker: ${failure}`);
      seen = broker.failures.length;
    };
    while (performance.now() - began < seconds * 1_000) {
      tick();
      const now = performance.now();
      if (now - roamed > ROAM_MS) {
        roamed = now;
        dice.pick(canaries.filter(({ name }) => name.endsWith("roaming"))).roam();
      }
      if (now - told > everyMs) {
        told = now;
        progress(lineOf((now - began) / 1_000, await look(), chaos, canaries, problems));
      }
      await pause(TICK_MS);
    }

    chaos.stop();
    let calm = false;
    raging.then(() => calm = true);
    while (!calm) {
      tick();
      await pause(TICK_MS);
    }
    const last = await look();
    const end = performance.now() + limitMs;
    while (!canaries.every(({ done }) => done) && performance.now() < end) await pause(TICK_MS);
    await Promise.all(canaries.map((canary) => canary.end()));
    const after = await forget(broker, options.sessionExpirySeconds * 1_000, problem);
    for (const failure of broker.failures.slice(seen)) problem(`The broker: ${failure}`);
    seen = broker.failures.length;
    judgeMemory(start, after, problem);
    await broker.close();
    for (const failure of broker.failures.slice(seen)) problem(`The broker: ${failure}`);
    return {
      problems,
      summary: summaryOf({
        start,
        last,
        after,
        peakBytes,
        standstillMs,
        chaos,
        canaries,
        limited: broker.limited,
      }),
    };
  } finally {
    await broker.close();
  }
}

/** A pair for each level and QoS, and for QoS 1 and 2 one that roams. */
function flock(common: Omit<ConstructorParameters<typeof Canary>[0], "level" | "qos" | "roaming">): Canary[] {
  const canaries: Canary[] = [];
  for (const level of [3, 4, 5] as const) {
    for (const qos of [0, 1, 2] as const) {
      canaries.push(new Canary({ ...common, level, qos, roaming: false }));
      if (qos > 0) canaries.push(new Canary({ ...common, level, qos, roaming: true }));
    }
  }
  return canaries;
}

/** Waits until the broker has forgotten everybody; what is then left is a problem. */
async function forget(
  broker: BrokerProcess,
  expiryMs: number,
  problem: (text: string) => void,
): Promise<Report> {
  const end = performance.now() + expiryMs + FORGET_MARGIN_MS;
  let report = await broker.report();
  while (performance.now() < end && (report.sessions > 0 || report.connections > 0)) {
    await pause(200);
    report = await broker.report();
  }
  await clearRetained(broker.port, problem);
  while (performance.now() < end && !isEmpty(report)) {
    await pause(100);
    report = await broker.report();
  }
  if (!isEmpty(report)) {
    const left = Object.entries(counts(report)).filter(([, count]) => count > 0);
    problem(`The broker has not forgotten: ${left.map(([name, count]) => `${count} ${name}`).join(", ")}`);
  }
  return await broker.report(true);
}

function counts(report: Report): Record<string, number> {
  const { connections, connected, sessions, groups, subscriptions, timers, retained, stored } = report;
  return { connections, connected, sessions, groups, subscriptions, timers, retained, stored };
}

function isEmpty(report: Report): boolean {
  return Object.values(counts(report)).every((count) => count === 0);
}

/** Retained messages outlive Clients: one that subscribes to all of them replaces each by nothing. */
async function clearRetained(port: number, problem: (text: string) => void): Promise<void> {
  const arrived = new Inbox<Packet>();
  const client = new RawClient(port, 5, {
    packet: (packet) => arrived.put(packet),
    broken: (error) => problem(`The last Client gets what is no packet: ${error}`),
  });
  client.send(connectOf(5, "cleaner"));
  const subscription = {
    filter: "#",
    qos: 0,
    noLocal: true,
    retainAsPublished: false,
    retainHandling: 0,
  } as const;
  client.send({ type: PacketType.SUBSCRIBE, packetId: 1, subscriptions: [subscription] });
  await arrived.take("SUBACK for the last Client", ({ type }) => type === PacketType.SUBACK);
  client.send({ type: PacketType.PINGREQ });
  for (;;) {
    const packet = await arrived.take("the retained messages, then PINGRESP");
    if (packet.type === PacketType.PINGRESP) break;
    if (packet.type !== PacketType.PUBLISH) continue;
    client.send({ ...packet, retain: true, payload: new Uint8Array(0), properties: {} });
  }
  client.send({ type: PacketType.DISCONNECT, reasonCode: 0 });
  await client.closed();
}

function judgeMemory(start: Report, after: Report, problem: (text: string) => void): void {
  const heap = after.heapBytes - start.heapBytes;
  if (heap > HEAP_GROWTH_MAX) problem(`The heap has grown by ${mib(heap)}`);
  const rss = after.rssBytes - start.rssBytes;
  if (rss > RSS_GROWTH_MAX) problem(`The resident set has grown by ${mib(rss)}`);
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

function sum(canaries: readonly Canary[], of: (canary: Canary) => number): number {
  return canaries.reduce((all, canary) => all + of(canary), 0);
}

function worst(canaries: readonly Canary[]): number {
  return Math.round(Math.max(...canaries.map(({ worstMs }) => worstMs)));
}

function acts(chaos: Chaos): number {
  return [...chaos.done.values()].reduce((all, count) => all + count, 0);
}

function lineOf(
  seconds: number,
  report: Report,
  chaos: Chaos,
  canaries: readonly Canary[],
  problems: readonly string[],
): string {
  return [
    `${Math.round(seconds)} s`,
    `${acts(chaos)} acts, ${chaos.connections} connections`,
    `${report.connections} open, ${report.sessions} sessions, ${report.subscriptions} subscriptions`,
    `canaries ${sum(canaries, ({ received }) => received)} messages, worst ${worst(canaries)} ms`,
    `rss ${mib(report.rssBytes)}, heap ${mib(report.heapBytes)}`,
    `${problems.length} problems`,
  ].join(" | ");
}

function summaryOf(
  { start, last, after, peakBytes, standstillMs, chaos, canaries, limited }: {
    start: Report;
    last: Report;
    after: Report;
    peakBytes: number;
    standstillMs: number;
    chaos: Chaos;
    canaries: readonly Canary[];
    limited: ReadonlySet<string>;
  },
): string[] {
  const byName = [...chaos.done].sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`);
  const received = sum(canaries, (canary) => canary.received);
  const repeated = sum(canaries, (canary) => canary.repeated);
  const cuts = sum(canaries, (canary) => canary.cuts);
  return [
    `Acts: ${acts(chaos)} (${byName.join(", ")})`,
    `Chaos: ${chaos.connections} connections, ${chaos.packets} packets, ${mib(chaos.bytes)}`,
    `Broker: ${last.accepted} accepted, ${last.refused} refused, ${last.ended} ended by it, ` +
    `${last.received} PUBLISH, ${last.dropped} dropped; limits that bit: ${[...limited].sort().join(", ")}`,
    `Canaries: ${received} messages in order, ${repeated} repeated as they may, ${cuts} cuts, ` +
    `the slowest ${worst(canaries)} ms; the broker stood still for at most ${Math.round(standstillMs)} ms`,
    `Memory: rss ${mib(start.rssBytes)} before, ${mib(peakBytes)} at most, ${mib(after.rssBytes)} after; ` +
    `heap ${mib(start.heapBytes)} before, ${mib(after.heapBytes)} after`,
    `Left in the end: ${Object.entries(counts(after)).map(([name, count]) => `${count} ${name}`).join(", ")}`,
  ];
}
