/**
 * Figures of a broker as OpenMetrics text, for Prometheus and others.
 * Knows names, kinds and the format; refuses to know who asks, and how figures are counted.
 * @module
 */
import type { BrokerStats } from "../broker/mod.ts";

/** What `Content-Type` says of the text. */
export const OPEN_METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** Of the process around the broker. */
export interface ProcessFigures {
  readonly version: string;
  /** ms since the epoch. */
  readonly since: number;
  readonly residentBytes: number;
  readonly cpuSeconds: number;
}

/** One value, with its labels. */
type Sample = readonly [value: number, labels?: Readonly<Record<string, string>>];

/** A family of metrics: a name without prefix, its kind, unit and meaning, and how its samples are found. */
interface Family {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "info";
  readonly unit?: "bytes" | "seconds";
  readonly help: string;
  readonly samples: (stats: BrokerStats, process: ProcessFigures) => Iterable<Sample>;
}

function gauge(name: string, help: string, of: (stats: BrokerStats) => number, unit?: "bytes"): Family {
  return {
    name: `plumb_${name}`,
    kind: "gauge",
    help,
    samples: (stats) => [[of(stats)]],
    ...unit && { unit },
  };
}

function counter(name: string, help: string, of: (stats: BrokerStats) => number, unit?: "bytes"): Family {
  return { ...gauge(name, help, of, unit), kind: "counter" };
}

/** Counts by name, as samples with one label. */
function named(label: string, counts: Readonly<Partial<Record<string, number>>>): Sample[] {
  return Object.entries(counts).map(([name, count = 0]): Sample => [count, { [label]: name }]);
}

const FAMILIES: readonly Family[] = [
  {
    name: "plumb",
    kind: "info",
    help: "The program.",
    samples: (_, { version }) => [[1, { version }]],
  },
  gauge("connections", "Network Connections that are not over.", ({ connections }) => connections),
  gauge("connected_clients", "Connections with an accepted CONNECT.", ({ connected }) => connected),
  gauge("sessions", "Sessions, of connected and of disconnected Clients.", ({ sessions }) => sessions),
  gauge("subscriptions", "Subscriptions of all sessions.", ({ subscriptions }) => subscriptions),
  gauge(
    "shared_subscriptions",
    "Shared Subscriptions, each once however many members it has.",
    ({ sharedSubscriptions }) => sharedSubscriptions,
  ),
  gauge("retained_messages", "Retained messages.", ({ retainedMessages }) => retainedMessages),
  gauge(
    "retained_bytes",
    "Bytes that retained messages count for in their limit.",
    ({ retainedBytes }) => retainedBytes,
    "bytes",
  ),
  {
    name: "plumb_held_bytes",
    kind: "gauge",
    unit: "bytes",
    help: "Memory that the broker holds, by what for.",
    samples: ({ memory: { total: _, ...parts } }) => named("part", parts),
  },
  gauge("store_failing", "1 while the store cannot make facts safe.", ({ isFailing }) => isFailing ? 1 : 0),
  counter("opened_connections", "Network Connections that were opened.", (s) => s.traffic.connectionsOpened),
  counter("accepted_connects", "CONNECT packets that were accepted.", (s) => s.traffic.connectsAccepted),
  counter("received_packets", "Packets from Clients.", (s) => s.traffic.packetsReceived),
  counter("sent_packets", "Packets written for Clients.", (s) => s.traffic.packetsSent),
  counter("received_messages", "PUBLISH packets from Clients.", ({ received }) => received),
  counter("sent_messages", "PUBLISH packets written for Clients.", (s) => s.traffic.messagesSent),
  counter("dropped_messages", "Copies that did not reach a session.", ({ dropped }) => dropped),
  counter("received_bytes", "Bytes from Clients.", (s) => s.traffic.bytesReceived, "bytes"),
  counter("sent_bytes", "Bytes that transports took.", (s) => s.traffic.bytesSent, "bytes"),
  counter(
    "received_payload_bytes",
    "Bytes of payloads from Clients.",
    (s) => s.traffic.payloadBytesReceived,
    "bytes",
  ),
  counter(
    "sent_payload_bytes",
    "Bytes of payloads written for Clients.",
    (s) => s.traffic.payloadBytesSent,
    "bytes",
  ),
  counter(
    "expired_sessions",
    "Sessions that nobody came back to in time.",
    (s) => s.traffic.sessionsExpired,
  ),
  counter("recorded_facts", "Facts recorded for the store.", ({ facts }) => facts),
  {
    name: "plumb_limits_reached",
    kind: "counter",
    help: "How often each limit was reached.",
    samples: ({ limits }) => named("limit", limits),
  },
  {
    name: "plumb_refusals",
    kind: "counter",
    help: "Connections, packets and filters that were refused, by rule.",
    samples: ({ refusals }) => named("rule", refusals),
  },
  {
    name: "process_start_time_seconds",
    kind: "gauge",
    unit: "seconds",
    help: "When the broker was started, since the epoch.",
    samples: (_, { since }) => [[since / 1_000]],
  },
  {
    name: "process_resident_memory_bytes",
    kind: "gauge",
    unit: "bytes",
    help: "Resident memory of the process.",
    samples: (_, { residentBytes }) => [[residentBytes]],
  },
  {
    name: "process_cpu_seconds",
    kind: "counter",
    unit: "seconds",
    help: "CPU time of the process.",
    samples: (_, { cpuSeconds }) => [[cpuSeconds]],
  },
];

const SUFFIXES = { counter: "_total", gauge: "", info: "_info" } as const;

/** A family of one value that a program has besides. */
export interface MoreFamily extends Pick<Family, "name" | "unit" | "help"> {
  readonly kind: "counter" | "gauge";
  readonly value: number;
}

/** All figures of one moment. */
export function openMetrics(
  stats: BrokerStats,
  process: ProcessFigures,
  more: readonly MoreFamily[] = [],
): string {
  const lines: string[] = [];
  const others = more.map(({ value, ...family }): Family => ({ ...family, samples: () => [[value]] }));
  for (const { name, kind, unit, help, samples } of [...FAMILIES, ...others]) {
    lines.push(`# TYPE ${name} ${kind}`);
    if (unit !== undefined) lines.push(`# UNIT ${name} ${unit}`);
    lines.push(`# HELP ${name} ${help}`);
    for (const [value, labels = {}] of samples(stats, process)) {
      lines.push(`${name}${SUFFIXES[kind]}${labelsOf(labels)} ${value}`);
    }
  }
  return lines.join("\n") + "\n# EOF\n";
}

/** Values come from tables of ours, but for rules that an owner has made up. */
function labelsOf(labels: Readonly<Record<string, string>>): string {
  const all = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return all.length === 0 ? "" : `{${all.join(",")}}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
