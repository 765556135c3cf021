/**
 * The program `plumb` with a configuration in a folder of its own, and other programs that are run to their end.
 * Knows processes and files; refuses to know what they are for.
 * @module
 */
import { assert } from "@std/assert";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until, WAIT_MS } from "../../../src/testing/patience.ts";
import { type Outcome, startPlumb } from "../../../src/testing/plumb_process.ts";
import { within } from "../../lib/within.ts";

/** A folder with files, for one test. */
export class Folder {
  readonly path: string = mkdtempSync(join(tmpdir(), "plumb-closed-"));

  /** Writes a file that its owner alone can read; returns its path. */
  file(name: string, text: string): string {
    const path = join(this.path, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  /** Removes all of it. */
  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}

/** Runs `body` with a folder, and removes it. */
export async function inFolder(body: (folder: Folder) => Promise<void>): Promise<void> {
  const folder = new Folder();
  try {
    await body(folder);
  } finally {
    folder.remove();
  }
}

/** A broker that runs. */
export interface ClosedBroker {
  /** What it has logged so far. */
  readonly log: () => string;
  /** The ports of its listeners, in the order of the configuration. */
  readonly ports: readonly number[];
}

/** Runs `body` with `plumb --config`, which has so many listeners. */
export async function withBroker(
  config: string,
  listeners: number,
  body: (broker: ClosedBroker) => Promise<void>,
): Promise<void> {
  const child = startPlumb(["--config", config], { NO_COLOR: "1" });
  let log = "";
  let isOver = false;
  child.stderr!.setEncoding("utf8").on("data", (text: string) => log += text);
  child.on("close", () => isOver = true);
  const ports = () => [...log.matchAll(/msg=listening url=\S+:(\d+)\b/g)].map(([, port]) => Number(port));
  try {
    await until(() => isOver || ports().length === listeners, () => `it listens: ${log}`);
    assert(!isOver, log);
    await body({ log: () => log, ports: ports() });
  } finally {
    child.kill("SIGKILL");
    await until(() => isOver, "it has ended");
  }
}

/** Runs a program to its end, which comes within `WAIT_MS`. */
export async function ran(program: string, ...args: readonly string[]): Promise<Outcome> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const said = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => said.out += text);
  child.stderr.setEncoding("utf8").on("data", (text: string) => said.err += text);
  const over = new Promise<number | null>((resolve, reject) => {
    child.on("close", resolve).on("error", reject);
  });
  try {
    return { status: await within(over, `the end of ${program} ${args.join(" ")}`, WAIT_MS), ...said };
  } finally {
    child.kill("SIGKILL");
  }
}

/** Adds a user to a password file, as people do. */
export async function userAdded(path: string, user: string, password: string): Promise<void> {
  const child = startPlumb(["passwd", path, user]);
  child.stdin!.end(`${password}\n`);
  const status = await new Promise((resolve) => child.on("close", resolve));
  assert(status === 0, `plumb passwd ended with ${status}`);
}
