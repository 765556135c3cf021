/**
 * mosquitto_pub, mosquitto_sub and mosquitto_rr for tests: started, heard out, and ended with the test.
 * Knows processes and whether the programs are there; refuses to know what is tested.
 * @module
 */
import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { within } from "../../lib/within.ts";
import type { Stage } from "./test_broker.ts";

/** The levels as these programs name them. */
export const VERSIONS = ["5", "311", "31"] as const;
/** One of `VERSIONS`. */
export type Version = typeof VERSIONS[number];

const PROGRAMS = ["mosquitto_pub", "mosquitto_sub", "mosquitto_rr"];

/** Why there can be no test with these programs; undefined if they are there. */
export function whatIsMissing(): string | undefined {
  const missing = PROGRAMS.filter((name) => spawnSync(name, ["--help"], { stdio: "ignore" }).error);
  return missing.length === 0
    ? undefined
    : `${missing.join(", ")} not installed (Debian's package: mosquitto-clients)`;
}

/** One run of one of the programs. */
export class Run {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #chunks: Uint8Array[] = [];
  readonly #over: Promise<number | null>;
  #said = "";

  constructor(stage: Stage, program: string, args: readonly string[], input?: Uint8Array) {
    this.#name = `${program} ${args.length > 12 ? args.slice(0, 12).join(" ") + " ..." : args.join(" ")}`;
    this.#child = spawn(program, ["-h", "127.0.0.1", "-p", `${stage.port}`, ...args], { stdio: "pipe" });
    this.#child.stdout!.on("data", (chunk: Uint8Array) => this.#chunks.push(chunk));
    this.#child.stderr!.on("data", (chunk: Uint8Array) => this.#said += new TextDecoder().decode(chunk));
    this.#child.stdin!.on("error", () => {}); // it may end without having read everything
    this.#child.stdin!.end(input);
    this.#over = new Promise((resolve, reject) => {
      this.#child.on("close", resolve);
      this.#child.on("error", reject);
    });
    this.#over.catch(() => {}); // told by `bytes()`
    stage.atEnd(() => this.kill());
  }

  /** Waits for its end; all it has written. Fails unless it ends well. */
  async bytes(): Promise<Uint8Array> {
    const code = await within(this.#over, `the end of ${this.#name}`);
    assertEquals(code, 0, `${this.#name} says ${this.#said}`);
    const all = new Uint8Array(this.#chunks.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /** The lines that it has written so far. */
  get printed(): string[] {
    return Buffer.concat(this.#chunks).toString().split("\n").slice(0, -1);
  }

  /** The same as lines of text. */
  async lines(): Promise<string[]> {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await this.bytes());
    return text.split("\n").slice(0, -1);
  }

  /** Ends it without a good-bye, and waits for that. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await within(this.#over.catch(() => {}), `the end of ${this.#name}`);
  }
}

/** Starts mosquitto_sub with an identifier; it has not subscribed when this returns. */
export function sub(stage: Stage, version: Version, id: string, ...args: string[]): Run {
  return new Run(stage, "mosquitto_sub", ["-V", version, "-i", id, ...args]);
}

/** Starts mosquitto_sub, and waits until the broker has taken its last subscription. */
export async function subscribed(
  stage: Stage,
  version: Version,
  id: string,
  ...args: string[]
): Promise<Run> {
  const run = sub(stage, version, id, ...args);
  await stage.subscribed(id, args[args.lastIndexOf("-t") + 1]!);
  return run;
}

/** Runs mosquitto_pub to its end. */
export async function pub(
  stage: Stage,
  version: Version,
  args: readonly string[],
  input?: Uint8Array,
): Promise<void> {
  await new Run(stage, "mosquitto_pub", ["-V", version, ...args], input).bytes();
}
