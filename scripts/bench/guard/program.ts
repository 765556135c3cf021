/**
 * Brokers as processes of their own.
 * Knows how they are started and asked; refuses to know what goes on between them and the load.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { runFlags, type Runtime, runtimeCommand } from "../../lib/broker_process.ts";
import { ROOT } from "../../lib/tree.ts";
import { Inbox, within } from "../../lib/within.ts";
import type { GuardLine } from "./figures.ts";

const START_MS = 60_000;
const ANSWER_MS = 20_000;

/** One process. */
export class Program {
  port = 0;
  readonly #child: ChildProcess;
  readonly #ports: Inbox<number> = new Inbox();
  readonly #times: Inbox<number> = new Inbox();
  readonly #over: Promise<void>;

  private constructor(runtime: Runtime, file: string, args: readonly string[]) {
    const [command = "", ...before] = [...runtimeCommand(runtime), ...runFlags(runtime), file];
    const child = spawn(command, [...before, ...args], { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    child.stdin!.on("error", () => {}); // it has ended, and so does not answer
    createInterface(child.stdout!).on("line", (text) => {
      const line = JSON.parse(text) as GuardLine;
      if ("port" in line) this.#ports.put(line.port);
      else this.#times.put(line.cpuUs);
    });
    this.#over = new Promise((resolve) => {
      child.on("error", () => resolve());
      child.on("close", () => resolve());
    });
  }

  /** Starts one of the guard's children, by its path. */
  static async start(runtime: Runtime, file: string, args: readonly string[]): Promise<Program> {
    const program = new Program(runtime, file, args);
    try {
      program.port = await program.#ports.take(`${file} on ${runtime} listens`, undefined, START_MS);
      return program;
    } catch (error) {
      program.#child.kill("SIGKILL");
      throw error;
    }
  }

  /** CPU time since its start, all threads, µs. */
  cpuUs(): Promise<number> {
    this.#child.stdin!.write("cpu\n");
    return this.#times.take("the CPU time of a process", undefined, ANSWER_MS);
  }

  /** Ends it. */
  async close(): Promise<void> {
    this.#child.stdin!.end();
    await within(this.#over, "the end of a process", ANSWER_MS).catch(() => this.#child.kill("SIGKILL"));
  }
}
