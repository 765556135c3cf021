/**
 * The program `plumb` as a process on one port and one data directory, which can be killed and started again.
 * Knows processes; refuses to know who connects.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { killed, spawnKept } from "../../lib/kept_child.ts";
import { freePort, listening } from "../peers/start.ts";

/** One broker with default settings, and what is to be ended with it. */
export class MortalBroker {
  readonly port: number;
  readonly #data: string = mkdtempSync(join(tmpdir(), "plumb-mortal-"));
  readonly #ending: (() => unknown)[] = [];
  #child: ChildProcess | undefined;

  constructor(port: number) {
    this.port = port;
  }

  /** Starts it, and waits until it listens. */
  async start(): Promise<void> {
    const flags = "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
    const args = ["mod.ts", "--listen", `mqtt://127.0.0.1:${this.port}`, "--data", this.#data];
    this.#child = spawnKept([process.execPath, ...flags, ...args], { stdio: "ignore" });
    await listening(this.#child, this.port);
  }

  /** Kills it in the middle of whatever it does. */
  async kill(): Promise<void> {
    if (this.#child !== undefined) await killed(this.#child);
  }

  /** Has something ended with it, the last first. */
  atEnd(end: () => unknown): void {
    this.#ending.push(end);
  }

  /** Ends everything, the broker last. */
  async end(): Promise<void> {
    try {
      for (const end of this.#ending.reverse()) await end();
    } finally {
      await this.kill();
      rmSync(this.#data, { recursive: true });
    }
  }
}

/** Runs `body` with a broker that has started. */
export async function withMortalBroker(body: (broker: MortalBroker) => Promise<void>): Promise<void> {
  const broker = new MortalBroker(await freePort());
  try {
    await broker.start();
    await body(broker);
  } finally {
    await broker.end();
  }
}
