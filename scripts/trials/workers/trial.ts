/**
 * A broker of several processes that are killed, stopped and killed again, among Clients that publish and read numbered messages.
 * Knows what is done to the processes, and what must hold; refuses to know why it does.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PacketType } from "../../../src/codec/mod.ts";
import { homeOf } from "../../../src/nodes/home.ts";
import { until } from "../../../src/testing/patience.ts";
import { median } from "../../bench/statistics.ts";
import type { Runtime } from "../../lib/broker_process.ts";
import { connectOf, RawClient } from "../../lib/raw_client.ts";
import { WorkersProcess } from "../../lib/workers_process.ts";
import { freePort } from "../peers/start.ts";
import { Dice } from "../soak/dice.ts";
import { Crowd, pause } from "./crowd.ts";
import type { Tally } from "./ledger.ts";

/** What is tried. */
export interface WorkersTrial {
  readonly runtime: Runtime;
  readonly workers: number;
  /** Workers that are killed, before the supervisor is. */
  readonly kills: number;
  /** The end, even if fewer were killed: ms. */
  readonly limitMs: number;
  readonly seed: number;
  /** Clients of each kind. */
  readonly width: number;
  /** A worker is stopped for so long at most: ms. */
  readonly stopMs: number;
  readonly progress?: (line: string) => void;
}

/** ms, from a kill to CONNACK and SUBACK, unless a worker was stopped meanwhile. */
export interface Times {
  readonly count: number;
  readonly median: number;
  readonly worst: number;
}

/** How it went. */
export interface WorkersOutcome {
  /** What is wrong; nothing, if all is well. */
  readonly problems: readonly string[];
  readonly kills: number;
  readonly stops: number;
  readonly tally: Tally;
  /** Clients whose connection came by a worker that was killed, and whose session lives at another one. */
  readonly back: Times;
  /** Clients whose session lives at the worker that was killed, without the time that the supervisor waited before it started it again. */
  readonly backHome: Times;
  /** Connections that fought for a Client Identifier, and the longest that two of them lived. */
  readonly duels: { readonly accepted: number; readonly overlapMs: number };
  readonly retained: number;
  /** Log of the broker. */
  readonly log: string;
}

/** One kill. */
interface Kill {
  readonly worker: number;
  readonly at: number;
}

/** Runs it. Rejects only if it cannot begin, or cannot go on. */
export async function workersTrial(trial: WorkersTrial): Promise<WorkersOutcome> {
  const run = new Run(trial, await freePort());
  try {
    return await run.run();
  } finally {
    await run.close();
  }
}

class Run {
  readonly #trial: WorkersTrial;
  readonly #port: number;
  readonly #dice: Dice;
  readonly #data: string = mkdtempSync(join(tmpdir(), "plumb-workers-trial-"));
  readonly #problems: string[] = [];
  readonly #crowd: Crowd;
  readonly #kills: Kill[] = [];
  readonly #back: number[] = [];
  readonly #backHome: number[] = [];
  #logs = "";
  #stops = 0;
  #broker: WorkersProcess | undefined;

