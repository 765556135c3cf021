/**
 * A broker of several processes that are killed, stopped and killed again, among Clients that publish and read numbered messages.
 * Knows what is done to the processes, and what must hold; refuses to know why it does.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect, type ConnectOptions } from "../../../src/client_api/mod.ts";
import { PacketType, type QoS } from "../../../src/codec/mod.ts";
import { homeOf } from "../../../src/nodes/home.ts";
import { until } from "../../../src/testing/patience.ts";
import { median } from "../../bench/statistics.ts";
import type { Runtime } from "../../lib/broker_process.ts";
import { connectOf, RawClient } from "../../lib/raw_client.ts";
import { WorkersProcess } from "../../lib/workers_process.ts";
import { freePort } from "../peers/start.ts";
import { Dice } from "../soak/dice.ts";
import { Duel } from "./duel.ts";
import { Ledger, type Reader, type ReaderInit, type Tally } from "./ledger.ts";

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

/** Messages that the slowest reader may be behind: fewer than a broker keeps in a session. */
const AHEAD = 400;
/** Publications of one Client that are not acknowledged. */
const WINDOW = 20;
/** Between two messages of a Client: ms at most. */
const PAUSE_MS = 12;
const BACK: ConnectOptions = { connectTimeoutMs: Infinity, reconnect: { minMs: 5, maxMs: 100 } };
const LASTS = 86_400;
/** ms without a message from which on no more comes. */
const SILENT_MS = 60_000;
const LOOK_MS = 20;
/** Topics of one publisher with a retained message. */
const KEPT = 5;

/** One kill. */
interface Kill {
  readonly worker: number;
  readonly at: number;
}

/** One Client that publishes; its session may last. */
interface Writer {
  readonly client: Client;
  readonly clientId: string;
  readonly lasts: boolean;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
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
  readonly #ledger: Ledger = new Ledger((text) => this.#wrong(text));
  readonly #clients: Client[] = [];
  readonly #duels: Duel[] = [];
  readonly #kills: Kill[] = [];
  readonly #back: number[] = [];
  readonly #backHome: number[] = [];
  /** What must be retained: by topic the number, undefined for nothing. */
  readonly #kept: Map<string, number | undefined> = new Map();
  readonly #writing: Promise<void>[] = [];
  readonly #reading: Promise<void>[] = [];
  #logs = "";
  #stops = 0;
  #isOver = false;
  #broker: WorkersProcess | undefined;

  constructor(trial: WorkersTrial, port: number) {
    this.#trial = trial;
    this.#port = port;
    this.#dice = new Dice(trial.seed);
  }

