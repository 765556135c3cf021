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
}

const TEXT = "text/plain; charset=utf-8";

type Answer = (accepts: string) => readonly [status: number, type: string, text: string];

/** Answers requests for the paths above, with names of Clients and topics or without. */
export function monitor({ stats, figures }: Monitored, names: boolean): HttpPart {
  const answers: Readonly<Record<string, Answer>> = {
    // The process answers: it lives, whatever the broker does.
    "/livez": () => [200, TEXT, "alive\n"],
    "/readyz": () => {
      const present = stats();
      if (present === undefined) return [503, TEXT, "not ready: the broker does not take Clients\n"];
      if (present.isFailing) return [503, TEXT, "not ready: the store fails\n"];
      return [200, TEXT, "ready\n"];
    },
    "/metrics": (accepts) => {
      const present = figures(names);
      if (present === undefined) return [503, TEXT, "The broker does not take Clients\n"];
      const format = accepts.includes("application/openmetrics-text") ? "openMetrics" : "prometheus";
      return [200, METRICS_TYPES[format], metricsText(present, format)];
    },
  };
  return ({ method, url = "", headers }, response) => {
    const answer = answers[url.split("?")[0]!];
    if (answer === undefined) return false;
    if (method !== "GET" && method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
      return true;
    }
    const [status, type, text] = answer(headers.accept ?? "");
    response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
    response.end(method === "HEAD" ? undefined : text);
    return true;
  };
}
