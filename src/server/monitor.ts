/**
 * What monitors ask a broker by HTTP: `/metrics`, `/livez` and `/readyz`.
 * Knows paths and answers; refuses to know who listens, and how figures are counted.
 * @module
 */
import type { BrokerStats } from "../broker/mod.ts";
import type { HttpPart } from "./http_part.ts";
import { type Figures, METRICS_TYPES, metricsText } from "./open_metrics.ts";

/** What is to be shown. */
export interface Monitored {
  /** Figures of the broker; undefined before it runs, and from the moment on in which it stops. */
  stats(): BrokerStats | undefined;
  /** All figures; undefined at the same time. Without `names` there is none that names a Client or a topic. */
  figures(names: boolean): Figures | undefined;
  /** Undefined if the broker is one process. */
  others?(): MonitoredOthers | undefined;
}

/** The other processes of the same broker. */
export interface MonitoredOthers {
  /** Why not all of them are ready; undefined if they are. */
  unready(): Promise<string | undefined>;
  /** All figures, theirs too; undefined while this process takes no Clients. */
  figures(): Promise<Figures | undefined>;
}

const TEXT = "text/plain; charset=utf-8";

type Said = readonly [status: number, type: string, text: string];

const READY: Said = [200, TEXT, "ready\n"];

type Answer = (accepts: string) => Said | Promise<Said>;

/** Answers requests for the paths above, with names of Clients and topics or without. */
export function monitor(monitored: Monitored, names: boolean): HttpPart {
  const shown = (present: Figures | undefined, accepts: string): Said => {
    if (present === undefined) return [503, TEXT, "The broker does not take Clients\n"];
    const format = accepts.includes("application/openmetrics-text") ? "openMetrics" : "prometheus";
    return [200, METRICS_TYPES[format], metricsText(present, format)];
  };
  const answers: Readonly<Record<string, Answer>> = {
    // The process answers: it lives, whatever the broker does.
    "/livez": () => [200, TEXT, "alive\n"],
    "/readyz": () => {
      const present = monitored.stats();
      if (present === undefined) return [503, TEXT, "not ready: the broker does not take Clients\n"];
      if (present.isFailing) return [503, TEXT, "not ready: the store fails\n"];
      const others = monitored.others?.();
      if (others === undefined) return READY;
      return others.unready().then((why): Said =>
        why === undefined ? READY : [503, TEXT, `not ready: ${why}\n`]
      );
    },
    "/metrics": (accepts) => {
      const others = monitored.others?.();
      if (others === undefined) return shown(monitored.figures(names), accepts);
      return others.figures().then((all) =>
        shown(all === undefined || names ? all : { ...all, busiest: undefined }, accepts)
      );
    },
  };
  return ({ method, url = "", headers }, response) => {
    const answer = answers[url.split("?")[0]!];
    if (answer === undefined) return false;
    if (method !== "GET" && method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
      return true;
    }
    const write = ([status, type, text]: Said) => {
      response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
      response.end(method === "HEAD" ? undefined : text);
    };
    const said = answer(headers.accept ?? "");
    if (said instanceof Promise) said.then(write, () => write([500, TEXT, "An error of the broker's own\n"]));
    else write(said);
    return true;
  };
}
