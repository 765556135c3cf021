/**
 * Rounds of the crash matrix: brokers are started on a data directory, loaded and killed, again and again.
 * Knows the order of things and what must have happened to mean anything; refuses to know what Clients do.
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Runtime } from "../../lib/broker_process.ts";
import { Dice } from "../soak/dice.ts";
import { ROLES } from "./roles.ts";
import { Directory } from "./directory.ts";
import { Host } from "./host.ts";
import { leftovers } from "./store_check.ts";
import type { Counts } from "./model.ts";
import { describePlan, type Plan, type PlanKind, Planner } from "./plan.ts";

/** What to do. */
export interface MatrixOptions {
  readonly runtime: Runtime;
  /** Deaths of the broker. */
  readonly rounds: number;
  readonly seed: number;
  /** Ends after this long, in ms, even if fewer have died. */
  readonly limitMs?: number;
  /** The kinds of death; all of them if it is left out. */
  readonly kinds?: readonly PlanKind[];
  /** Without a store, which must show. */
  readonly memory?: boolean;
  /** Where data directories are made. */
  readonly folder?: string;
  /** The store forgets to run statements that begin so, which must show. */
  readonly forget?: string;
  /** Clients to leave out. */
  readonly without?: readonly string[];
  /** Directories with problems until it is enough (default 5). */
  readonly failuresMax?: number;
  /** Told of everything that should not be. */
  readonly wrong: (text: string) => void;
  /** Told now and then how far it is. */
  readonly progress?: (text: string) => void;
  /** Told of every round. */
  readonly log?: (text: string) => void;
}

/** What came of it. */
export interface Tally extends Counts {
  rounds: number;
  kills: number;
  /** Messages that had been sent and not acknowledged when the broker died. */
  doubtful: number;
  directories: number;
  seconds: number;
  /** Operations of the store at which it was killed, and how often. */
  readonly points: Map<string, number>;
  problems: number;
}

/** Deaths on one directory. */
const LIVES = 20;
/** Lives that begin with a reckoning, of 100. */
const DRAINED = 15;
/** A life ends after this long, whatever its plan was. */
const LIFE_MS_MAX = 1_200;
/** Progress is told this often. */
const PROGRESS_MS = 30_000;
/** Lives that `plumb` itself lives, of 100. */
const PLUMB = 10;
/** How much longer it takes to start, since it has to be loaded. */
const PLUMB_SLOWER = 6;
/** Lives in which the disk has no thread, of 100. */
const LOCAL = 15;

/** The last life has load for this long. */
const LAST_MS = 150;
/** Most of what waits is in the store alone. */
const TIGHT = { residentMessagesMax: 8 } as const;

/** How a broker is started. */
interface Start {
  readonly durability: "os" | "fsync";
  readonly isPlumb: boolean;
  readonly isTight: boolean;
  readonly isLocal: boolean;
}

/** Runs them. */
export async function runMatrix(options: MatrixOptions): Promise<Tally> {
  return await new Matrix(options).run();
}

