/**
 * systemd is told when the broker takes Clients, when it stops, and that it is alive (sd_notify).
 * Knows `systemd-notify`, since no runtime here has datagrams over Unix sockets; refuses to know what a broker is. Elsewhere it does nothing.
 * @module
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { clearInterval, setInterval } from "node:timers";
import { type Environment, environment } from "./environment.ts";
import type { Log } from "./log.ts";

/** So often in the time of the watchdog. */
const SIGNS = 3;

/** Calls `systemd-notify`; tests have another one. */
export type Notify = (states: readonly string[]) => void;

/** What manages the process, if it asked to be told. */
export class ServiceManager {
  readonly #isThere: boolean;
  readonly #notify: Notify;
  readonly #everyMs: number | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(log: Pick<Log, "warn">, read: Environment = environment, notify: Notify = systemdNotify(log)) {
    this.#isThere = (read("NOTIFY_SOCKET") ?? "") !== "";
    this.#notify = notify;
    const microseconds = Number(read("WATCHDOG_USEC") ?? "");
    const forWhom = read("WATCHDOG_PID") ?? String(process.pid);
    const isWatched = this.#isThere && microseconds > 0 && forWhom === String(process.pid);
    this.#everyMs = isWatched ? microseconds / 1_000 / SIGNS : undefined;
  }

  /** The broker takes Clients. From now on signs of life come as long as its loop turns, and `isAlive` says so each time. */
  ready(status: string, isAlive: () => boolean = () => true): void {
    this.#tell("READY=1", `STATUS=${status}`);
    if (this.#everyMs === undefined) return;
    this.#timer = setInterval(() => isAlive() && this.#tell("WATCHDOG=1"), this.#everyMs);
    this.#timer.unref();
  }

  /** The broker ends. */
  stopping(): void {
    clearInterval(this.#timer);
    this.#tell("STOPPING=1");
  }

  #tell(...states: string[]): void {
    if (this.#isThere) this.#notify(states);
  }
}

function systemdNotify(log: Pick<Log, "warn">): Notify {
  let isTold = false;
  const failed = (why: string) => {
    if (!isTold) log.warn("systemd cannot be told how the broker is", { why });
    isTold = true;
  };
  return (states) => {
    try {
      const child = spawn("systemd-notify", [...states], { stdio: "ignore" });
      child.once("error", ({ message }) => failed(message));
      child.once("exit", (status) => (status ?? 0) !== 0 && failed(`systemd-notify ended with ${status}`));
      child.unref();
    } catch (error) { // Deno may not run it
      failed((error as Error).message);
    }
  };
}
