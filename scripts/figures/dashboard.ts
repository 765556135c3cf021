/**
 * The Grafana dashboard `docs/grafana.json`.
 * Knows panels and their queries; refuses to know how figures are counted.
 * @module
 */

/** One query: PromQL, and what its lines are called. */
interface Query {
  readonly expr: string;
  readonly legend: string;
}

interface Panel {
  readonly title: string;
  readonly about: string;
  /** A number, or lines over time. */
  readonly kind: "stat" | "lines";
  /** As Grafana calls it. */
  readonly unit: string;
  readonly queries: readonly Query[];
}

const HERE = 'instance=~"$instance"';

/** What a counter grows by in a second. */
function rate(name: string, labels = ""): string {
  return `rate(${name}{${HERE}${labels}}[$__rate_interval])`;
}

function quantiles(name: string, legend = ""): Query[] {
  return [0.5, 0.99].map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (le) (${rate(`${name}_bucket`)}))`,
    legend: `${legend}p${quantile * 100}`,
  }));
}

function sum(of: string, legend: string): Query {
  return { expr: `sum(${of})`, legend };
}

function plain(name: string, legend: string): Query {
  return sum(`${name}{${HERE}}`, legend);
}

function panel(kind: Panel["kind"], title: string, unit: string, about: string, ...queries: Query[]): Panel {
  return { kind, title, unit, about, queries };
}

const PANELS: readonly Panel[] = [
  panel(
    "stat",
    "Clients",
    "short",
    "Connections with an accepted CONNECT.",
    plain("plumb_connected_clients", ""),
  ),
  panel("stat", "Sessions", "short", "Connected or not.", plain("plumb_sessions", "")),
  panel("stat", "In", "cps", "PUBLISH packets from Clients.", sum(rate("plumb_received_messages_total"), "")),
  panel("stat", "Out", "cps", "PUBLISH packets for Clients.", sum(rate("plumb_sent_messages_total"), "")),
  panel(
    "stat",
    "Dropped",
    "cps",
    "Copies that did not reach a session.",
    sum(rate("plumb_dropped_messages_total"), ""),
  ),
  panel("stat", "Store fails", "short", "1: what has to be stored is refused.", {
    expr: `max(plumb_store_failing{${HERE}})`,
    legend: "",
  }),
  panel(
    "lines",
    "Messages",
    "cps",
    "PUBLISH packets; one that comes may go to many Clients, or to none.",
    sum(rate("plumb_received_messages_total"), "in"),
    sum(rate("plumb_sent_messages_total"), "out"),
    sum(rate("plumb_dropped_messages_total"), "dropped"),
  ),
  panel(
    "lines",
    "Bytes",
    "Bps",
    "All bytes of MQTT, and those of payloads.",
    sum(rate("plumb_received_bytes_total"), "in"),
    sum(rate("plumb_sent_bytes_total"), "out"),
    sum(rate("plumb_received_payload_bytes_total"), "payloads in"),
    sum(rate("plumb_sent_payload_bytes_total"), "payloads out"),
  ),
  panel(
    "lines",
    "Publish to write",
    "s",
    "From the bytes of a PUBLISH until its copies are given to the transports. A slow receiver is not in it.",
    ...quantiles("plumb_publish_to_write_seconds"),
  ),
  panel(
    "lines",
    "Commits, and lag of the loop",
    "s",
    "What acknowledgements wait for; and how late timers are, which all else waits for too.",
    ...quantiles("plumb_commit_seconds", "commit "),
    ...quantiles("plumb_loop_lag_seconds", "lag "),
  ),
  panel("lines", "Connections", "short", "By listener.", {
    expr: `sum by (listener) (plumb_listener_connections{${HERE}})`,
    legend: "{{listener}}",
  }),
  panel(
    "lines",
    "Connects",
    "cps",
    "Connections that are opened, and CONNECT packets that are accepted.",
    sum(rate("plumb_opened_connections_total"), "opened"),
    sum(rate("plumb_accepted_connects_total"), "accepted"),
    sum(rate("plumb_expired_sessions_total"), "sessions expired"),
  ),
  panel(
    "lines",
    "Refusals",
    "cps",
    "By the rule of the standard, the limit or the policy that they rest on.",
    {
      expr: `topk(10, sum by (rule) (${rate("plumb_refusals_total")}))`,
      legend: "{{rule}}",
    },
  ),
  panel("lines", "Limits that bite", "cps", "How often each limit is reached.", {
    expr: `topk(10, sum by (limit) (${rate("plumb_limits_reached_total")}))`,
    legend: "{{limit}}",
  }),
  panel(
    "lines",
    "Logins and permissions",
    "s",
    "Time for verdicts that take time: hashes of passwords, services.",
    ...quantiles("plumb_authentication_seconds", "login "),
    ...quantiles("plumb_authorization_seconds", "permission "),
  ),
  panel(
    "lines",
    "What is kept",
    "short",
    "Subscriptions, retained messages, and messages that wait for a Client.",
    plain("plumb_subscriptions", "subscriptions"),
    plain("plumb_shared_subscriptions", "shared"),
    plain("plumb_retained_messages", "retained"),
    plain("plumb_queued_messages", "queued"),
  ),
  panel(
    "lines",
    "Bridges",
    "cps",
    "Messages to other brokers and from there; those that are dropped do not arrive.",
    ...["sent", "received", "dropped"].map((what): Query => ({
      expr: `sum by (bridge) (${rate(`plumb_bridge_${what}_messages_total`)})`,
      legend: `{{bridge}} ${what}`,
    })),
    {
      expr: `sum by (bridge) (${rate("plumb_bridge_reconnects_total")})`,
      legend: "{{bridge}} reconnects",
    },
  ),
  panel(
    "lines",
    "What waits for bridges",
    "short",
    "Messages on their way out and in; 1 for a bridge that is connected.",
    ...["queued_out_messages", "queued_in_messages", "connected"].map((what): Query => ({
      expr: `sum by (bridge) (plumb_bridge_${what}{${HERE}})`,
      legend: `{{bridge}} ${what.replaceAll("_", " ")}`,
    })),
  ),
  panel(
    "lines",
    "Hooks and webhook",
    "cps",
    "Events that hooks and the webhook's service have taken, and what became of the others.",
    ...[
      "hook_events",
      "hook_calls",
      "hook_faults",
      "hook_dropped_events",
      "hook_lost_events",
      "hook_restarts",
    ]
      .concat(["webhook_delivered_events", "webhook_dropped_events", "webhook_dead_letters"])
      .concat(["webhook_requests", "webhook_failed_requests"])
      .map((what) => sum(rate(`plumb_${what}_total`), what.replaceAll("_", " "))),
  ),
  panel(
    "lines",
    "What waits for hooks and webhook",
    "short",
    "Events; and 1 while the hooks run, and while the webhook's service takes nothing.",
    ...["hook_waiting_events", "webhook_waiting_events", "hook_running", "webhook_failing"]
      .map((what) => plain(`plumb_${what}`, what.replaceAll("_", " "))),
  ),
  panel(
    "lines",
    "Memory",
    "bytes",
    "What the broker counts, by what for, and what the process takes.",
    { expr: `sum by (part) (plumb_held_bytes{${HERE}})`, legend: "{{part}}" },
    plain("process_resident_memory_bytes", "process"),
    plain("process_heap_bytes", "JavaScript"),
  ),
  panel(
    "lines",
    "CPU",
    "percentunit",
    "Of one core.",
    sum(rate("process_cpu_seconds_total"), "process"),
    sum(rate("plumb_hook_seconds_total"), "hooks"),
  ),
  panel("lines", "CPU for each message", "s", "CPU time of the process for each PUBLISH that it writes.", {
    expr: `sum(${rate("process_cpu_seconds_total")}) / sum(${rate("plumb_sent_messages_total")})`,
    legend: "",
  }),
  panel("lines", "CPU of each worker", "percentunit", "Of one core; with --workers.", {
    expr: `sum by (worker) (${rate("plumb_worker_cpu_seconds_total")})`,
    legend: "worker {{worker}}",
  }),
  panel(
    "lines",
    "Clients of each worker",
    "short",
    "With --workers; and 0 while one does not answer.",
    { expr: `sum by (worker) (plumb_worker_connected_clients{${HERE}})`, legend: "worker {{worker}}" },
    { expr: `min by (worker) (plumb_worker_up{${HERE}})`, legend: "{{worker}} answers" },
  ),
  panel(
    "lines",
    "Store",
    "cps",
    "Commits, batches for the file, and pages of waiting messages that are read back.",
    sum(rate("plumb_commits_total"), "commits"),
    sum(rate("plumb_failed_commits_total"), "failed"),
    sum(rate("plumb_store_batches_total"), "batches"),
    sum(rate("plumb_page_in_seconds_count"), "pages read"),
  ),
  panel(
    "lines",
    "Store's file",
    "bytes",
    "Its size, and what is written in a second.",
    plain("plumb_store_file_bytes", "size"),
    sum(rate("plumb_store_written_bytes_total"), "written"),
  ),
  panel("lines", "Busiest Clients", "cps", "PUBLISH packets, estimated; with --websocket-metrics-names.", {
    expr: `sum by (client) (${rate("plumb_busiest_client_messages_total")})`,
    legend: "{{client}}",
  }),
  panel(
    "lines",
    "Busiest topics",
    "cps",
    "By their first two levels, estimated; with --websocket-metrics-names.",
    {
      expr: `sum by (prefix) (${rate("plumb_busiest_prefix_messages_total")})`,
      legend: "{{prefix}}",
    },
  ),
];

/** Every query, as it stands in the dashboard. */
export const QUERIES: readonly string[] = PANELS.flatMap(({ queries }) => queries.map(({ expr }) => expr));

const WIDTH = 24;
const STATS_WIDTH = 4;
const STATS_HEIGHT = 4;
const LINES_WIDTH = 12;
const LINES_HEIGHT = 8;
const SOURCE = { type: "prometheus", uid: "${datasource}" };

function placed(): object[] {
  let [x, y] = [0, 0];
  return PANELS.map(({ kind, title, about, unit, queries }, i) => {
    const [w, h] = kind === "stat" ? [STATS_WIDTH, STATS_HEIGHT] : [LINES_WIDTH, LINES_HEIGHT];
    const gridPos = { x, y, w, h };
    x = (x + w) % WIDTH;
    if (x === 0) y += h;
    return {
      id: i + 1,
      type: kind === "stat" ? "stat" : "timeseries",
      title,
      description: about,
      datasource: SOURCE,
      gridPos,
      fieldConfig: {
        defaults: {
          unit,
          min: 0,
          ...kind === "lines" && { custom: { fillOpacity: 8, lineWidth: 1, showPoints: "never" } },
        },
        overrides: [],
      },
      options: kind === "stat"
        ? { graphMode: "area", reduceOptions: { calcs: ["lastNotNull"] } }
        : { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } },
      targets: queries.map(({ expr, legend }, j) => ({
        refId: String.fromCharCode("A".charCodeAt(0) + j),
        datasource: SOURCE,
        expr,
        legendFormat: legend === "" ? title : legend,
      })),
    };
  });
}

/** The text of the file. */
export function dashboardText(): string {
  const dashboard = {
    title: "Plumb",
    uid: "plumb-mqtt",
    description: "An MQTT broker. Written by `deno task figures`.",
    tags: ["mqtt", "plumb"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    refresh: "10s",
    time: { from: "now-1h", to: "now" },
    templating: {
      list: [
        { name: "datasource", label: "Prometheus", type: "datasource", query: "prometheus" },
        {
          name: "instance",
          label: "Broker",
          type: "query",
          datasource: SOURCE,
          query: "label_values(plumb_info, instance)",
          refresh: 2,
          multi: true,
          includeAll: true,
          allValue: ".*",
          current: { text: "All", value: "$__all" },
        },
      ],
    },
    panels: placed(),
  };
  return JSON.stringify(dashboard, null, 2) + "\n";
}
