/**
 * The scenarios, one a row: publishers, subscribers, and how much by default.
 * Knows topologies and defaults; refuses to know connections and threads.
 * @module
 */
import type { QoS } from "../codec/packet.ts";

/** Who receives what. Publisher i publishes to topic i, or all of them to one. */
export type Topology =
  /** Subscriber i has topic i. */
  | "pairs"
  /** Every subscriber has the one topic. */
  | "one topic"
  /** §4.7.1 every subscriber has all topics, by a wildcard. */
  | "wildcard"
  /** §4.8.2 the subscribers share all topics: each message goes to one of them. */
  | "shared";

/** The kinds of runs. */
export type Kind = "flow" | "connect" | "retained";

/** Options of a run, with a default in each scenario. */
export interface Sizes {
  readonly publishers: number;
  readonly subscribers: number;
  readonly qos: QoS;
  /** Bytes of the payload. */
  readonly size: number;
  /** Messages of a publisher that are not yet delivered or acknowledged; connections that are being made. */
  readonly window: number;
  /** Messages published per second, of all publishers; 0 is as fast as they are delivered. */
  readonly rate: number;
  /** Messages in all, published or retained; 0 is as many as the time allows. */
  readonly messages: number;
  /** How many are opened in one burst. */
  readonly connections: number;
  /** Seconds measured; where messages are counted, the most it may take. */
  readonly seconds: number;
}

/** One scenario. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly kind: Kind;
  readonly topology: Topology;
  /** Subscribers have sessions that outlive their connections. */
  readonly durable?: true;
  /** `rate` is this for each publisher. */
  readonly ratePerPublisher?: number;
  readonly defaults?: Partial<Sizes>;
}

/** What holds unless a scenario says otherwise; a window of 20 is what brokers take at QoS 1 and 2 without dropping. */
export const USUAL: Sizes = {
  publishers: 50,
  subscribers: 1,
  qos: 0,
  size: 64,
  window: 100,
  rate: 0,
  messages: 0,
  connections: 1000,
  seconds: 3,
};

/** The window at QoS 1 and 2 unless a scenario says otherwise. */
export const USUAL_WINDOW_ABOVE_QOS_0 = 20;

/** All scenarios. The rates of `suite-…` are from the open MQTT benchmark suite, at a size that one machine bears. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: "pairs",
    about: "publisher i to subscriber i, each pair with a topic of its own",
    kind: "flow",
    topology: "pairs",
  },
  {
    name: "fanout",
    about: "one publisher to many subscribers of its topic",
    kind: "flow",
    topology: "one topic",
    defaults: { publishers: 1, subscribers: 100 },
  },
  {
    name: "fanin",
    about: "many publishers, each with its topic, to one subscriber with a wildcard",
    kind: "flow",
    topology: "wildcard",
  },
  {
    name: "durable",
    about: "pairs whose subscribers have sessions that outlive their connections",
    kind: "flow",
    topology: "pairs",
    durable: true,
    defaults: { qos: 1 },
  },
  {
    name: "latency",
    about: "pairs at a rate, so that latency is not that of a broker at its limit",
    kind: "flow",
    topology: "pairs",
    defaults: { qos: 1, rate: 10_000 },
  },
  {
    name: "wildcard-sink",
    about: "a million messages of many publishers to one subscriber with a wildcard",
    kind: "flow",
    topology: "wildcard",
    defaults: { publishers: 100, qos: 1, window: 8, messages: 1_000_000, seconds: 120 },
  },
  {
    name: "connect",
    about: "bursts of Clients: TCP, CONNECT, CONNACK",
    kind: "connect",
    topology: "pairs",
  },
  {
    name: "retained",
    about: "a subscriber with a wildcard comes to many retained messages",
    kind: "retained",
    topology: "wildcard",
    defaults: { publishers: 1, messages: 10_000, window: 100 },
  },
  {
    name: "suite-p2p",
    about: "1,000 pairs, one message a second each",
    kind: "flow",
    topology: "pairs",
    ratePerPublisher: 1,
    defaults: { publishers: 1000, qos: 1, size: 16 },
  },
  {
    name: "suite-fanout",
    about: "1 publisher to 1,000 subscribers, ten messages a second",
    kind: "flow",
    topology: "one topic",
    ratePerPublisher: 10,
    defaults: { publishers: 1, subscribers: 1000, qos: 1, size: 16 },
  },
  {
    name: "suite-shared",
    about: "1,000 publishers to 5 who share a subscription, one message a second each",
    kind: "flow",
    topology: "shared",
    ratePerPublisher: 1,
    defaults: { publishers: 1000, subscribers: 5, qos: 1, size: 16 },
  },
];

/** What runs when nothing is said, and at which QoS unless one is said. */
export const USUAL_RUNS: readonly (readonly [name: string, qos: QoS])[] = [
  ["pairs", 0],
  ["fanout", 0],
  ["fanin", 0],
  ["pairs", 1],
  ["pairs", 2],
];
