/**
 * `plumb serve --workers N` as processes on any runtime: which worker is which process, and which one a connection has come to.
 * Knows Linux's /proc; refuses to know what Clients do.
 * @module
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import { until } from "../../src/testing/patience.ts";
import { isAlive, workersOf } from "../../src/testing/worker_processes.ts";
import type { Runtime } from "./broker_process.ts";
import { PlumbChild } from "./plumb_child.ts";

/** One broker of several processes, or of one. All are killed at the latest by `killAll()`. */
export class WorkersProcess {
  readonly count: number;
  readonly port: number;
  readonly #supervisor: PlumbChild;

  private constructor(count: number, supervisor: PlumbChild) {
    this.count = count;
    this.#supervisor = supervisor;
    this.port = supervisor.port();
  }

  /** Starts it, with these flags of `plumb serve`; it has a listener on 127.0.0.1. `before`: what its command begins with. */
  static async start(
    runtime: Runtime,
    count: number,
    flags: readonly string[],
    before: readonly string[] = [],
  ): Promise<WorkersProcess> {
    const args = ["serve", ...count > 1 ? ["--workers", `${count}`] : [], ...flags];
    return new WorkersProcess(count, await PlumbChild.start(runtime, args, ["mqtt"], before));
  }

  /** All that it has logged. */
  get log(): string {
    return this.#supervisor.log;
  }

  /** That of the supervisor. */
  get pid(): number {
    return this.#supervisor.pid;
  }

  /** The processes of the workers by their numbers; those that have just ended or not begun are not among them. */
  get workers(): ReadonlyMap<number, number> {
    if (this.count === 1) return new Map([[1, this.pid]]);
    const found = new Map<number, number>();
    for (const pid of workersOf(this.pid)) {
      const number = /"number":(\d+)/.exec(read(`/proc/${pid}/environ`))?.[1];
      if (number !== undefined) found.set(Number(number), pid);
    }
    return found;
  }

  /** How often a worker that had ended has taken Clients again. */
  startsAgain(number: number): number {
    const lines = this.log.matchAll(/msg="worker started again" worker=(\d+)/g);
    return [...lines].filter(([, worker]) => Number(worker) === number).length;
  }

  /** Sends a worker a signal; false if it has no process just now. */
  signal(number: number, name: NodeJS.Signals): boolean {
    const pid = this.workers.get(number);
    if (pid === undefined) return false;
    return kill(pid, name);
  }

  /** The worker that has accepted the connection from this port of 127.0.0.1; undefined if none has yet. */
  workerOf(localPort: number): number | undefined {
    const ends = [this.port, localPort].map((port) => port.toString(16).toUpperCase().padStart(4, "0"));
    const row = read("/proc/net/tcp").split("\n").map((line) => line.trim().split(/\s+/)).find((fields) =>
      fields[1]?.endsWith(`:${ends[0]}`) && fields[2]?.endsWith(`:${ends[1]}`)
    );
    const inode = row?.[9];
    if (inode === undefined || inode === "0") return undefined;
    for (const [number, pid] of this.workers) if (hasSocket(pid, inode)) return number;
    return undefined;
  }

  /** Kills the supervisor alone, and waits until the workers have ended by that. */
  async killSupervisor(): Promise<void> {
    const pids = [...this.workers.values()];
    await this.#supervisor.stop();
    await until(() => pids.every((pid) => !isAlive(pid)), "workers end when their supervisor is gone");
  }

  /** Kills all processes; resolves when they are gone. */
  async killAll(): Promise<void> {
    const pids = this.count === 1 ? [] : [...this.workers.values()];
    const over = this.#supervisor.stop();
    for (const pid of pids) kill(pid, "SIGKILL");
    await over;
    await until(() => pids.every((pid) => !isAlive(pid)), "killed processes are gone");
  }
}

function kill(pid: number, name: NodeJS.Signals): boolean {
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
    return ""; // the process has ended
  }
}

function hasSocket(pid: number, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`;
      } catch {
        return false; // closed meanwhile
      }
    });
  } catch {
    return false;
  }
}
