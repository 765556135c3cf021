/**
 * A cluster whose members, shards and NATS servers are killed, stopped and cut off, among Clients that publish and read numbered messages.
 * Knows what is done, and what must hold; refuses to know why it does.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { homeOf } from "../../../src/nodes/home.ts";
import { JETSTREAM, type NatsServer, startNats, startNatsCluster } from "../../../src/testing/nats_server.ts";
import { until } from "../../../src/testing/patience.ts";
import { median } from "../../bench/statistics.ts";
import type { Runtime } from "../../lib/broker_process.ts";
import { ClusterMember } from "../../lib/cluster_member.ts";
import { freePort } from "../peers/start.ts";
import { Dice } from "../soak/dice.ts";
import { Crowd, pause } from "../workers/crowd.ts";
import type { Tally } from "../workers/ledger.ts";
import type { Times } from "../workers/trial.ts";
import { Door } from "./wires.ts";

/** What is done to a cluster. */
export const FAULTS = [
  "member killed",
  "shard killed",
  "server killed",
  "member stopped",
  "shard stopped",
  "server stopped",
  "member cut off",
  "member restarted",
] as const;

/** One of them. */
export type Fault = typeof FAULTS[number];

/** What is tried. */
export interface ClusterTrial {
  readonly runtime: Runtime;
  readonly members: number;
  readonly shards: number;
  /** NATS servers: 1 or 3. */
  readonly servers: 1 | 3;
  readonly faults: readonly Fault[];
  /** How many faults, and the end even if there were fewer: ms. */
  readonly count: number;
  readonly limitMs: number;
  readonly seed: number;
  /** Clients of each kind. */
  readonly width: number;
  /** What is stopped, cut off or killed stays so for so long at most: ms. */
  readonly awayMs: number;
  readonly durability: "log" | "replicated";
  readonly progress?: (line: string) => void;
}

/** How it went. */
export interface ClusterOutcome {
  /** What is wrong; nothing, if all is well. */
  readonly problems: readonly string[];
  readonly done: Readonly<Partial<Record<Fault, number>>>;
  readonly tally: Tally;
  /** For how long Clients were without a connection, by what had been done last. */
  readonly away: Readonly<Partial<Record<Fault, Times>>>;
  /** Connections that fought for a Client Identifier, and the longest that two of them lived. */
  readonly duels: { readonly accepted: number; readonly overlapMs: number };
  readonly retained: number;
  /** Logs of the members. */
  readonly log: string;
}

/** What is done lasts for so long at least: ms. */
const AWAY_MS_MIN = 300;
/** Exchanges are looked for so often that something may happen to: ms. */
const MEET_MS = 5;
/** Between two faults, when all is well again: ms. */
const CALM_MS: readonly [least: number, most: number] = [200, 3_000];

/** Runs it. Rejects only if it cannot begin, or cannot go on. */
export async function clusterTrial(trial: ClusterTrial): Promise<ClusterOutcome> {
  const run = new Run(trial, await freePort());
  try {
    return await run.run();
  } finally {
    await run.close();
  }
}

class Run {
  readonly #trial: ClusterTrial;
  readonly #dice: Dice;
  readonly #data: string = mkdtempSync(join(tmpdir(), "plumb-cluster-trial-"));
  readonly #problems: string[] = [];
  readonly #crowd: Crowd;
  readonly #port: number;
  readonly #members: ClusterMember[] = [];
  readonly #gates: Door[][] = [];
  readonly #done: Partial<Record<Fault, number>> = {};
  readonly #away: Partial<Record<Fault, number[]>> = {};
  #servers: NatsServer[] = [];
  #door: Door | undefined;
  #claims: ReturnType<typeof setInterval> | undefined;
  #last: { readonly fault: Fault; readonly at: number } | undefined;

