/**
 * What monitors of `plumb serve` get to see.
 * Knows the process and, while it takes Clients, the server; refuses to know paths and formats.
 * @module
 */
import process from "node:process";
import { monitor } from "../server/monitor.ts";
import { ruleFamilies } from "../rules/metrics.ts";
import type { Server } from "../server/serve.ts";
import type { RuleSet } from "./rule_set.ts";
import { VERSION } from "./version.ts";
import type { WebParts } from "./web.ts";

/** One for each process, through all reloads. */
export class Watch {
  /** While it takes Clients. */
  server: Server | undefined;
  /** Its hooks and webhook. */
  rules: Pick<RuleSet, "figures"> | undefined;
  readonly #since = Date.now();
  /** For the listeners that show it. */
  readonly web: WebParts = {
    metrics: monitor({
      stats: () => this.server?.broker.stats,
      process: () => {
        const { user, system } = process.cpuUsage();
        return {
          version: VERSION,
          since: this.#since,
          residentBytes: process.memoryUsage.rss(),
          cpuSeconds: (user + system) / 1e6,
        };
      },
      more: () => this.rules === undefined ? [] : ruleFamilies(this.rules.figures),
    }),
  };
}
