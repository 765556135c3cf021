/**
 * The two brokers of a bridge as processes on ports and data of their own, which end and begin again.
 * Knows files and processes; refuses to know what goes over the bridge.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runFlags, type Runtime } from "../../lib/broker_process.ts";
import { killed, spawnKept } from "../../lib/kept_child.ts";
import { pathOf } from "../../lib/tree.ts";
import { programOf } from "../../bench/peers/brokers.ts";
import { freePort, listening } from "../peers/start.ts";

/** What a side's bridge does, if it has one. */
export interface Bridged {
  /** The port of loopback where it connects to. */
  readonly port: number;
  readonly level: 4 | 5;
  readonly qos: 1 | 2;
}

/** One broker. */
export abstract class Side {
  readonly port: number;
  /** Ends of its process that the trial brought about. */
  ends = 0;
  protected readonly folder: string = mkdtempSync(join(tmpdir(), "plumb-bridge-trial-"));
  protected child: ChildProcess | undefined;

  protected constructor(port: number) {
    this.port = port;
  }

  protected abstract command(bridged: Bridged | undefined): readonly string[];
  /** Its process ends, as hard as its broker bears it. */
  protected abstract end(child: ChildProcess): Promise<void>;

  #bridged: Bridged | undefined;

  /** Starts it, and waits until it listens. */
  async start(bridged: Bridged | undefined = this.#bridged): Promise<void> {
    this.#bridged = bridged;
    this.child = spawnKept(this.command(bridged), { stdio: ["ignore", "ignore", "inherit"] });
    await listening(this.child, this.port);
  }

  /** Its process ends, and another one begins where it was. */
  async again(): Promise<void> {
    await this.end(this.child!);
    this.ends++;
    await this.start();
  }

  /** Ends it for good. */
  async close(): Promise<void> {
    if (this.child !== undefined) await killed(this.child);
    rmSync(this.folder, { recursive: true });
  }
}

/** Ours: it is killed. */
export class PlumbSide extends Side {
  readonly #runtime: Runtime;

  private constructor(port: number, runtime: Runtime) {
    super(port);
    this.#runtime = runtime;
  }

  /** On a free port. */
  static async on(runtime: Runtime): Promise<PlumbSide> {
    return new PlumbSide(await freePort(), runtime);
  }

  protected command(bridged: Bridged | undefined): readonly string[] {
    const lines = [`listen = "mqtt://127.0.0.1:${this.port}"`, 'data = "data"', 'log.level = "error"'];
    if (bridged !== undefined) {
      const { port, level, qos } = bridged;
      lines.push(
        "[[bridge]]",
        'name = "trial"',
        `url = "mqtt://127.0.0.1:${port}"`,
        `level = ${level}`,
        "reconnect-ms-min = 5",
        "reconnect-ms-max = 100",
        ...[["out", "out"], ["in", "in"]].flatMap(([filter, direction]) => [
          "[[bridge.topic]]",
          `filter = "${filter}"`,
          `direction = "${direction}"`,
          `qos = ${qos}`,
        ]),
      );
    }
    const config = join(this.folder, "plumb.toml");
    writeFileSync(config, lines.join("\n"));
    return [
      programOf(this.#runtime),
      ...runFlags(this.#runtime),
      pathOf("src/cli/main.ts"),
      "--config",
      config,
    ];
  }

  protected end(child: ChildProcess): Promise<void> {
    return killed(child);
  }
}

/** mosquitto: what it has is on the disk only when it was told to end. */
export class MosquittoSide extends Side {
  private constructor(port: number) {
    super(port);
  }

  /** On a free port. */
  static async on(): Promise<MosquittoSide> {
    return new MosquittoSide(await freePort());
  }

  protected command(bridged: Bridged | undefined): readonly string[] {
    const lines = [
      `listener ${this.port} 127.0.0.1`,
      "allow_anonymous true",
      "persistence true",
      `persistence_location ${this.folder}/`,
      "max_queued_messages 0",
      "max_inflight_messages 1000",
      "log_type none",
    ];
    if (bridged !== undefined) {
      const { port, level, qos } = bridged;
      lines.push(
        "connection trial",
        `address 127.0.0.1:${port}`,
        `bridge_protocol_version ${level === 5 ? "mqttv50" : "mqttv311"}`,
        "restart_timeout 1",
        `topic out out ${qos}`,
        `topic in in ${qos}`,
      );
    }
    const config = join(this.folder, "mosquitto.conf");
    writeFileSync(config, lines.join("\n") + "\n");
    return ["mosquitto", "-c", config];
  }

  protected async end(child: ChildProcess): Promise<void> {
    const over = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGTERM");
    await over;
  }
}
