/**
 * nats-server processes for tests, on free ports of the loopback address.
 * Knows how they are started, killed and started again; refuses to know what they are asked.
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kill } from "node:process";
import { freePort } from "./free_port.ts";
import { until } from "./patience.ts";

/** The program, or undefined; why tests are skipped without it. */
const PROGRAM: string | undefined = ["nats-server", "/usr/sbin/nats-server"]
  .find((path) => spawnSync(path, ["--version"]).status === 0);
export const noNats: string | false = PROGRAM === undefined && "no nats-server (Debian's nats-server)";

/** One server. */
export class NatsServer {
  readonly port: number;
  readonly #folder: string;
  readonly #settings: string;
  #process: ChildProcess | undefined;
  /** What it has said since it began. */
  log = "";

  /** `settings` are lines of its configuration file. */
  constructor(port: number, settings: string) {
    this.port = port;
    this.#folder = mkdtempSync(join(tmpdir(), "plumb-nats-"));
    this.#settings = join(this.#folder, "nats.conf");
    writeFileSync(
      this.#settings,
      `listen: "127.0.0.1:${port}"\n${settings.replaceAll("STORE", join(this.#folder, "data"))}`,
    );
  }

  /** Of the process that runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Starts it, also again. */
  async start(): Promise<void> {
    this.log = "";
    const process = spawn(PROGRAM!, ["-c", this.#settings], { stdio: ["ignore", "ignore", "pipe"] });
    this.#process = process;
    process.stderr.setEncoding("utf8").on(
      "data",
      (text: string) => this.log = (this.log + text).slice(-100_000),
    );
    await until(
      () => /Server is ready/.test(this.log) || process.exitCode !== null,
      () => `nats-server is ready: ${this.log}`,
    );
    if (process.exitCode !== null) throw new Error(`nats-server does not start: ${this.log}`);
  }

  /** Sends it a signal. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    const pid = this.#process?.pid;
    if (pid !== undefined) kill(pid, signal); // the method of a child sends one signal alone on Deno
  }

  /** Kills it, and waits until it is gone. */
  async kill(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (process === undefined || process.exitCode !== null || process.signalCode !== null) return;
    const gone = new Promise((resolve) => process.once("exit", resolve));
    kill(process.pid!, "SIGKILL");
    await gone;
  }

  /** Ends it, with what it keeps. */
  async end(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Settings of a server with JetStream. */
export const JETSTREAM = 'jetstream { store_dir: "STORE" }\n';

/** Starts a server. */
export async function startNats(settings: string = JETSTREAM): Promise<NatsServer> {
  const server = new NatsServer(await freePort(), settings);
  await server.start();
  return server;
}

/** Starts so many servers that are one cluster; `more` are further settings of one. */
export async function startNatsCluster(
  count: number,
  more: (index: number) => string = () => "",
): Promise<NatsServer[]> {
  const ports = await Promise.all(Array.from({ length: 2 * count }, freePort));
  const [clients, routes] = [ports.slice(0, count), ports.slice(count)];
  const servers = clients.map((port, i) =>
    new NatsServer(
      port,
      `server_name: n${
        i + 1
      }\n${JETSTREAM}cluster {\n  name: plumb\n  no_advertise: true\n  listen: "127.0.0.1:${
        routes[i]
      }"\n  routes: [${routes.map((route) => `"nats://127.0.0.1:${route}"`).join(", ")}]\n}\n${more(i)}`,
    )
  );
  await Promise.all(servers.map((server) => server.start()));
  return servers;
}