  constructor(trial: WorkersTrial, port: number) {
    this.#trial = trial;
    this.#port = port;
    this.#dice = new Dice(trial.seed);
    this.#crowd = new Crowd({
      port,
      dice: this.#dice,
      width: trial.width,
      home: (clientId) => this.#home(clientId),
      wrong: (text) => this.#wrong(text),
      cameBack: (home, lostAt) => this.#cameBack(home, lostAt),
    });
  }

  #wrong(text: string): void {
    this.#problems.push(text);
    this.#trial.progress?.(`WRONG ${text}`);
  }

  async run(): Promise<WorkersOutcome> {
    const { progress } = this.#trial;
    await this.#start();
    await this.#crowd.begin();
    await this.#killWorkers();
    await this.#crowd.end();
    progress?.("the end of the first part");
    await this.#crowd.settle("after kills of workers");
    await this.#crowd.seeOneOfEach();
    await this.#seeKept("after kills of workers");

    const broker = this.#broker!;
    await this.#killAllBy(() => broker.killSupervisor());
    progress?.("the supervisor was killed");
    await this.#crowd.some();
    await this.#crowd.settle("after the supervisor was killed");
    await this.#seeKept("after the supervisor was killed");

    const another = this.#broker!;
    await this.#killAllBy(() => another.killAll());
    progress?.("all was killed");
    await this.#crowd.some();
    await this.#crowd.settle("after all was killed");
    await this.#seeKept("after all was killed");
    this.#crowd.ledger.end();
    this.#logs += this.#broker!.log;
    this.#seeLog();
    return {
      problems: this.#problems,
      kills: this.#kills.filter(({ worker }) => worker > 0).length,
      stops: this.#stops,
      tally: this.#crowd.ledger.tally,
      back: timesOf(this.#back),
      backHome: timesOf(this.#backHome),
      duels: {
        accepted: this.#crowd.duels.reduce((sum, { accepted }) => sum + accepted, 0),
        overlapMs: Math.max(...this.#crowd.duels.map(({ overlapMs }) => overlapMs)),
      },
      retained: this.#crowd.retained.length,
      log: this.#logs,
    };
  }

  async close(): Promise<void> {
    await this.#crowd.close();
    await this.#broker?.killAll();
    rmSync(this.#data, { recursive: true });
  }

  // The broker.

  async #start(): Promise<void> {
    const { runtime, workers } = this.#trial;
    const flags = ["--data", this.#data, "--listen", `mqtt://127.0.0.1:${this.#port}`];
    this.#broker = await WorkersProcess.start(runtime, workers, flags);
  }

  async #killWorkers(): Promise<void> {
    const { workers, kills, limitMs, stopMs, progress } = this.#trial;
    const dice = this.#dice;
    const end = performance.now() + limitMs;
    while (this.#kills.length < kills && performance.now() < end && this.#problems.length < 20) {
      const what = dice.below(100);
      if (what < 12 && stopMs > 0) await this.#stop();
      else if (what < 24) await Promise.all([this.#kill(false), this.#kill(false)]);
      else await this.#kill(what < 75);
      if (this.#down.size === workers) await this.#allUp(); // else nothing goes on at all
      await pause(dice.between(10, 700));
      if (this.#kills.length % 10 === 0) {
        progress?.(`${this.#kills.length} kills, ${this.#state}`);
      }
    }
    await this.#allUp();
  }

  async #allUp(): Promise<void> {
    const broker = this.#broker!;
    await until(() => this.#down.size === 0, () => `all workers are up again\n${tail(broker.log)}`);
  }

  /** How far it is, in words. */
  get #state(): string {
    return `${this.#crowd.state}, ${this.#down.size} workers down`;
  }

  /** Workers that were killed and have not come back. */
  readonly #down: Set<number> = new Set();
  /** When a worker was seen to be up again. */
  readonly #upAt: Map<number, number> = new Map();
  #stoppedUntil = 0;

  async #kill(waits: boolean): Promise<void> {
    const broker = this.#broker!;
    const worker = this.#dice.between(1, this.#trial.workers);
    const before = broker.startsAgain(worker);
    this.#killed(worker);
    if (!broker.signal(worker, "SIGKILL")) return void this.#kills.pop();
    if (!this.#down.has(worker)) {
      this.#down.add(worker);
      const back = until(
        () => broker.startsAgain(worker) > before,
        () => `worker ${worker} starts again\n${tail(broker.log)}`,
      ).then(() => {
        this.#down.delete(worker);
        this.#upAt.set(worker, performance.now());
      });
      back.catch((error) => this.#wrong((error as Error).message));
      if (waits) await back;
    }
  }

  #killed(worker: number): void {
    this.#kills.push({ worker, at: performance.now() });
    this.#crowd.ledger.killed(worker);
  }

  async #stop(): Promise<void> {
    const broker = this.#broker!;
    const worker = this.#dice.between(1, this.#trial.workers);
    const pid = broker.workers.get(worker);
    if (pid === undefined || !broker.signal(worker, "SIGSTOP")) return;
    this.#stops++;
    this.#stoppedUntil = Infinity;
    await pause(this.#dice.between(100, this.#trial.stopMs));
    broker.signal(worker, "SIGCONT");
    this.#stoppedUntil = performance.now();
  }

  async #killAllBy(kill: () => Promise<void>): Promise<void> {
    this.#logs += this.#broker!.log;
    const writing = this.#crowd.some();
    this.#kills.push({ worker: 0, at: performance.now() });
    const all = Array.from({ length: this.#trial.workers }, (_, i) => i + 1);
    for (const worker of all) this.#crowd.ledger.killed(worker);
    await kill();
    for (const worker of all) this.#crowd.ledger.killed(worker); // for what was published meanwhile
    this.#broker = undefined;
    await this.#start();
    await writing;
  }

  /** How long the supervisor waited before it started the worker that ended last: ms. */
  #waited(worker: number): number {
    const lines = [
      ...this.#broker!.log.matchAll(/msg="worker ended" worker=(\d+).* again="(?:at once|in (\d+) ms)"/g),
    ];
    return Number(lines.findLast(([, number]) => Number(number) === worker)?.[2] ?? 0);
  }

  // Clients.

  #home(clientId: string): number {
    return homeOf(clientId, this.#trial.workers) + 1;
  }

  #cameBack(home: number, lostAt: number | undefined): void {
    const now = performance.now();
    const last = this.#kills.findLast(({ at }) => at <= (lostAt ?? -1));
    if (lostAt === undefined || last === undefined || last.worker === 0 || this.#stoppedUntil >= lostAt) {
      return;
    }
    const ofHome = this.#kills.findLast(({ worker }) => worker === home);
    const wasDown = ofHome !== undefined &&
      (ofHome.at >= last.at || this.#down.has(home) || this.#upAt.get(home)! > lostAt);
    if (!wasDown) this.#back.push(now - lostAt);
    else this.#backHome.push(Math.max(0, now - ofHome.at - this.#waited(home)));
  }

  // What must hold.

  /** Every worker has the same retained messages, the last ones. */
  async #seeKept(when: string): Promise<void> {
    const wanted = this.#crowd.retained;
    const missing = new Set(Array.from({ length: this.#trial.workers }, (_, i) => i + 1));
    while (missing.size > 0) {
      const got: string[] = [];
      let answers = 0;
      const raw = new RawClient(this.#port, 5, {
        packet: (packet) => {
          if (packet.type === PacketType.PUBLISH) {
            got.push(`${packet.topic} ${new TextDecoder().decode(packet.payload)}`);
          } else answers++;
        },
      });
      raw.send(connectOf(5, ""));
      await until(() => answers === 1 || raw.over, "CONNACK");
      const worker = raw.over ? undefined : this.#broker!.workerOf(raw.localPort!);
      if (worker !== undefined && missing.delete(worker)) {
        raw.send({
          type: PacketType.SUBSCRIBE,
          packetId: 1,
          subscriptions: [{
            filter: "kept/#",
            qos: 0,
            noLocal: false,
            retainAsPublished: false,
            retainHandling: 0,
          }],
        });
        await until(
          () => got.length >= wanted.length && answers === 2,
          () => `worker ${worker} has ${got.length} of ${wanted.length} retained messages`,
        )
          .catch((error) => this.#wrong(error.message));
        raw.send({ type: PacketType.PINGREQ });
        await until(() => answers === 3, "PINGRESP");
        const other = got.sort().find((one, i) => one !== wanted[i]);
        if (other !== undefined || got.length !== wanted.length) {
          const why = wanted.filter((one) => !got.includes(one)).slice(0, 5).join(", ");
          this.#problems.push(
            `worker ${worker} has other retained messages ${when}: ${other} (${got.length} of ${wanted.length}), not ${why}`,
          );
        }
      }
      raw.reset();
    }
  }

  #seeLog(): void {
    const isTrouble = (line: string) =>
      /level=error/.test(line) && !/msg="worker ended" .*signal=SIGKILL/.test(line);
    const lines = this.#logs.split("\n").filter(isTrouble);
    this.#problems.push(...lines.slice(0, 10).map((line) => `the log says: ${line}`));
  }
}

function timesOf(values: readonly number[]): Times {
  if (values.length === 0) return { count: 0, median: NaN, worst: NaN };
  return { count: values.length, median: median(values), worst: Math.max(...values) };
}

function tail(log: string): string {
  return log.slice(-2_000);
}
