/**
 * What monitors of `plumb serve` get to see.
 * Knows the process and, while it takes Clients, the server; refuses to know paths and formats.
 * @module
 */
import process from "node:process";
import { monitor } from "../server/monitor.ts";
import type { Server } from "../server/serve.ts";
import { ApiOfProgram } from "./api.ts";
import { VERSION } from "./version.ts";
import type { WebParts } from "./web.ts";

/** One for each process, through all reloads. */
export class Watch {
  #server: Server | undefined;
  readonly #since = Date.now();
  readonly #process = () => {
    const { user, system } = process.cpuUsage();
    return {
      version: VERSION,
      since: this.#since,
      residentBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
    };
  };
  /** What the HTTP API works on. */
  readonly api: ApiOfProgram = new ApiOfProgram(this.#process);
  /** For the listeners that show it. */
  readonly web: WebParts = {
    metrics: monitor({ stats: () => this.#server?.broker.stats, process: this.#process }),
    api: (isTls) => this.api.part(isTls),
  };

  /** While it takes Clients. */
  set server(server: Server | undefined) {
    this.#server = server;
    this.api.serve(server);
  }
}
