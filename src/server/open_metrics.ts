/**
 * Figures of a broker as text: OpenMetrics, and the older format of Prometheus.
 * Knows names, kinds and both formats; refuses to know who asks, and how figures are counted.
 * @module
 */
import type { BrokerStats, BusiestStats, BusyName } from "../broker/mod.ts";
import type { BridgeFigures } from "../bridge/mod.ts";
import type { RuleFigures } from "../rules/figures.ts";
import { BUCKET_BOUNDS, type HistogramStats } from "./histogram.ts";
import type { ListenerStats } from "./listener_counts.ts";
import type { Latencies } from "./meter.ts";

/** What `Content-Type` says of each format. */
export const METRICS_TYPES = {
  openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
} as const;

/** How figures are written. */
export type MetricsFormat = keyof typeof METRICS_TYPES;

/** Of the process around the broker. */
export interface ProcessFigures {
  readonly version: string;
  /** ms since the epoch. */
  readonly since: number;
  readonly residentBytes: number;
  /** Of JavaScript, in use. */
  readonly heapBytes: number;
  readonly cpuSeconds: number;
}

/** Of the file that keeps sessions and messages. */
export interface StoreFigures {
  /** Batches of facts that were given to it since the start, and their bytes. */
  readonly batches: number;
  readonly bytes: number;
  readonly fileBytes: number;
}

/** Of one bridge to another broker, without its address. */
export type BridgeSample = Omit<BridgeFigures, "url" | "since">;

/** All figures of one moment; what there is none of is left out. */
export interface Figures {
  readonly stats: BrokerStats;
  readonly process: ProcessFigures;
  readonly listeners: readonly ListenerStats[];
  readonly latencies: Latencies;
  readonly store: StoreFigures | undefined;
  readonly bridges?: readonly BridgeSample[];
  readonly rules?: RuleFigures;
  /** Undefined if names of Clients and topics are not to be shown. */
  readonly busiest: BusiestStats | undefined;
  /** What a program has besides. */
  readonly more?: readonly MoreFamily[];
  /** Each of the processes that are the broker, if there are several; the other figures are those of all. */
  readonly workers?: readonly WorkerFigures[] | undefined;
}

/** One of several processes that are one broker; null for what is not known of one that does not answer. */
export interface WorkerFigures {
  /** From 1. */
  readonly number: number;
  /** It takes Clients, and answers. */
  readonly isUp: boolean;
  /** ms since the epoch. */
  readonly since: number | null;
  readonly connected: number | null;
  readonly sessions: number | null;
  readonly residentBytes: number | null;
  readonly cpuSeconds: number | null;
  readonly loopLag: HistogramStats | null;
}

/** A family of one value that a program has besides. */
export interface MoreFamily extends Pick<MetricsFamily, "name" | "unit" | "help"> {
  readonly kind: "counter" | "gauge";
  readonly value: number;
}

/** One value, with its labels and what comes behind the name of its family. */
interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly suffix?: string;
}

/** A family of metrics: its name, kind, unit and meaning, and how its samples are found. */
export interface MetricsFamily {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "info" | "histogram";
  readonly unit?: "bytes" | "seconds";
  readonly labels?: readonly string[];
  readonly help: string;
  readonly samples: (figures: Figures) => Iterable<Sample>;
}

/** So many of the busiest are shown. */
const BUSIEST_SHOWN = 10;

type Unit = MetricsFamily["unit"];

function gauge(name: string, help: string, of: (figures: Figures) => number | undefined): MetricsFamily {
  const samples = (figures: Figures): Sample[] => {
    const value = of(figures);
    return value === undefined ? [] : [{ value }];
  };
  return { name, kind: "gauge", help, samples, ...unitOf(name) };
}

function counter(name: string, help: string, of: (figures: Figures) => number | undefined): MetricsFamily {
  return { ...gauge(name, help, of), kind: "counter" };
}

