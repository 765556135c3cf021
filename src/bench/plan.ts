/**
 * One run, all said: a scenario with its sizes, and which thread has which Clients.
 * Knows what fits together; refuses to know how it is done.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import { type Kind, type Scenario, SCENARIOS, type Sizes, type Topology } from "./scenario.ts";
import { USUAL, USUAL_RUNS, USUAL_WINDOW_ABOVE_QOS_0 } from "./scenario.ts";
import { STAMP_BYTES } from "./stamp.ts";
import { BenchCallError } from "./target.ts";

/** The order for one run; a plain object that threads are sent. */
export interface Plan extends Sizes {
  readonly scenario: string;
  readonly kind: Kind;
  readonly topology: Topology;
  readonly durable: boolean;
  /** §3.1.2.2. */
  readonly level: 4 | 5;
  /** Seconds before the measured ones. */
  readonly warmup: number;
  /** After so many seconds without a message the missing ones are called lost. */
  readonly grace: number;
}

/** The caller's options for all runs. */
export interface Wishes extends Partial<Sizes> {
  readonly level?: 4 | 5;
  readonly warmup?: number;
  readonly grace?: number;
}

const USUAL_WARMUP = 1;
const USUAL_GRACE = 2;

/**
 * The runs of these scenarios, or of the usual ones.
 * @throws {BenchCallError} for options that do not fit together.
 */
export function plansOf(names: readonly string[], wishes: Wishes): Plan[] {
  if (names.length > 0) return names.map((name) => planOf(scenarioNamed(name), wishes));
  const runs = USUAL_RUNS.filter(([, qos]) => wishes.qos === undefined || qos === 0);
  return runs.map(([name, qos]) => planOf(scenarioNamed(name), { ...wishes, qos: wishes.qos ?? qos }));
}

function scenarioNamed(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found !== undefined) return found;
  const all = SCENARIOS.map((scenario) => scenario.name).join(", ");
  throw new BenchCallError(`there is no scenario ${JSON.stringify(name)}; there are ${all}`);
}

/** A scenario with the caller's wishes. */
export function planOf(scenario: Scenario, wishes: Wishes): Plan {
  const { name, kind, topology, durable = false, defaults = {}, ratePerPublisher } = scenario;
  const { level = 5, warmup, grace = USUAL_GRACE, ...wished } = wishes;
  const qos: QoS = wished.qos ?? defaults.qos ?? USUAL.qos;
  const sizes: Sizes = {
    ...USUAL,
    ...qos > 0 && { window: USUAL_WINDOW_ABOVE_QOS_0 },
    ...defaults,
    ...wished,
  };
  let { publishers, subscribers, rate } = sizes;
  if (topology === "pairs") {
    if (
      wished.subscribers !== undefined && (wished.publishers ?? wished.subscribers) !== wished.subscribers
    ) {
      throw new BenchCallError(`${name} has as many publishers as subscribers`);
    }
    publishers = subscribers = wished.subscribers ?? publishers;
  }
  if (ratePerPublisher !== undefined && wished.rate === undefined) rate = publishers * ratePerPublisher;
  if (name === "latency" && rate === 0) throw new BenchCallError("latency needs a --rate above 0");
  if (kind === "retained" && sizes.messages === 0) {
    throw new BenchCallError("retained needs --messages above 0");
  }
  if (topology === "shared" && level < 5) {
    throw new BenchCallError(`${name} needs --level 5: there are no shared subscriptions in MQTT 3.1.1`);
  }
  if (sizes.size < STAMP_BYTES) throw new BenchCallError(`a payload has ${STAMP_BYTES} bytes at least`);
  return {
    ...sizes,
    publishers,
    subscribers,
    rate,
    scenario: name,
    kind,
    topology,
    durable,
    level,
    grace,
    warmup: kind !== "flow" || sizes.messages > 0 ? 0 : warmup ?? USUAL_WARMUP,
  };
}

/** Subscribers that get each message. */
export function copiesOf({ topology, subscribers }: Plan): number {
  return topology === "one topic" || topology === "wildcard" ? subscribers : 1;
}

/** Network Connections that are open at once. */
export function connectionsOf({ kind, publishers, subscribers, connections }: Plan): number {
  return kind === "connect" ? connections : publishers + subscribers;
}

/** Which of `count` things belong to thread `thread` of `threads`. `from` shifts the first one's thread. */
export function shareOf(count: number, thread: number, threads: number, from = 0): number[] {
  const own: number[] = [];
  for (let i = (thread - from % threads + threads) % threads; i < count; i += threads) own.push(i);
  return own;
}

/** §4.7 the topic of a publisher. */
export function topicOf({ topology }: Plan, run: number, publisher: number): string {
  return `bench/${run}/${topology === "one topic" ? "room" : publisher}`;
}

/** §4.7.1, §4.8.2 the Topic Filter of a subscriber. */
export function filterOf(plan: Plan, run: number, subscriber: number): string {
  if (plan.topology === "wildcard") return `bench/${run}/+`;
  return plan.topology === "shared" ? `$share/bench/bench/${run}/+` : topicOf(plan, run, subscriber);
}
