/**
 * What monitors of `plumb serve` get to see.
 * Knows the process and, while it takes Clients, the server; refuses to know paths and formats.
 * @module
 */
import process from "node:process";
import { monitor, type Monitored, type MonitoredOthers } from "../server/monitor.ts";
import type { Figures } from "../server/open_metrics.ts";
import type { Server } from "../server/serve.ts";
import { bytesOf } from "../store/files.ts";
import type { SqliteStore } from "../store/mod.ts";
import { ApiOfProgram } from "./api.ts";
import type { Bridges } from "./bridges.ts";
import type { RuleSet } from "./rule_set.ts";
import { VERSION } from "./version.ts";
import type { WebParts } from "./web.ts";

/** A store, and the path of its file. */
export interface WatchedStore {
  readonly store: Pick<SqliteStore, "written">;
  readonly path: string;
}

/** One for each process, through all reloads. */
export class Watch {
  #server: Server | undefined;
  /** Undefined with `--memory`. */
  store: WatchedStore | undefined;
  bridges: Bridges | undefined;
  /** Its hooks and webhook. */
  rules: Pick<RuleSet, "figures"> | undefined;
  /** The other workers of the broker, if there are several. */
  others: MonitoredOthers | undefined;
  /** The start of this process: ms since the epoch. */
  readonly since: number = Date.now();
  readonly #figures = (names: boolean): Figures | undefined => {
    const server = this.#server;
    if (server === undefined) return undefined;
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    return {
      stats: server.broker.stats,
      listeners: server.listeners,
      latencies: server.latencies(),
      busiest: names ? server.busiest() : undefined,
      store: this.store && { ...this.store.store.written, fileBytes: bytesOf(this.store.path) },
      process: {
        version: VERSION,
        since: this.since,
        residentBytes: rss,
        heapBytes: heapUsed,
        cpuSeconds: (user + system) / 1e6,
      },
      bridges: this.bridges?.figures ?? [],
      ...this.rules && { rules: this.rules.figures },
    };
  };
  readonly #monitored: Monitored = {
    stats: () => this.#server?.broker.stats,
    figures: this.#figures,
    others: () => this.others,
  };
  /** What the HTTP API works on. */
  readonly api: ApiOfProgram = new ApiOfProgram(() => this.#figures(true));
  /** For the listeners that show it. */
  readonly web: WebParts = {
    metrics: monitor(this.#monitored, false),
    metricsWithNames: monitor(this.#monitored, true),
    api: (isTls) => this.api.part(isTls),
  };

  /** While it takes Clients. */
  set server(server: Server | undefined) {
    this.#server = server;
    this.api.serve(server);
  }
}