function asNumber(flag: boolean | undefined): number | undefined {
  return flag === undefined ? undefined : Number(flag);
}

/** One value for each name of a label. */
function labelled(
  kind: "counter" | "gauge",
  name: string,
  label: string,
  help: string,
  of: (figures: Figures) => Iterable<readonly [name: string, value: number | undefined]>,
): MetricsFamily {
  const samples = (figures: Figures): Sample[] =>
    [...of(figures)].map(([text, value = 0]) => ({ value, labels: { [label]: text } }));
  return { name, kind, labels: [label], help, samples, ...unitOf(name) };
}

/** One value for each bridge. */
function ofBridges(
  kind: "counter" | "gauge",
  name: string,
  help: string,
  of: (bridge: BridgeSample) => number,
): MetricsFamily {
  return labelled(
    kind,
    `plumb_bridge_${name}`,
    "bridge",
    help,
    ({ bridges = [] }) => bridges.map((bridge) => [bridge.name, of(bridge)]),
  );
}
/** The labels of all histograms. */
const BUCKETS: readonly Readonly<Record<string, string>>[] = [
  ...BUCKET_BOUNDS.map((bound) => ({ le: `${bound}` })),
  { le: "+Inf" },
];

function histogram(name: string, help: string, of: (latencies: Latencies) => HistogramStats): MetricsFamily {
  const samples = ({ latencies }: Figures): Sample[] => samplesOf(of(latencies), undefined);
  return { name, kind: "histogram", help, samples, ...unitOf(name) };
}

function samplesOf({ counts, sum }: HistogramStats, labels: Sample["labels"]): Sample[] {
  const more = labels && { labels };
  let value = 0;
  const buckets = counts.map((count, i): Sample => {
    value += count;
    return { value, labels: { ...labels, ...BUCKETS[i]! }, suffix: "_bucket" };
  });
  return [...buckets, { value, suffix: "_count", ...more }, { value: sum, suffix: "_sum", ...more }];
}

/** The lag of a loop is of one process: where there are several, each has its own. */
function loopLag(name: string, help: string): MetricsFamily {
  const samples = ({ latencies, workers }: Figures): Sample[] =>
    workers === undefined
      ? samplesOf(latencies.loopLag, undefined)
      : workers.flatMap(({ number, loopLag }) =>
        loopLag === null ? [] : samplesOf(loopLag, { worker: `${number}` })
      );
  return { name, kind: "histogram", labels: ["worker"], help, samples, ...unitOf(name) };
}

/** One value for each worker that says it. */
function ofWorkers(
  kind: "counter" | "gauge",
  name: string,
  help: string,
  of: (worker: WorkerFigures) => number | null,
): MetricsFamily {
  return labelled(
    kind,
    name,
    "worker",
    help,
    ({ workers = [] }) =>
      workers.flatMap((worker): [string, number][] => {
        const value = of(worker);
        return value === null ? [] : [[`${worker.number}`, value]];
      }),
  );
}

/** OpenMetrics has the unit at the end of the name. */
function unitOf(name: string): { readonly unit?: NonNullable<Unit> } {
  const [, unit] = /_(bytes|seconds)$/.exec(name) ?? [];
  return unit === undefined ? {} : { unit: unit as NonNullable<Unit> };
}

function shown(all: readonly BusyName[] = []): (readonly [string, number])[] {
  return all.slice(0, BUSIEST_SHOWN).map(({ name, messages }) => [name, messages]);
}

