/**
 * What monitors ask a broker by HTTP: `/metrics`, `/livez` and `/readyz`.
 * Knows paths and answers; refuses to know who listens, and how figures are counted.
 * @module
 */
import type { BrokerStats } from "../broker/mod.ts";
import type { HttpPart } from "./http_part.ts";
import { type MoreFamily, OPEN_METRICS_TYPE, openMetrics, type ProcessFigures } from "./open_metrics.ts";

/** What is to be shown. */
export interface Monitored {
  /** Figures of the broker; undefined before it runs, and from the moment on in which it stops. */
  stats(): BrokerStats | undefined;
  /** Figures of the process. */
  process(): ProcessFigures;
  /** What a program has besides. */
  more?(): readonly MoreFamily[];
}

const TEXT = "text/plain; charset=utf-8";

/** Answers requests for the paths above. */
export function monitor({ stats, process, more = () => [] }: Monitored): HttpPart {
  const answers: Readonly<Record<string, () => readonly [status: number, type: string, text: string]>> = {
    // The process answers: it lives, whatever the broker does.
    "/livez": () => [200, TEXT, "alive\n"],
    "/readyz": () => {
      const present = stats();
      if (present === undefined) return [503, TEXT, "not ready: the broker does not take Clients\n"];
      if (present.isFailing) return [503, TEXT, "not ready: the store fails\n"];
      return [200, TEXT, "ready\n"];
    },
    "/metrics": () => {
      const present = stats();
      if (present === undefined) return [503, TEXT, "The broker does not take Clients\n"];
      return [200, OPEN_METRICS_TYPE, openMetrics(present, process(), more())];
    },
  };
  return ({ method, url = "" }, response) => {
    const answer = answers[url.split("?")[0]!];
    if (answer === undefined) return false;
    if (method !== "GET" && method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
      return true;
    }
    const [status, type, text] = answer();
    response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
    response.end(method === "HEAD" ? undefined : text);
    return true;
  };
}
