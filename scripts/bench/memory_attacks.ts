/**
 * The broker's ledger beside the memory that its process really takes, while strangers hold as much as they can.
 * Knows what to make and when memory has settled; refuses to know how the ledger counts.
 *
 * Garbage is no holding: before each look the process collects it (`--expose-gc` on Deno, `Bun.gc(true)`), several times.
 * @module
 */
import type { LimitName, MemoryStats } from "../../src/broker/mod.ts";
import { type Connect, PacketType } from "../../src/codec/mod.ts";
import { BrokerProcess, type Runtime } from "../lib/broker_process.ts";
import { Attack } from "../trials/attacks/attacker.ts";
import { DISCONNECT, joined, long, many, publish } from "../trials/attacks/bytes.ts";
import { MEMORY_CASES } from "../trials/attacks/memory_cases.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** So far apart may both be, as a part of the growth. */
export const APART_MAX = 0.25;
/** Below this a runtime's own pages weigh too much for a comparison. */
export const LARGE_BYTES: number = 100 * MIB;
/** Looks at a process before it counts as settled. */
const LOOKS = 4;
const LOOK_MS = 300;

/** A busy machine needs so long for the largest packets. */
const PATIENCE_MS = 600_000;

interface MemoryAttack {
  readonly name: string;
  readonly run: (attack: Attack) => Promise<void>;
  /** What the runtime is to have its pages for beforehand. */
  readonly warmUp?: (attack: Attack) => Promise<void>;
}

/** None of the limits that count what is made: the ledger counts it all the same. */
const LIMITS: Partial<Record<LimitName, number>> = {
  nameBytesMax: 65_535,
  connectBytesMax: 16 * MIB,
  connectTimeoutMs: PATIENCE_MS,
  subscriptionsPerSessionMax: 1_000_000,
  subscriptionBytesMax: 1024 * MIB,
  queuedBytesMax: 1024 * MIB,
  memoryBytesMax: 8 * 1024 * MIB,
};
const KEPT = { properties: { sessionExpiryInterval: 3_600 } } as const;

function caseOf(id: string): MemoryAttack {
  const { run } = MEMORY_CASES.find((each) => each.id === id)!;
  return { name: `attack/${id}`, run };
}

/** Sessions that are away, and messages that wait in each. */
function queues(sessions: number, messages: number, bytes: number): MemoryAttack["run"] {
  return async (attack) => {
    await attack.each(sessions, async () => {
      const one = await attack.open(KEPT);
      await one.subscribe(["queue"], 1);
      one.leave(DISCONNECT);
    });
    const sender = await attack.open();
    const some = 50;
    for (let from = 0; from < messages && !sender.over; from += some) {
      const before = sender.came[PacketType.PUBACK]!;
      await sender.write(many(some, (i) => publish("queue", bytes, { qos: 1, packetId: i + 1 })));
      await sender.until(() => sender.came[PacketType.PUBACK]! >= before + some);
    }
  };
}

function retained(count: number, bytes: number): MemoryAttack["run"] {
  return async (attack) => {
    const sender = await attack.open();
    const some = Math.max(1, Math.floor(256 * KIB / bytes));
    for (let from = 0; from < count && !sender.over; from += some) {
      await sender.write(many(some, (i) => publish(`device/${from + i}/state`, bytes, { retain: true })));
      await sender.fence();
    }
  };
}

/** Packets of which half has come. */
async function halves(attack: Attack): Promise<void> {
  const packet = publish("half", 4 * MIB);
  await attack.each(80, async () => {
    const one = await attack.open();
    await one.write(packet.subarray(0, 2 * MIB));
    await one.until(() => one.sentBytes >= 2 * MIB);
  });
}

/** Clients that come and go; sessions are left if `KEPT`. */
async function comeAndGo(attack: Attack, count: number, more: Partial<Connect> = {}): Promise<void> {
  await attack.each(count, async () => {
    const one = await attack.open(more);
    one.leave(DISCONNECT);
    await one.until(() => one.over);
  });
}

async function subscriptions(attack: Attack, count: number): Promise<void> {
  for (let from = 0; from < count; from += 10_000) {
    const one = await attack.open();
    await one.subscribe(Array.from({ length: 10_000 }, (_, i) => `device/${from + i}/+/x`));
  }
}

async function filters(attack: Attack, count: number, bytes: number): Promise<void> {
  const one = await attack.open();
  for (let from = 0; from < count; from += 1_000) {
    await one.subscribe(Array.from({ length: 1_000 }, (_, i) => long(bytes, from + i)));
  }
}

/** Topics that come once each. */
async function topics(attack: Attack, count: number): Promise<void> {
  const sender = await attack.open();
  for (let from = 0; from < count; from += 500) {
    await sender.write(many(500, (i) => publish(long(250, from + i), 1)));
  }
  await sender.fence();
}