/** Everything that `/metrics` has, in its order. */
export const METRICS: readonly MetricsFamily[] = [
  {
    name: "plumb",
    kind: "info",
    labels: ["version"],
    help: "The program.",
    samples: ({ process: { version } }) => [{ value: 1, labels: { version } }],
  },
  gauge("plumb_connections", "Network Connections that are not over.", (f) => f.stats.connections),
  gauge("plumb_connected_clients", "Connections with an accepted CONNECT.", (f) => f.stats.connected),
  labelled(
    "gauge",
    "plumb_listener_connections",
    "listener",
    "Network Connections that are not over, by listener.",
    (f) => f.listeners.map(({ url, connections }) => [url, connections]),
  ),
  labelled(
    "counter",
    "plumb_listener_accepted_connections",
    "listener",
    "Network Connections that a listener has taken.",
    (f) => f.listeners.map(({ url, accepted }) => [url, accepted]),
  ),
  counter(
    "plumb_opened_connections",
    "Network Connections that were opened, through listeners or not.",
    (f) => f.stats.traffic.connectionsOpened,
  ),
  counter(
    "plumb_accepted_connects",
    "CONNECT packets that were accepted.",
    (f) => f.stats.traffic.connectsAccepted,
  ),
  labelled(
    "counter",
    "plumb_refusals",
    "rule",
    "Connections, packets and filters that were refused, and connections that were ended, by the rule of the standard, limit or policy.",
    (f) => Object.entries(f.stats.refusals),
  ),
  labelled(
    "counter",
    "plumb_limits_reached",
    "limit",
    "How often each limit was reached.",
    (f) => Object.entries(f.stats.limits),
  ),
  histogram(
    "plumb_authentication_seconds",
    "Time for the verdict on a login, where it takes time.",
    ({ authenticate }) => authenticate,
  ),
  histogram(
    "plumb_authorization_seconds",
    "Time for a permission, where it takes time.",
    ({ authorize }) => authorize,
  ),
  gauge("plumb_sessions", "Sessions, of connected and of disconnected Clients.", (f) => f.stats.sessions),
  counter(
    "plumb_expired_sessions",
    "Sessions that no Client came back to in time.",
    (f) => f.stats.traffic.sessionsExpired,
  ),
  gauge("plumb_subscriptions", "Subscriptions of all sessions.", (f) => f.stats.subscriptions),
  gauge(
    "plumb_shared_subscriptions",
    "Shared Subscriptions, each once however many members it has.",
    (f) => f.stats.sharedSubscriptions,
  ),
  gauge(
    "plumb_queued_messages",
    "QoS 1 and 2 messages that wait in sessions, once for each session.",
    (f) => f.stats.queuedMessages,
  ),
  gauge(
    "plumb_retained_messages",
    "Retained messages, those below $SYS too while there are some.",
    (f) => f.stats.retainedMessages,
  ),
  gauge(
    "plumb_retained_bytes",
    "Bytes that retained messages count for in their limit.",
    (f) => f.stats.retainedBytes,
  ),
  counter("plumb_received_messages", "PUBLISH packets from Clients.", (f) => f.stats.received),
  counter(
    "plumb_sent_messages",
    "PUBLISH packets written for Clients, repeats too.",
    (f) => f.stats.traffic.messagesSent,
  ),
  counter(
    "plumb_dropped_messages",
    "Copies of messages that did not reach a session.",
    (f) => f.stats.dropped,
  ),
  counter(
    "plumb_received_payload_bytes",
    "Bytes of payloads from Clients.",
    (f) => f.stats.traffic.payloadBytesReceived,
  ),
  counter(
    "plumb_sent_payload_bytes",
    "Bytes of payloads written for Clients.",
    (f) => f.stats.traffic.payloadBytesSent,
  ),
  counter(
    "plumb_received_packets",
    "Packets of any type from Clients.",
    (f) => f.stats.traffic.packetsReceived,
  ),
  counter(
    "plumb_sent_packets",
    "Packets of any type written for Clients.",
    (f) => f.stats.traffic.packetsSent,
  ),
  counter("plumb_received_bytes", "Bytes from Clients.", (f) => f.stats.traffic.bytesReceived),
  counter("plumb_sent_bytes", "Bytes that transports took.", (f) => f.stats.traffic.bytesSent),
  histogram(
    "plumb_publish_to_write_seconds",
    "Time from the first bytes of a turn until all is written that it has for Clients, once for each PUBLISH of the turn.",
    ({ publishToWrite }) => publishToWrite,
  ),
  labelled(
    "counter",
    "plumb_busiest_client_messages",
    "client",
    "PUBLISH packets of the ten busiest Clients, estimated since each is among the 32 that are known; only where names are shown.",
    (f) => shown(f.busiest?.clients),
  ),
  labelled(
    "counter",
    "plumb_busiest_prefix_messages",
    "prefix",
    "The same of the first two levels of topics.",
    (f) => shown(f.busiest?.prefixes),
  ),
  ofBridges("gauge", "connected", "1 while a bridge is connected.", (b) => b.isConnected ? 1 : 0),
  ofBridges("counter", "reconnects", "Connections of a bridge, but the first.", (b) => b.reconnects),
  ofBridges("counter", "sent_messages", "Messages that the other broker has from a bridge.", (b) => b.sent),
  ofBridges("counter", "received_messages", "Messages that this one has from there.", (b) => b.received),
  ofBridges("gauge", "queued_out_messages", "Messages that wait to be sent there.", (b) => b.queuedOut),
  ofBridges("gauge", "queued_in_messages", "Messages from there that are not here yet.", (b) => b.queuedIn),
  ofBridges("counter", "dropped_messages", "Messages of a bridge that do not arrive.", (b) => b.dropped),
  gauge(
    "plumb_hook_running",
    "1 while the thread of the hooks runs.",
    ({ rules }) => asNumber(rules?.hooks?.isRunning),
  ),
  gauge("plumb_hook_waiting_events", "Events that wait for hooks.", ({ rules }) => rules?.hooks?.waiting),
  counter("plumb_hook_events", "Events that hooks were called with.", ({ rules }) => rules?.hooks?.called),
  counter("plumb_hook_dropped_events", "Events that found no room.", ({ rules }) => rules?.hooks?.dropped),
  counter(
    "plumb_hook_lost_events",
    "Events that were lost with the thread of the hooks.",
    ({ rules }) => rules?.hooks?.lost,
  ),
  counter("plumb_hook_faults", "Hooks that threw, were late or slow.", ({ rules }) => rules?.hooks?.faults),
  counter("plumb_hook_calls", "Calls that hooks made.", ({ rules }) => rules?.hooks?.calls),
  counter(
    "plumb_hook_restarts",
    "How often the thread of the hooks was begun anew.",
    ({ rules }) => rules?.hooks?.restarts,
  ),
  counter("plumb_hook_seconds", "How long hooks have computed.", ({ rules }) => rules?.hooks?.seconds),
  gauge(
    "plumb_webhook_failing",
    "1 while the webhook's service does not take events.",
    ({ rules }) => asNumber(rules?.webhook?.isFailing),
  ),
  gauge(
    "plumb_webhook_waiting_events",
    "Events that wait for the webhook.",
    ({ rules }) => rules?.webhook?.waiting,
  ),
  counter(
    "plumb_webhook_delivered_events",
    "Events that the service has taken.",
    ({ rules }) => rules?.webhook?.delivered,
  ),
  counter(
    "plumb_webhook_dropped_events",
    "Events that found no room.",
    ({ rules }) => rules?.webhook?.dropped,
  ),
  counter(
    "plumb_webhook_dead_letters",
    "Events that the service has refused.",
    ({ rules }) => rules?.webhook?.deadLetters,
  ),
  counter("plumb_webhook_requests", "Requests to the service.", ({ rules }) => rules?.webhook?.requests),
  counter(
    "plumb_webhook_failed_requests",
    "Requests that failed.",
    ({ rules }) => rules?.webhook?.failedRequests,
  ),
  gauge(
    "plumb_store_failing",
    "1 while the store cannot make facts safe: what has to be stored is refused.",
    (f) => f.stats.isFailing ? 1 : 0,
  ),
  counter("plumb_recorded_facts", "Facts recorded for the store.", (f) => f.stats.facts),
  counter("plumb_commits", "Commits, which acknowledgements wait for.", (f) => f.stats.commits),
  counter(
    "plumb_failed_commits",
    "Commits that the store could not make safe.",
    (f) => f.stats.failedCommits,
  ),
  histogram(
    "plumb_commit_seconds",
    "Time from the begin of a commit until it is safe.",
    ({ commit }) => commit,
  ),
  histogram(
    "plumb_page_in_seconds",
    "Time for a page of waiting messages from the store.",
    ({ pageIn }) => pageIn,
  ),
  counter("plumb_store_batches", "Batches of facts given to the store's thread.", (f) => f.store?.batches),
  counter("plumb_store_written_bytes", "Bytes of these batches.", (f) => f.store?.bytes),
  gauge("plumb_store_file_bytes", "Size of the store's file, without its log.", (f) => f.store?.fileBytes),
  labelled(
    "gauge",
    "plumb_held_bytes",
    "part",
    "Memory that the broker counts, by what it is for; their sum is bounded by --memory-bytes-max.",
    ({ stats: { memory: { total: _, ...parts } } }) => Object.entries(parts),
  ),
  loopLag(
    "plumb_loop_lag_seconds",
    "How much behind its time a timer runs, looked at twice in a second; with several workers that of each.",
  ),
  ofWorkers(
    "gauge",
    "plumb_worker_up",
    "1 while a worker answers; only with several.",
    (w) => w.isUp ? 1 : 0,
  ),
  ofWorkers(
    "gauge",
    "plumb_worker_connected_clients",
    "Clients that are connected to a worker.",
    (w) => w.connected,
  ),
  ofWorkers("counter", "plumb_worker_cpu_seconds", "CPU time of a worker.", (w) => w.cpuSeconds),
  gauge(
    "process_start_time_seconds",
    "When the broker was started, since the epoch; of several workers the first.",
    (f) => f.process.since / 1_000,
  ),
  gauge(
    "process_resident_memory_bytes",
    "Resident memory of the process; of all workers together.",
    (f) => f.process.residentBytes,
  ),
  gauge("process_heap_bytes", "Memory in use by JavaScript.", (f) => f.process.heapBytes),
  counter("process_cpu_seconds", "CPU time of the process.", (f) => f.process.cpuSeconds),
];

