/**
 * What brokers are measured at: one call of `plumb bench` for each.
 * Knows its flags; refuses to know brokers.
 * @module
 */

/** What counts: messages, their latency, connections made, or the memory that each of them costs. */
export type Kind = "messages" | "latency" | "connections" | "memory";

/** One row of the table. */
export interface PeerScenario {
  /** As `--only` calls it. */
  readonly name: string;
  /** As the table calls it. */
  readonly title: string;
  readonly kind: Kind;
  /** Of `plumb bench`; seconds, level and the like come from elsewhere. */
  readonly flags: readonly string[];
  /** Every run has a new process. Memory that a burst has needed is not always given back, so the next one would need less. */
  readonly fresh?: true;
}

/** Connections of a burst, unless somebody wants it smaller. */
export const CONNECTIONS = 5000;

/** The fixed rate at which latency is measured. */
const RATE = 10_000;

function flow(name: string, title: string, scenario: string, flags: readonly string[]): PeerScenario {
  return { name, title, kind: "messages", flags: ["--scenario", scenario, ...flags] };
}

const PAIRS_ABOVE_QOS_0 = ["--publishers", "50", "--window", "20"];

/** All of them, in the order of the table. `connections`: of the bursts. */
export function scenariosOf(connections: number = CONNECTIONS): PeerScenario[] {
  const burst = ["--scenario", "connect", "--connections", `${connections}`];
  const many = connections.toLocaleString("en");
  return [
    flow("pair", "1 publisher to 1 subscriber, QoS 0", "pairs", ["--publishers", "1"]),
    flow("pairs", "50 to 50 in pairs, QoS 0", "pairs", ["--publishers", "50"]),
    flow("fanout", "1 to 100, QoS 0", "fanout", ["--publishers", "1", "--subscribers", "100"]),
    flow("fanin", "50 to 1 by a wildcard, QoS 0", "fanin", ["--publishers", "50"]),
    flow("pairs-qos1", "50 to 50 in pairs, QoS 1", "pairs", ["--qos", "1", ...PAIRS_ABOVE_QOS_0]),
    flow("pairs-qos2", "50 to 50 in pairs, QoS 2", "pairs", ["--qos", "2", ...PAIRS_ABOVE_QOS_0]),
    {
      name: "latency",
      title: `latency at ${RATE.toLocaleString("en")}/s, QoS 1: p50, p99`,
      kind: "latency",
      flags: ["--scenario", "latency", "--rate", `${RATE}`, "--qos", "1", "--publishers", "50"],
    },
    { name: "connect", title: `${many} connections in a burst`, kind: "connections", flags: burst },
    {
      name: "memory",
      title: "memory of an idle connection",
      kind: "memory",
      flags: [...burst, "--seconds", "0.1"],
      fresh: true,
    },
  ];
}