/** Members of many groups: each has a group of its own. */
async function groups(attack: Attack, count: number): Promise<void> {
  const one = await attack.open();
  await one.subscribe(Array.from({ length: count }, (_, i) => `$share/g${i}/device/${i}/x`));
}

/** Clients that read, and acknowledge nothing. */
async function inFlight(attack: Attack): Promise<void> {
  await attack.each(20, async (i) => {
    const one = await attack.open(KEPT);
    await one.subscribe([`flight/${i}`], 1);
  });
  const sender = await attack.open();
  for (let i = 0; i < 20; i++) {
    for (let from = 0; from < 1_000; from += 50) {
      await sender.write(joined(
        Array.from({ length: 50 }, (_, j) => publish(`flight/${i}`, 8 * KIB, { qos: 1, packetId: j + 1 })),
      ));
      await sender.fence();
    }
  }
}

/** What strangers can have held. */
export const ATTACKS: readonly MemoryAttack[] = [
  caseOf("B3/wills"),
  caseOf("B3/wills-small"),
  caseOf("B3/aliases"),
  caseOf("B3/aliases-small"),
  // Above 16,383 characters V8 tells Topic Filters of one length apart only by comparing them: `nameBytesMax` is below that.
  { name: "attack/filters, 40,000 of 16,000 bytes", run: (attack) => filters(attack, 40_000, 16_000) },
  caseOf("B3/filters-small"),
  caseOf("B3/readers"),
  caseOf("B3/readers-short"),
  { name: "attack/halves of packets", run: halves },
  { name: "attack/queues, 100 sessions, 10,000 messages of 1 KiB", run: queues(100, 10_000, KIB) },
  { name: "attack/queues, 5 sessions, 20,000 messages of 8 KiB", run: queues(5, 20_000, 8 * KIB) },
  { name: "attack/queues, 5 sessions, 90,000 messages of 100 bytes", run: queues(5, 90_000, 100) },
  { name: "attack/queues, 100 sessions, 3,000 messages of 20 KiB", run: queues(100, 3_000, 20 * KIB) },
  { name: "attack/in flight, 20 sessions, 1,000 messages of 8 KiB", run: inFlight },
  { name: "attack/retained, 300,000 of 1 KiB", run: retained(300_000, KIB) },
  { name: "attack/retained, 1,000,000 of 64 bytes", run: retained(1_000_000, 64) },
  { name: "attack/retained, 10,000 of 20 KiB", run: retained(10_000, 20 * KIB) },
  { name: "attack/subscriptions, 500,000", run: (attack) => subscriptions(attack, 500_000) },
  { name: "attack/groups, 100,000", run: (attack) => groups(attack, 100_000) },
  {
    name: "attack/sessions, 40,000",
    run: (attack) => comeAndGo(attack, 40_000, KEPT),
    warmUp: (attack) => comeAndGo(attack, 20_000), // connections that have ended leave Deno pages of garbage
  },
  {
    name: "attack/connections, 5,000",
    run: async (attack) => void await attack.each(5_000, () => attack.open()),
  },
];

/** Both figures: bytes. */
export interface AttackFigures {
  readonly ledger: number;
  readonly growth: number;
  readonly memory: MemoryStats;
}

/** Runs one against a broker of its own. */
export async function measureAttack(
  runtime: Runtime,
  { name, run, warmUp }: MemoryAttack,
): Promise<AttackFigures> {
  const broker = await BrokerProcess.start(runtime, { limits: LIMITS });
  const target = { host: "127.0.0.1", port: broker.port };
  const before = new Attack(target, { seconds: 1, patienceMs: PATIENCE_MS });
  const attack = new Attack(target, { seconds: 4, patienceMs: PATIENCE_MS });
  try {
    await queues(2, 200, 1_000)(before);
    await topics(before, 10_000);
    await warmUp?.(before);
    const quiet = await settled(broker);
    await run(attack);
    const full = await settled(broker);
    const ends = Object.entries(attack.ends());
    if (ends.length > 0) throw new Error(`${name}: attackers were ended, ${ends.join("; ")}`);
    if (broker.failures.length > 0) throw new Error(broker.failures.join("\n"));
    return {
      ledger: full.memory.total - quiet.memory.total,
      growth: full.rssBytes - quiet.rssBytes,
      memory: full.memory,
    };
  } finally {
    before.stop();
    attack.stop();
    await broker.close();
  }
}

/** The last of some looks, each behind a collection of garbage. */
async function settled(broker: BrokerProcess): ReturnType<BrokerProcess["report"]> {
  for (let i = 1; i < LOOKS; i++) {
    await broker.report(true);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return broker.report(true);
}

/** Whether both agree, or the case is too small for that. */
export function agrees({ ledger, growth }: AttackFigures): boolean {
  if (Math.max(ledger, growth) < LARGE_BYTES) return true;
  return Math.abs(ledger - growth) <= APART_MAX * Math.max(ledger, growth);
}