const SUFFIXES = { counter: "_total", gauge: "", info: "_info", histogram: "" } as const;

/** The name of a sample without a suffix of its own. */
export function sampleName({ name, kind }: MetricsFamily): string {
  return name + SUFFIXES[kind];
}

/** All figures of one moment. */
export function metricsText(figures: Figures, format: MetricsFormat): string {
  const isOpen = format === "openMetrics";
  const lines: string[] = [];
  const more = figures.more ?? [];
  const others = more.map(({ value, ...family }): MetricsFamily => ({
    ...family,
    samples: () => [{ value }],
  }));
  for (const family of [...METRICS, ...others]) {
    const { name, kind, unit, help, samples } = family;
    const plain = sampleName(family);
    // The older format has the suffix in the name of the family, and knows no info.
    const title = isOpen ? name : plain;
    lines.push(`# HELP ${title} ${help}`, `# TYPE ${title} ${isOpen || kind !== "info" ? kind : "gauge"}`);
    if (isOpen && unit !== undefined) lines.push(`# UNIT ${title} ${unit}`);
    for (const { value, labels, suffix } of samples(figures)) {
      lines.push(`${suffix === undefined ? plain : name + suffix}${labelsOf(labels)} ${value}`);
    }
  }
  return lines.join("\n") + (isOpen ? "\n# EOF\n" : "\n");
}

/** Values may be names that Clients have chosen. */
function labelsOf(labels: Sample["labels"]): string {
  if (labels === undefined) return "";
  return `{${Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`).join(",")}}`;
}

function escaped(text: string): string {
  return !/["\\\n]/.test(text)
    ? text
    : text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
