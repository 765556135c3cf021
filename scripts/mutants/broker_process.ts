/**
 * Starts `broker.ts` from the source or from a copy of it.
 * Knows the process; refuses to know what was changed in the copy.
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { deno } from "../lib/run.ts";

const START_MS = 30_000;

/** Bun starts several times as fast; without it the runtime that this runs on will do. */
const COMMAND: readonly string[] = spawnSync("bun", ["--version"], { stdio: "ignore" }).status === 0
  ? ["bun"]
  : [...deno(), "run", "-A", "--no-check"];

/** Where one listens. */
export interface Ports {
  readonly tcp: number;
  readonly webSocket: number;
}

/** One broker. */
export class BrokerProcess {
  readonly ports: Ports;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, ports: Ports) {
    this.#child = child;
    this.ports = ports;
  }

  /** Starts the broker of that name from the tree at `root`; rejects with what it said if it does not listen. */
  static async start(root: string, name: string): Promise<BrokerProcess> {
    const [command = "", ...args] = COMMAND;
    const child = spawn(command, [...args, "scripts/mutants/broker.ts", name], { cwd: root, stdio: "pipe" });
    let said = "";
    child.stderr.on(
      "data",
      (chunk: Uint8Array) => said = (said + new TextDecoder().decode(chunk)).slice(-2000),
    );
    child.stdin.on("error", () => {}); // it has ended, which `close` tells
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const ports = await new Promise<Ports>((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`it does not listen within ${START_MS} ms`)), START_MS);
        child.stdout.on("data", (chunk: Uint8Array) => {
          const [tcp = 0, webSocket = 0] = new TextDecoder().decode(chunk).split(" ").map(Number);
          resolve({ tcp, webSocket });
        });
        child.on("error", reject);
        child.on("close", (code) => reject(new Error(`it ends with ${code}: ${firstError(said)}`)));
      });
      return new BrokerProcess(child, ports);
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends it without a good-bye. */
  stop(): void {
    this.#child.kill("SIGKILL");
  }
}

function firstError(said: string): string {
  return said.split("\n").find((line) => /error/i.test(line)) ?? said.trim().split("\n")[0] ?? "";
}