class Matrix {
  readonly #options: MatrixOptions;
  readonly #tally: Tally = {
    rounds: 0,
    kills: 0,
    doubtful: 0,
    directories: 0,
    seconds: 0,
    acknowledged: 0,
    delivered: 0,
    deliveredQos2: 0,
    repeated: 0,
    lost: 0,
    doubled: 0,
    points: new Map(),
    problems: 0,
  };
  /** Loads while another one runs. */
  #spare: Host | undefined;

  constructor(options: MatrixOptions) {
    this.#options = options;
  }

  async run(): Promise<Tally> {
    const began = performance.now();
    const { rounds, seed, limitMs = Infinity, failuresMax = 5, progress } = this.#options;
    const tally = this.#tally;
    let failures = 0;
    let toldAt = began;
    const late = () => performance.now() - began > limitMs;
    for (let i = 0; tally.rounds < rounds && !late() && failures < failuresMax; i++) {
      const before = tally.problems;
      await this.#directory(seed + i, Math.min(LIVES, rounds - tally.rounds), late);
      if (tally.problems > before) failures++;
      const now = performance.now();
      if (now - toldAt < PROGRESS_MS) continue;
      toldAt = now;
      progress?.(`${tally.rounds} of ${rounds} rounds, ${tally.kills} kills, ${tally.problems} problems`);
    }
    this.#spare?.kill();
    await this.#spare?.over;
    tally.seconds = (performance.now() - began) / 1_000;
    return tally;
  }

  /** One data directory, from its first life to its end. */
  async #directory(seed: number, lives: number, late: () => boolean): Promise<void> {
    const { memory, folder = tmpdir(), without = [], wrong, log = () => {} } = this.#options;
    const tally = this.#tally;
    mkdirSync(folder, { recursive: true });
    const path = mkdtempSync(join(folder, "plumb-crash-"));
    let where = "";
    let problems = 0;
    const problem = (text: string): void => {
      problems++;
      tally.problems++;
      wrong(`${where}: ${text}`);
    };
    const directory = new Directory(seed, problem, ROLES.filter(({ id }) => !without.includes(id)));
    const dice = new Dice(~seed);
    const planner = new Planner(seed, this.#options.kinds);
    const durability = dice.pick(["os", "fsync"] as const);
    tally.directories++;
    let host: Host | undefined;
    for (let life = 0; life < lives && problems === 0 && !late(); life++) {
      const plan = planner.next(dice, life);
      const isDrained = dice.chance(DRAINED);
      tally.rounds++;
      where = `round ${tally.rounds}, directory seed ${seed}, life ${life + 1}, ${durability}, ${
        describePlan(plan)
      }`;
      log(where);
      if (host === undefined) {
        const isPlumb = plan.kind !== "operation" && dice.chance(PLUMB);
        const start = { durability, isPlumb, isTight: dice.chance(50), isLocal: dice.chance(LOCAL) };
        host = this.#start(plan, memory ? undefined : path, start);
        void this.#prepare();
      }
      const isOver = await this.#life(directory, host, plan, isDrained, problem);
      if (isOver) host = undefined;
    }
    if (problems === 0) {
      where = `round ${tally.rounds}, directory seed ${seed}, the last life, ${durability}`;
      host ??= this.#start(undefined, memory ? undefined : path, {
        durability,
        isPlumb: false,
        isTight: false,
        isLocal: false,
      });
      await this.#reckon(directory, host, memory ? undefined : path, problem);
      host = undefined;
    }
    host?.kill();
    await host?.over;
    for (
      const key of ["acknowledged", "delivered", "deliveredQos2", "repeated", "lost", "doubled"] as const
    ) {
      tally[key] += directory.model.counts[key];
    }
    tally.doubtful += directory.doubtful;
    if (problems === 0) rmSync(path, { recursive: true });
    else {
      writeFileSync(join(path, "trace.log"), directory.trace.text());
      wrong(`${where}: the data directory is ${path}, what was sent and what came is in its trace.log`);
    }
  }

  #start(
    plan: Plan | undefined,
    data: string | undefined,
    { durability, isPlumb, isTight, isLocal }: Start,
  ): Host {
    const { runtime } = this.#options;
    if (isPlumb) {
      const store = data === undefined ? ["--memory"] : ["--data", data, "--durability", durability];
      const host = Host.plumb(runtime, store);
      if (plan?.kind === "start") setTimeout(() => host.kill(), plan.afterMs * PLUMB_SLOWER);
      return host;
    }
    const { forget } = this.#options;
    const limits = isTight ? TIGHT : undefined;
    const host = this.#spare ?? Host.waiting(runtime);
    this.#spare = undefined;
    host.order({
      durability,
      isLocal,
      ...(data !== undefined && { data }),
      ...(plan?.kind === "operation" && { sabotage: plan }),
      ...(forget !== undefined && { sabotage: { thread: "disk", forget } }),
      ...(limits && { limits }),
    });
    if (plan?.kind === "start") setTimeout(() => host.kill(), plan.afterMs);
    return host;
  }

  #prepare(): void {
    this.#spare ??= Host.waiting(this.#options.runtime);
  }

  /** Runs a broker until it ends as planned; false if it lives on. */
  async #life(
    directory: Directory,
    host: Host,
    plan: Plan,
    isDrained: boolean,
    problem: (text: string) => void,
  ): Promise<boolean> {
    const tally = this.#tally;
    const isServing = directory.serves(host) || await directory.begin(host);
    if (isServing && isDrained && plan.kind !== "time") await directory.drain();
    const timers: ReturnType<typeof setTimeout>[] = [];
    const after = (ms: number, action: () => void) => timers.push(setTimeout(action, ms));
    if (plan.kind === "time") after(plan.afterMs, () => host.kill());
    if (plan.kind === "term") {
      after(plan.afterMs, () => host.terminate());
      if (plan.killedMs !== undefined) after(plan.afterMs + plan.killedMs, () => host.kill());
    }
    if (plan.kind === "start" || plan.kind === "operation") after(LIFE_MS_MAX, () => host.kill());
    if (isServing && isDrained && plan.kind === "time") await directory.drain();
    if (isServing) await directory.load(plan.kind === "cut" ? plan.afterMs : LIFE_MS_MAX * 4);
    if (plan.kind === "cut" && host.ended === undefined) {
      directory.cutAll();
      return false;
    }
    await directory.mourn();
    for (const timer of timers) clearTimeout(timer);
    this.#autopsy(host, plan, problem);
    tally.kills++;
    return true;
  }

  /** How it ended, and whether it complained before. */
  #autopsy(host: Host, plan: Plan, problem: (text: string) => void): void {
    const { points } = this.#tally;
    for (const failure of host.failures) problem(`The broker says ${failure}`);
    const { code, signal } = host.ended!;
    const wasTerminated = plan.kind === "term" && code === 0;
    const wasKilled = (plan.kind !== "term" || plan.killedMs !== undefined) && signal === "SIGKILL";
    const isRight = wasTerminated || wasKilled;
    if (!isRight) problem(`The broker ended with ${code ?? signal}: ${host.lines.slice(-20).join("\n")}`);
    if (host.point !== undefined) points.set(host.point, (points.get(host.point) ?? 0) + 1);
  }

  /** Once more there is load, and then everything must come; the broker ends the good way, and leaves nothing behind. */
  async #reckon(
    directory: Directory,
    host: Host,
    path: string | undefined,
    problem: (text: string) => void,
  ): Promise<void> {
    if (!directory.serves(host) && !await directory.begin(host)) {
      problem(`The broker does not start: ${host.lines.slice(-20).join("\n")}`);
      return;
    }
    await directory.load(LAST_MS);
    if (!await directory.drain() && host.ended !== undefined) problem("The broker ended by itself");
    await directory.leave();
    host.terminate();
    await directory.mourn();
    this.#autopsy(host, { kind: "term", afterMs: 0 }, problem);
    if (path === undefined) return;
    for (const text of leftovers(path, directory.model.filters())) problem(text);
  }
}
