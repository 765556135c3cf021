/**
 * `plumb serve --cluster` as a member on any runtime: which shard is which process.
 * Knows Linux's /proc; refuses to know what Clients do, and the other members.
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { until } from "../../src/testing/patience.ts";
import { isAlive } from "../../src/testing/worker_processes.ts";
import type { Runtime } from "./broker_process.ts";
import { PlumbChild } from "./plumb_child.ts";

/** How a member is started. */
export interface MemberInit {
  readonly runtime: Runtime;
  readonly name: string;
  /** URLs of its NATS servers. */
  readonly servers: readonly string[];
  readonly shards: number;
  readonly replicas: 1 | 3;
  readonly data: string;
  readonly port: number;
  readonly flags?: readonly string[];
}

/** One member, in all its lives. */
export class ClusterMember {
  readonly init: MemberInit;
  #process: PlumbChild | undefined;
  #before = "";

  constructor(init: MemberInit) {
    this.init = init;
  }

  /** Starts it, also again. It may not take Clients for a while. */
  async start(): Promise<void> {
    const { runtime, name, servers, shards, replicas, data, port, flags = [] } = this.init;
    this.#before = this.log;
    this.#process = await PlumbChild.start(
      runtime,
      [
        "serve",
        ...servers.flatMap((url) => ["--cluster", url]),
        ...["--cluster-member", name, "--cluster-shards", `${shards}`, "--cluster-replicas", `${replicas}`],
        ...["--data", data, "--listen", `mqtt://127.0.0.1:${port}`],
        ...flags,
      ],
      [],
    );
  }

  /** All that it has logged, in all its lives. */
  get log(): string {
    return this.#before + (this.#process?.log ?? "");
  }

  /** Of its present life, or the last one. */
  get lastLog(): string {
    return this.#process?.log ?? "";
  }

  /** It has been started, and was not killed. */
  get isRunning(): boolean {
    return this.#process !== undefined && isAlive(this.#process.pid);
  }

  /** All its processes. */
  get pids(): readonly number[] {
    return this.#process === undefined ? [] : [this.#process.pid, ...this.shards.values()];
  }

  /** The processes of its shards. */
  get shards(): ReadonlyMap<number, number> {
    const found = new Map<number, number>();
    if (this.#process === undefined) return found;
    const { pid } = this.#process;
    for (const child of read(`/proc/${pid}/task/${pid}/children`).trim().split(" ")) {
      const shard = /PLUMB_SHARD=\{"shard":(\d+)/.exec(read(`/proc/${child}/environ`))?.[1];
      if (shard !== undefined) found.set(Number(shard), Number(child));
    }
    return found;
  }

  /** Sends a signal to the process of a shard; false if it has none. */
  signal(shard: number, name: NodeJS.Signals): boolean {
    const pid = this.shards.get(shard);
    return pid !== undefined && send(pid, name);
  }

  /** Sends a signal to all its processes. */
  signalAll(name: NodeJS.Signals): void {
    for (const pid of this.pids) send(pid, name);
  }

  /** All its processes are gone at once, as with their machine. */
  async kill(): Promise<void> {
    const member = this.#process;
    if (member === undefined) return;
    const pids = [...this.shards.values()];
    const over = member.stop();
    for (const pid of pids) send(pid, "SIGKILL");
    await over;
    await until(() => pids.every((pid) => !isAlive(pid)), "killed processes are gone");
  }

  /** Ends it as planned; resolves when it has ended. */
  async end(): Promise<void> {
    const member = this.#process;
    if (member === undefined) return;
    send(member.pid, "SIGTERM");
    await until(() => !isAlive(member.pid), () => `${this.init.name} ends\n${member.log.slice(-3_000)}`);
  }
}

function send(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false; // it has ended
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
