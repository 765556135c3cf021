/**
 * Brokers as processes that are there to be killed.
 * Knows how one is started, learns its port from its log, and how it ended; refuses to know when it should die.
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { runFlags, type Runtime, runtimeCommand } from "../../lib/broker_process.ts";
import { pathOf, ROOT } from "../../lib/tree.ts";
import type { Orders } from "./broker.ts";

/** A busy machine needs this long to start one, and to let it end. */
const START_MS = 120_000;
/** Lines of its log that are kept. */
const LINES_MAX = 200;

const COMMANDS = new Map<Runtime, readonly string[]>();

function commandOf(runtime: Runtime): readonly string[] {
  let command = COMMANDS.get(runtime);
  if (command === undefined) {
    COMMANDS.set(runtime, command = [...runtimeCommand(runtime), ...runFlags(runtime)]);
  }
  return command;
}

/** Those that are not over. */
const RUNNING = new Set<Host>();

/** Kills all there are: for a harness that must end. */
export function killAll(): void {
  for (const host of RUNNING) host.kill();
}

/** One process. */
export class Host {
  /** What it wrote. */
  readonly lines: string[] = [];
  /** Errors of its own. */
  readonly failures: string[] = [];
  /** Told at a kill of its own: the operation. */
  point: string | undefined;
  /** Whether the process is over, and how. */
  ended: { readonly code: number | null; readonly signal: string | null } | undefined;
  /** It was killed, or asked to end. */
  dying = false;
  /** Resolves when the process is over. */
  readonly over: Promise<void>;
  readonly #child: ChildProcess;
  readonly #port: Promise<number | undefined>;

  private constructor(command: readonly string[]) {
    const [file = "", ...args] = command;
    const child = spawn(file, args, { cwd: ROOT, stdio: "pipe" });
    this.#child = child;
    RUNNING.add(this);
    child.stdin.on("error", () => {}); // it has been killed
    let found: (port: number | undefined) => void;
    this.#port = new Promise((resolve) => found = resolve);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on("line", (line) => {
        this.#line(line);
        const port = / msg=listening .*:(\d+)/.exec(line)?.[1];
        if (port !== undefined) found(Number(port));
      });
    }
    this.over = new Promise((resolve) => {
      child.on("error", (error) => this.failures.push(String(error)));
      child.on("close", (code, signal) => {
        this.ended = { code, signal };
        RUNNING.delete(this);
        found(undefined);
        resolve();
      });
    });
  }

  #line(line: string): void {
    this.lines.push(line);
    if (this.lines.length > LINES_MAX) this.lines.shift();
    const point = /^crash: (.*)$/.exec(line)?.[1];
    if (point !== undefined) this.point = point;
    else if (/ level=error |^error: |panic|Uncaught/i.test(line)) this.failures.push(line);
  }

  /** Starts `plumb` itself; `under` is a command that starts others, with its arguments. */
  static plumb(runtime: Runtime, args: readonly string[], under: readonly string[] = []): Host {
    const plumb = [...commandOf(runtime), pathOf("mod.ts"), "-l", "127.0.0.1", "-p", "0"];
    return new Host([...under, ...plumb, ...args]);
  }

  /** Starts a process that loads everything and waits for its orders. */
  static waiting(runtime: Runtime, under: readonly string[] = []): Host {
    return new Host([...under, ...commandOf(runtime), pathOf("scripts/trials/crash/broker.ts")]);
  }

  /** Of the process. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** What a waiting one waits for. */
  order(orders: Orders): void {
    this.#child.stdin!.write(`${JSON.stringify(orders)}\n`);
  }

  /** Its port; undefined if it has ended before it listened. One that takes too long is ended. */
  async port(): Promise<number | undefined> {
    const timer = setTimeout(() => {
      this.failures.push(`It does not listen within ${START_MS} ms: ${this.lines.join("\n")}`);
      this.kill();
    }, START_MS);
    const port = await this.#port;
    clearTimeout(timer);
    return port;
  }

  /** Kills it. */
  kill(): void {
    this.dying = true;
    this.#child.kill("SIGKILL");
  }

  /** Asks it to end. */
  terminate(): void {
    this.dying = true;
    process.kill(this.#child.pid!, "SIGTERM"); // `kill()` of Deno's child would take the exit status for this signal
  }
}
