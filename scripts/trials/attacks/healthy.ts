/**
 * Starts `healthy_child.ts` and talks with it.
 * Knows the process and its lines; refuses to know the broker.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { OWN_RUNTIME, runFlags, runtimeCommand } from "../../lib/broker_process.ts";
import { killed, spawnKept } from "../../lib/kept_child.ts";
import { pathOf } from "../../lib/tree.ts";
import { Inbox } from "../../lib/within.ts";
import type { HealthReport, HealthyLogin } from "./healthy_child.ts";

/** A busy machine needs this long to start a process. */
const START_MS = 120_000;
const REPORT_MS = 120_000;

/** The two healthy Clients. */
export class HealthyClients {
  readonly #child: ChildProcess;
  readonly #ready: Inbox<unknown> = new Inbox();
  readonly #reports: Inbox<HealthReport> = new Inbox();

  private constructor(
    before: readonly string[],
    host: string,
    port: number,
    login: HealthyLogin | undefined,
  ) {
    const file = pathOf("scripts/trials/attacks/healthy_child.ts");
    const program = [...runtimeCommand(OWN_RUNTIME), ...runFlags(OWN_RUNTIME)];
    const how = login === undefined ? [] : [JSON.stringify(login)];
    this.#child = spawnKept([...before, ...program, file, host, `${port}`, ...how], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    createInterface(this.#child.stdout!).on("line", (text) => {
      const line = JSON.parse(text) as { readonly ready?: true; readonly report?: HealthReport };
      if (line.ready) this.#ready.put(line);
      if (line.report) this.#reports.put(line.report);
    });
    this.#child.stdin!.on("error", () => {}); // it has ended, which the next wait tells
  }

  /** Starts them; each has done a round trip, or failed to. `before`: what the command begins with. `login`: without it, no TLS. */
  static async start(
    { host, port }: { readonly host: string; readonly port: number },
    before: readonly string[] = [],
    login?: HealthyLogin,
  ): Promise<HealthyClients> {
    const clients = new HealthyClients(before, host, port, login);
    try {
      await clients.#ready.take("the healthy Clients are ready", undefined, START_MS);
      return clients;
    } catch (error) {
      await clients.close();
      throw error;
    }
  }

  /** Forgets the worst and begins to count anew. */
  mark(): Promise<HealthReport> {
    return this.#ask("mark");
  }

  /** How they fare since the last mark. */
  report(): Promise<HealthReport> {
    return this.#ask("report");
  }

  /** Waits until each has done this many round trips more, or is lost; false when the time is over before. */
  async go(on: number, ms: number): Promise<boolean> {
    const end = performance.now() + ms;
    const before = await this.report();
    for (;;) {
      const now = await this.report();
      const goes = (name: "clean" | "durable") =>
        now[name].lost !== undefined || now[name].done - before[name].done >= on;
      if (goes("clean") && goes("durable")) return true;
      if (performance.now() > end) return false;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  #ask(what: "mark" | "report"): Promise<HealthReport> {
    this.#child.stdin!.write(`${what}\n`);
    return this.#reports.take("a report of the healthy Clients", undefined, REPORT_MS);
  }

  /** Ends them. */
  close(): Promise<void> {
    return killed(this.#child);
  }
}