  #wrong(text: string): void {
    this.#problems.push(text);
    this.#trial.progress?.(`WRONG ${text}`);
  }

  async run(): Promise<WorkersOutcome> {
    const { width, progress } = this.#trial;
    await this.#start();
    for (let i = 1; i <= width; i++) await this.#read(`reader-${i}`, i % 2 === 0 ? 1 : 2);
    await this.#readTogether("first", 2, Math.max(2, width - 1));
    await this.#readTogether("second", 1, 2);
    for (let i = 1; i <= width; i++) await this.#writer(`writer-${i}`, true);
    for (let i = 1; i <= Math.ceil(width / 2); i++) await this.#writer(`passing-${i}`, false);
    for (let i = 1; i <= 4; i++) this.#duels.push(new Duel(`duel-${i}`, this.#port, i % 2 === 0));
    for (const duel of this.#duels) duel.start();
    await this.#killWorkers();
    this.#isOver = true;
    await Promise.all([...this.#writing, ...this.#duels.map((duel) => duel.end())]);
    progress?.("the end of the first part");
    await this.#settle("after kills of workers");
    await this.#seeOneOfEach();
    await this.#seeKept("after kills of workers");

    const broker = this.#broker!;
    await this.#killAllBy(() => broker.killSupervisor());
    progress?.("the supervisor was killed");
    await this.#some();
    await this.#settle("after the supervisor was killed");
    await this.#seeKept("after the supervisor was killed");

    const another = this.#broker!;
    await this.#killAllBy(() => another.killAll());
    progress?.("all was killed");
    await this.#some();
    await this.#settle("after all was killed");
    await this.#seeKept("after all was killed");
    this.#ledger.end();
    this.#logs += this.#broker!.log;
    this.#seeLog();
    return {
      problems: this.#problems,
      kills: this.#kills.filter(({ worker }) => worker > 0).length,
      stops: this.#stops,
      tally: this.#ledger.tally,
      back: timesOf(this.#back),
      backHome: timesOf(this.#backHome),
      duels: {
        accepted: this.#duels.reduce((sum, { accepted }) => sum + accepted, 0),
        overlapMs: Math.max(...this.#duels.map(({ overlapMs }) => overlapMs)),
      },
      retained: [...this.#kept.values()].filter((number) => number !== undefined).length,
      log: this.#logs,
    };
  }

  async close(): Promise<void> {
    this.#isOver = true;
    for (const duel of this.#duels) duel.close();
    await Promise.all(this.#clients.map((client) => client.close({ timeoutMs: 0 })));
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
    const { open, ahead, tally: { acknowledged, delivered } } = this.#ledger;
    const away = this.#clients.filter(({ status }) => status !== "connected").map(({ clientId }) => clientId);
    return `${acknowledged} acknowledged, ${delivered} delivered, ${open} open, the slowest reader ${ahead} behind, ` +
      `${this.#down.size} workers down, away: ${away.join(" ") || "nobody"}`;
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
    this.#ledger.killed(worker);
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
    const writing = this.#some();
    this.#kills.push({ worker: 0, at: performance.now() });
    const all = Array.from({ length: this.#trial.workers }, (_, i) => i + 1);
    for (const worker of all) this.#ledger.killed(worker);
    await kill();
    for (const worker of all) this.#ledger.killed(worker); // for what was published meanwhile
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

  async #client(clientId: string, lasts: boolean): Promise<Client> {
    const client = await connect(`mqtt://127.0.0.1:${this.#port}`, {
      ...BACK,
      clientId,
      cleanStart: !lasts,
      sessionExpiry: lasts ? LASTS : 0,
      level: 5,
    });
    this.#clients.push(client);
    const home = this.#home(clientId);
    let lostAt: number | undefined;
    client.on("disconnected", () => lostAt ??= performance.now());
    client.on("connected", ({ sessionPresent }) => {
      if (lasts && !sessionPresent) this.#wrong(`the session of ${clientId} was lost`);
      this.#cameBack(home, lostAt);
      lostAt = undefined;
    });
    return client;
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

  async #read(clientId: string, qos: 1 | 2): Promise<void> {
    const init = { name: clientId, qos, homes: [this.#home(clientId)], isGroup: false };
    await this.#readFrom(clientId, "line/#", init);
  }

  async #readTogether(group: string, qos: 1 | 2, members: number): Promise<void> {
    const ids = Array.from({ length: members }, (_, i) => `${group}-${i + 1}`);
    const homes = ids.map((id) => this.#home(id));
    const reader = this.#ledger.reader({ name: `group ${group}`, qos, homes, isGroup: true });
    for (const id of ids) await this.#readFrom(id, `$share/${group}/line/#`, reader, reader);
  }

  async #readFrom(clientId: string, filter: string, init: ReaderInit, known?: Reader): Promise<void> {
    const reader = known ?? this.#ledger.reader(init);
    const client = await this.#client(clientId, true);
    const subscription = await client.subscribe(filter, { qos: init.qos, ack: "receipt" });
    this.#reading.push(
      (async () => {
        for await (const { topic, bytes } of subscription) {
          this.#ledger.delivered(reader, topic, Number(new TextDecoder().decode(bytes)));
        }
      })().catch((error) => this.#wrong(`${clientId} cannot read on: ${error}`)),
    );
  }

  readonly #writers: Writer[] = [];

  async #writer(clientId: string, lasts: boolean): Promise<void> {
    const client = await this.#client(clientId, lasts);
    const writer = { client, clientId, lasts };
    this.#writers.push(writer);
    for (const qos of [0, 1, 2] as const) {
      if (lasts || qos < 2) {
        this.#ledger.line(`line/${clientId}/${qos}`, qos, lasts ? this.#home(clientId) : undefined);
      }
    }
    this.#writing.push(this.#write(writer));
  }

  async #write(writer: Writer): Promise<void> {
    const open = new Set<Promise<unknown>>();
    while (!this.#isOver) {
      if (open.size < WINDOW && this.#ledger.ahead < AHEAD) {
        const sent: Promise<unknown> = this.#one(writer).finally(() => open.delete(sent));
        open.add(sent);
      }
      await pause(this.#dice.below(PAUSE_MS));
    }
    await Promise.all(open);
  }

  /** Some messages of each publisher. */
  async #some(): Promise<void> {
    for (let i = 0; i < 10; i++) await Promise.all(this.#writers.map((writer) => this.#one(writer)));
  }

  async #one({ client, clientId, lasts }: Writer): Promise<void> {
    const dice = this.#dice;
    if (dice.chance(10)) return await this.#keep(client, `kept/${clientId}/${dice.below(KEPT)}`);
    const qos = dice.below(lasts ? 3 : 2) as QoS;
    const topic = `line/${clientId}/${qos}`;
    if (qos === 0 && client.status !== "connected") return;
    const number = this.#ledger.publish(topic);
    try {
      await client.publish(topic, `${number}`, { qos });
      if (qos > 0) this.#ledger.acknowledged(topic, number);
    } catch (error) {
      if (qos === 0) return;
      this.#ledger.givenUp(topic, number);
      this.#wrong(`${clientId} cannot publish ${number} on ${topic}: ${error}`);
    }
  }

  #lastKept = 0;

  /** Retains a message, or has nothing retained. */
  async #keep(client: Client, topic: string): Promise<void> {
    const number = this.#dice.chance(20) ? undefined : ++this.#lastKept;
    this.#kept.set(topic, number);
    try {
      await client.publish(topic, number === undefined ? "" : `${number}`, { qos: 1, retain: true });
    } catch (error) {
      this.#wrong(`${topic} cannot be retained: ${error}`);
    }
  }

  // What must hold.

  /** Waits until all is acknowledged and delivered, or nothing more comes. */
  async #settle(when: string): Promise<void> {
    const ledger = this.#ledger;
    let [seen, since] = [-1, 0];
    while (!ledger.isComplete) {
      const { acknowledged, delivered } = ledger.tally;
      if (acknowledged + delivered > seen) [seen, since] = [acknowledged + delivered, performance.now()];
      if (performance.now() - since > SILENT_MS) {
        return ledger.missing.forEach((text) => this.#wrong(`${when}: ${text}`));
      }
      await pause(LOOK_MS);
    }
  }

  async #seeOneOfEach(): Promise<void> {
    for (const duel of this.#duels) {
      await until(() => duel.living <= 1, () => `${duel.living} connections of ${duel.name} live`)
        .catch((error) => this.#wrong(error.message));
    }
  }

  /** Every worker has the same retained messages, the last ones. */
  async #seeKept(when: string): Promise<void> {
    const wanted = [...this.#kept].filter(([, number]) => number !== undefined).map(([topic, number]) =>
      `${topic} ${number}`
    ).sort();
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
