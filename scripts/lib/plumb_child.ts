/**
 * The executable as a process on any runtime, as a command line starts it: its listeners, its log, its signals.
 * Knows the process and the lines of its log; refuses to know what it is asked for.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import process from "node:process";
import { usageOf } from "../../src/bench/usage.ts";
import { until } from "../../src/testing/patience.ts";
import { programOf } from "../bench/peers/brokers.ts";
import { runFlags, type Runtime } from "./broker_process.ts";
import { killed, spawnKept } from "./kept_child.ts";

/** One broker, killed at the latest when this process ends. */
export class PlumbChild {
  /** All that it has logged. */
  log = "";
  readonly #child: ChildProcess;
  #isOver = false;

  private constructor(runtime: Runtime, args: readonly string[], before: readonly string[]) {
    this.#child = spawnKept(
      [...before, programOf(runtime), ...runFlags(runtime), "src/cli/main.ts", ...args],
      {
        env: { ...process.env, NO_COLOR: "1" },
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => this.log += text);
    this.#child.once("close", () => this.#isOver = true).once("error", () => this.#isOver = true);
  }

  /** Starts one; it has a listener of each of these schemes. `before`: what its command begins with. */
  static async start(
    runtime: Runtime,
    args: readonly string[],
    schemes: readonly ("mqtt" | "mqtts")[] = ["mqtt"],
    before: readonly string[] = [],
  ): Promise<PlumbChild> {
    const broker = new PlumbChild(runtime, args, before);
    try {
      await broker.until(() => schemes.every((scheme) => broker.port(scheme) > 0), "the broker listens");
      return broker;
    } catch (error) {
      await broker.stop();
      throw error;
    }
  }

  /** The port of its first listener of a scheme on 127.0.0.1; 0 if it has none. */
  port(scheme: "mqtt" | "mqtts" = "mqtt"): number {
    return Number(new RegExp(`url=${scheme}://127\\.0\\.0\\.1:(\\d+)`).exec(this.log)?.[1] ?? 0);
  }

  /** Its process. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** Bytes of its resident set; undefined where the system has no /proc. */
  get rssBytes(): number | undefined {
    return usageOf(this.pid)?.rssBytes;
  }

  /** Waits until it is so; fails at once when the process has ended. */
  async until(condition: () => boolean, what: string): Promise<void> {
    await until(() => this.#isOver || condition(), () => `${what}\n${this.log}`);
    if (!condition()) throw new Error(`The broker has ended before ${what}: ${this.log}`);
  }

  /** Sends it a signal. */
  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name); // a child's own kill() works once on Deno
  }

  /** Kills it; resolves when it is gone. */
  stop(): Promise<void> {
    return killed(this.#child);
  }
}
