/**
 * What monitors of `plumb serve` get to see.
 * Knows the process and, while it takes Clients, the server; refuses to know paths and formats.
 * @module
 */
import process from "node:process";
import { monitor, type Monitored } from "../server/monitor.ts";
import type { Server } from "../server/serve.ts";
import { bytesOf } from "../store/files.ts";
import type { SqliteStore } from "../store/mod.ts";
import type { Bridges } from "./bridges.ts";
import { VERSION } from "./version.ts";
import type { WebParts } from "./web.ts";

/** A store, and the path of its file. */
export interface WatchedStore {
  readonly store: Pick<SqliteStore, "written">;
  readonly path: string;
}

/** One for each process, through all reloads. */
export class Watch {
  /** While it takes Clients. */
  server: Server | undefined;
  /** Undefined with `--memory`. */
  store: WatchedStore | undefined;
  bridges: Bridges | undefined;
  readonly #since = Date.now();
  readonly #monitored: Monitored = {
    stats: () => this.server?.broker.stats,
    figures: (names) => {
      if (this.server === undefined) return undefined;
      const { broker, listeners } = this.server;
      const { user, system } = process.cpuUsage();
      const { rss, heapUsed } = process.memoryUsage();
      return {
        stats: broker.stats,
        listeners,
        latencies: this.server.latencies(),
        busiest: names ? this.server.busiest() : undefined,
        store: this.store && { ...this.store.store.written, fileBytes: bytesOf(this.store.path) },
        bridges: this.bridges?.figures ?? [],
        process: {
          version: VERSION,
          since: this.#since,
          residentBytes: rss,
          heapBytes: heapUsed,
          cpuSeconds: (user + system) / 1e6,
        },
      };
    },
  };
  /** For the listeners that show it. */
  readonly web: WebParts = {
    metrics: monitor(this.#monitored, false),
    metricsWithNames: monitor(this.#monitored, true),
  };
}
