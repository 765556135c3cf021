/**
 * Which messages a bridge carries, in which direction, and under which Topic Name they come out.
 * Knows filters and prefixes; refuses to know Clients.
 * @module
 */
import { UsageError } from "../codec/error.ts";
import type { QoS } from "../codec/packet.ts";
import { matches, parseFilter } from "../topic/filter.ts";

/** What one `[[bridge.topic]]` says. */
export interface BridgeTopic {
  /** §4.7 a Topic Filter, behind the prefixes; without one the prefixes are two topics, of which each stands for the other. */
  readonly filter?: string;
  /** `out`: from this broker to the other one. Default `out`. */
  readonly direction?: "in" | "out" | "both";
  /** The most that messages keep of their QoS. Default 1. */
  readonly qos?: QoS;
  /** Stands before the filter and each topic at this broker. */
  readonly localPrefix?: string;
  /** The same at the other one. */
  readonly remotePrefix?: string;
}

/** One filter in one direction. */
export interface Route {
  /** What is subscribed to where messages come from. */
  readonly filter: string;
  readonly qos: QoS;
  /** What is taken away from the topic, and put there instead. */
  readonly cut: string;
  readonly prefix: string;
}

/** Both directions. */
export interface Routes {
  readonly out: readonly Route[];
  readonly in: readonly Route[];
}

/** @throws {UsageError} for a filter that is none, or begins with `$share/`, and for a prefix that no Topic Name can have. */
export function routesOf(topics: readonly BridgeTopic[]): Routes {
  const routes: { out: Route[]; in: Route[] } = { out: [], in: [] };
  for (const { filter = "", direction = "out", qos = 1, localPrefix = "", remotePrefix = "" } of topics) {
    for (const prefix of [localPrefix, remotePrefix]) {
      if (/[+#\0]/.test(prefix)) {
        throw new UsageError(`${JSON.stringify(prefix)} is no prefix: it has + or #`);
      }
      checked(prefix + filter);
    }
    if (direction !== "in") {
      routes.out.push({ filter: localPrefix + filter, qos, cut: localPrefix, prefix: remotePrefix });
    }
    if (direction !== "out") {
      routes.in.push({ filter: remotePrefix + filter, qos, cut: remotePrefix, prefix: localPrefix });
    }
  }
  return { out: once(routes.out), in: once(routes.in) };
}

function checked(text: string): void {
  const filter = parseFilter(text);
  if (typeof filter === "string") {
    throw new UsageError(`${JSON.stringify(text)} is no Topic Filter [${filter}]`);
  }
  if (filter.share !== undefined) throw new UsageError(`${JSON.stringify(text)}: a bridge takes no share`);
}

/** Of two routes with one filter and one prefix the one with the higher QoS. */
function once(routes: readonly Route[]): Route[] {
  const found = new Map<string, Route>();
  for (const route of routes) {
    const key = JSON.stringify([route.filter, route.cut, route.prefix]);
    const before = found.get(key);
    if (before === undefined || before.qos < route.qos) found.set(key, route);
  }
  return [...found.values()];
}

/** The filters of routes, each once, with the highest QoS. */
export function filtersOf(routes: readonly Route[]): ReadonlyMap<string, QoS> {
  const found = new Map<string, QoS>();
  for (const { filter, qos } of routes) found.set(filter, Math.max(qos, found.get(filter) ?? 0) as QoS);
  return found;
}

/** Where a message goes: the topic at the other side, each once, with the most of its QoS that a route leaves it. */
export function targetsOf(routes: readonly Route[], topic: string): ReadonlyMap<string, QoS> {
  const found = new Map<string, QoS>();
  for (const { filter, qos, cut, prefix } of routes) {
    if (!topic.startsWith(cut) || !matches(filter, topic)) continue;
    const target = prefix + topic.slice(cut.length);
    if (target !== "") found.set(target, Math.max(qos, found.get(target) ?? 0) as QoS);
  }
  return found;
}
