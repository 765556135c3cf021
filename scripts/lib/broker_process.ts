/**
 * Starts `broker_child.ts` on any runtime and talks with it.
 * Knows the process and its lines; refuses to know what is done to the broker.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { ChildLine, ChildOptions, Report } from "./broker_child.ts";
import { bun, deno, node, NODE_FLAGS } from "./run.ts";
import { pathOf, ROOT } from "./tree.ts";
import { Inbox, within } from "./within.ts";

/** A runtime that brokers run on. */
export type Runtime = "deno" | "bun" | "node";

/** The runtime that this runs on. */
export const OWN_RUNTIME: Runtime = "Bun" in globalThis ? "bun" : "Deno" in globalThis ? "deno" : "node";

/** Options of a test which one runtime does for all that start it: on the others it is skipped, and says so. */
export function onlyOn(runtime: Runtime): { readonly skip?: string } {
  return OWN_RUNTIME === runtime ? {} : { skip: `The tests on ${runtime} do this` };
}

/** The command that starts a runtime. @throws {Error} where Node cannot be had. */
export function runtimeCommand(runtime: Runtime): string[] {
  if (runtime !== "node") return runtime === "bun" ? bun() : deno();
  const command = node();
  if (command === undefined) {
    throw new Error("No Node that reads TypeScript is on the PATH or to be had by npx");
  }
  return command;
}

/** What stands between that command and a file of ours. */
export function runFlags(runtime: Runtime): readonly string[] {
  return { bun: [], deno: ["run", "-A", "--no-check"], node: NODE_FLAGS }[runtime];
}

/** A busy machine needs this long to start one, and to collect garbage. */
const START_MS = 120_000;
const REPORT_MS = 120_000;

/** One broker in its own process. */
export class BrokerProcess {
  readonly runtime: Runtime;
  port = 0;
  /** Errors of its own, and what it wrote to standard error. */
  readonly failures: string[] = [];
  /** Limits that bit. */
  readonly limited: Set<string> = new Set();
  readonly #child: ChildProcess;
  readonly #ports: Inbox<number> = new Inbox();
  readonly #reports: Inbox<Report> = new Inbox();
  readonly #over: Promise<void>;

  private constructor(runtime: Runtime, options: ChildOptions) {
    this.runtime = runtime;
    const file = pathOf("scripts/lib/broker_child.ts");
    const collects = { bun: [], deno: ["--v8-flags=--expose-gc"], node: ["--expose-gc"] }[runtime];
    const [command = "", ...args] = [...runtimeCommand(runtime), ...runFlags(runtime), ...collects, file];
    const child = spawn(command, [...args, JSON.stringify(options)], { cwd: ROOT, stdio: "pipe" });
    this.#child = child;
    createInterface(child.stdout).on("line", (line) => this.#told(line));
    createInterface(child.stderr).on("line", (line) => this.failures.push(line));
    let ending = false;
    child.stdin.on("finish", () => ending = true);
    child.stdin.on("error", () => {}); // it has ended, which `close` tells
    this.#over = new Promise((resolve) => {
      child.on("error", (error) => this.failures.push(String(error)));
      child.on("close", (code, signal) => {
        if (!ending || code !== 0) this.failures.push(`The broker's process ended with ${code ?? signal}`);
        resolve();
      });
    });
  }

  /** Starts one. */
  static async start(runtime: Runtime, options: ChildOptions): Promise<BrokerProcess> {
    const broker = new BrokerProcess(runtime, options);
    try {
      broker.port = await broker.#ports.take("the broker listens", undefined, START_MS);
      return broker;
    } catch (error) {
      broker.#child.kill("SIGKILL");
      throw new Error(`${(error as Error).message}: ${broker.failures.join("\n")}`);
    }
  }

  #told(text: string): void {
    const line = JSON.parse(text) as ChildLine;
    if ("port" in line) this.#ports.put(line.port);
    else if ("report" in line) this.#reports.put(line.report);
    else if ("limited" in line) this.limited.add(line.limited);
    else this.failures.push(line.failed);
  }

  /** Its process. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** How it is. */
  report(collect = false): Promise<Report> {
    this.#child.stdin!.write(collect ? "collect\n" : "report\n");
    return this.#reports.take("the broker's report", undefined, REPORT_MS);
  }

  /** Closes it, and waits for the end of the process; kills it if that takes too long. */
  async close(): Promise<void> {
    this.#child.stdin!.end();
    try {
      await within(this.#over, "the broker's process ends", REPORT_MS);
    } catch (error) {
      this.failures.push((error as Error).message);
      this.#child.kill("SIGKILL");
    }
  }
}