  constructor(trial: ClusterTrial, port: number) {
    this.#trial = trial;
    this.#port = port;
    this.#dice = new Dice(trial.seed);
    this.#crowd = new Crowd({
      port,
      dice: this.#dice,
      width: trial.width,
      home: (clientId) => homeOf(clientId, trial.shards) + 1,
      wrong: (text) => this.#wrong(text),
      cameBack: (_, lostAt) => {
        const last = this.#last;
        if (lostAt === undefined || last === undefined || lostAt < last.at) return;
        (this.#away[last.fault] ??= []).push(performance.now() - lostAt);
      },
    });
  }

  #wrong(text: string): void {
    this.#problems.push(text);
    this.#trial.progress?.(`WRONG ${text}`);
  }

  async run(): Promise<ClusterOutcome> {
    const { count, limitMs, progress } = this.#trial;
    await this.#start();
    await this.#crowd.begin();
    this.#claims = this.#meetClaims();
    const end = performance.now() + limitMs;
    for (let i = 1; i <= count && performance.now() < end && this.#problems.length < 20; i++) {
      const fault = this.#dice.pick(this.#trial.faults);
      const met = this.#meet();
      await this.#do(fault);
      await this.#allUp();
      clearInterval(met);
      progress?.(`${i} ${fault}: ${this.#crowd.state}`);
      await pause(this.#dice.between(...CALM_MS));
    }
    await this.#crowd.end();
    await this.#crowd.settle("behind all faults");
    await this.#crowd.seeOneOfEach();
    if (this.#problems.length === 0) {
      progress?.("all members are killed at once");
      this.#last = undefined; // who is away from here on is not away by the last fault
      const met = this.#meet();
      const some = this.#crowd.some();
      await pause(50);
      await Promise.all(this.#members.map((member) => member.kill()));
      await Promise.all(this.#members.map((member) => member.start()));
      await this.#allUp();
      await some;
      clearInterval(met);
      await this.#crowd.some();
      await this.#crowd.settle("behind the end of all members");
    }
    this.#crowd.ledger.end();
    this.#seeLogs();
    const { duels, ledger, retained } = this.#crowd;
    return {
      problems: this.#problems,
      done: this.#done,
      tally: ledger.tally,
      away: Object.fromEntries(
        Object.entries(this.#away).map(([fault, values]) => [fault, {
          count: values.length,
          median: median(values),
          worst: Math.max(...values),
        }]),
      ),
      duels: {
        accepted: duels.reduce((sum, { accepted }) => sum + accepted, 0),
        overlapMs: Math.max(...duels.map(({ overlapMs }) => overlapMs)),
      },
      retained: retained.length,
      log: this.#logs,
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#claims);
    await this.#crowd.close();
    this.#door?.close();
    await Promise.all(this.#members.map((member) => member.kill()));
    for (const gate of this.#gates.flat()) gate.close();
    await Promise.all(this.#servers.map((server) => server.end()));
    rmSync(this.#data, { recursive: true });
  }

  async #start(): Promise<void> {
    const { runtime, members, shards, servers, durability } = this.#trial;
    this.#servers = servers === 1 ? [await startNats(JETSTREAM)] : await startNatsCluster(servers);
    for (let i = 1; i <= members; i++) {
      const gates = await Promise.all(
        this.#servers.map(async ({ port }) => await Door.open(await freePort(), () => [port])),
      );
      this.#gates.push(gates);
      this.#members.push(
        new ClusterMember({
          runtime,
          name: `m${i}`,
          servers: gates.map(({ port }) => `nats://127.0.0.1:${port}`),
          shards,
          replicas: servers,
          data: join(this.#data, `m${i}`),
          port: await freePort(),
          flags: ["--durability", durability],
        }),
      );
    }
    await Promise.all(this.#members.map((member) => member.start()));
    await this.#allUp();
    let next = 0;
    this.#door = await Door.open(this.#port, () => {
      const ports = this.#members.map(({ init }) => init.port);
      next = (next + 1) % ports.length;
      return [...ports.slice(next), ...ports.slice(0, next)];
    });
  }

  /** Every shard has one process that takes Clients. */
  async #allUp(): Promise<void> {
    const { shards } = this.#trial;
    const owners = () => {
      const found = new Map<number, number>();
      for (const member of this.#members) {
        if (!member.isRunning) continue;
        for (const [shard] of member.shards) {
          const lines = member.lastLog.matchAll(
            /msg="(shard claimed|shard lost|shard ended)".*? shard=(\d+)/g,
          );
          const last = [...lines].findLast(([, , number]) => Number(number) === shard)?.[1];
          const listens = new RegExp(`msg=listening .* shard=${shard}\\n`).test(member.lastLog);
          if (last === "shard claimed" && listens) found.set(shard, (found.get(shard) ?? 0) + 1);
        }
      }
      return found;
    };
    await until(
      () => {
        const found = owners();
        return found.size === shards && [...found.values()].every((count) => count === 1);
      },
      () =>
        `all shards are up: ${JSON.stringify([...owners()])}\n${
          this.#members.map(({ lastLog }) => lastLog.slice(-3_000)).join("\n---\n")
        }`,
    );
  }

  /**
   * Until all is well again each shard may find itself with another owner, though nobody has killed it: a member that is stopped or cut off,
   * or whose server is, is dead for the others.
   */
  #meet(): ReturnType<typeof setInterval> {
    this.#meetAll();
    return setInterval(() => this.#meetAll(), MEET_MS);
  }

  #meetAll(): void {
    for (let shard = 1; shard <= this.#trial.shards; shard++) this.#crowd.ledger.killed(shard);
  }

  /** A shard may also be taken over, or given away, some time behind a fault: whoever has it then says so. */
  #meetClaims(): ReturnType<typeof setInterval> {
    const read = new Map<ClusterMember, number>();
    return setInterval(() => {
      for (const member of this.#members) {
        const { lastLog } = member;
        const from = read.get(member) ?? 0;
        read.set(member, lastLog.length);
        if (lastLog.length < from || lastLog.includes("shard claimed", from)) this.#meetAll();
      }
    }, MEET_MS);
  }

  async #do(fault: Fault): Promise<void> {
    const dice = this.#dice;
    const member = dice.pick(this.#members);
    const place = this.#members.indexOf(member);
    const server = dice.pick(this.#servers);
    const awayMs = dice.between(AWAY_MS_MIN, this.#trial.awayMs);
    const shards = [...member.shards.keys()];
    this.#done[fault] = (this.#done[fault] ?? 0) + 1;
    this.#last = { fault, at: performance.now() };
    switch (fault) {
      case "member killed":
        await member.kill();
        await pause(awayMs);
        return await member.start();
      case "member restarted":
        await member.end();
        await pause(dice.below(1_000));
        return await member.start();
      case "shard killed": {
        if (shards.length === 0) return;
        member.signal(dice.pick(shards), "SIGKILL");
        return await pause(200); // its end is in the log then, or soon
      }
      case "server killed":
        await server.kill();
        await pause(awayMs);
        return await server.start();
      case "member stopped":
        member.signalAll("SIGSTOP");
        await pause(awayMs);
        return member.signalAll("SIGCONT");
      case "shard stopped": {
        if (shards.length === 0) return;
        const shard = dice.pick(shards);
        member.signal(shard, "SIGSTOP");
        await pause(awayMs);
        return void member.signal(shard, "SIGCONT");
      }
      case "server stopped":
        server.signal("SIGSTOP");
        await pause(awayMs);
        return server.signal("SIGCONT");
      case "member cut off":
        for (const gate of this.#gates[place]!) gate.cut();
        await pause(awayMs);
        for (const gate of this.#gates[place]!) gate.mend();
    }
  }

  get #logs(): string {
    return this.#members.map(({ init, log }) => `--- ${init.name}\n${log}`).join("\n");
  }

  #seeLogs(): void {
    const isTrouble = (line: string) =>
      /level=error/.test(line) && !/msg="shard ended" .*signal=SIGKILL/.test(line) &&
      !/msg="store failed/.test(line); // its log did not answer, or is another's
    const lines = this.#logs.split("\n").filter(isTrouble);
    this.#problems.push(...lines.slice(0, 10).map((line) => `the log says: ${line}`));
  }
}
