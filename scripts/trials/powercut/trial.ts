/**
 * Power cuts: recordings are made, each is cut at many places, and a broker starts on what the disk has left.
 * Knows where cuts are worth most, and what must hold after one; refuses to know how a disk forgets.
 * @module
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import type { Runtime } from "../../lib/broker_process.ts";
import { STORE_FILE } from "../../../src/store/mod.ts";
import { verifyStore } from "../../../src/store/verify.ts";
import { Host } from "../crash/host.ts";
import { leftovers } from "../crash/store_check.ts";
import { Dice } from "../soak/dice.ts";
import { type Damage, Disk, type DiskOp, type Tree } from "./disk.ts";
import { Recording } from "./recording.ts";

/** What to do. */
export interface TrialOptions {
  readonly runtime: Runtime;
  readonly cuts: number;
  readonly seed: number;
  /** At `os` losses are expected, and counted. */
  readonly durability: "fsync" | "os";
  /** Cuts that are checked at once (default 2). */
  readonly jobs?: number;
  /** Cuts of one recording (default 25). */
  readonly cutsEach?: number;
  /** Processes of one recording (default 3). */
  readonly lives?: number;
  /** Where the files go. */
  readonly folder?: string;
  /** Problems until it is enough (default 20). */
  readonly problemsMax?: number;
  /** Whether nothing more has to be shown. */
  readonly enough?: (tally: CutTally) => boolean;
  /** Told of everything that should not be. */
  readonly wrong: (text: string) => void;
  readonly progress?: (text: string) => void;
  /** Told of every cut. */
  readonly log?: (text: string) => void;
}

/** What came of it. */
export interface CutTally {
  recordings: number;
  cuts: number;
  /** Operations on the disk that were not safe at the cuts. */
  unsafe: number;
  /** Messages that were acknowledged before the cuts, and all that came to Clients before and after. */
  acknowledged: number;
  delivered: number;
  lost: number;
  doubled: number;
  /** Cuts behind which something acknowledged was missing; only at `os` no problems. */
  lossyCuts: number;
  problems: number;
  seconds: number;
}

/** A place, and how much of what is not safe there is kept. */
interface Cut {
  readonly place: number;
  readonly kind: string;
  readonly damage: Damage;
}

/** A folder without a disk: brokers that start on what is left of one need not wait for another. */
export const MEMORY: string | undefined = existsSync("/dev/shm") ? "/dev/shm" : undefined;
const CUTS_EACH = 25;
const LIVES = 3;
const PROGRESS_MS = 30_000;
/** After the cut Clients work for this long before everything is reckoned. */
const LOAD_MS = 50;
/** Sends of a process that are its first. */
const EARLY = 60;
/** Of 100. */
const WEIGHTS: Readonly<Record<Damage, number>> = { nothing: 25, all: 15, first: 25, any: 35 };

/** Runs it. */
export async function runTrial(options: TrialOptions): Promise<CutTally> {
  return await new Trial(options).run();
}

class Trial {
  readonly #options: TrialOptions;
  readonly #tally: CutTally = {
    recordings: 0,
    cuts: 0,
    unsafe: 0,
    acknowledged: 0,
    delivered: 0,
    lost: 0,
    doubled: 0,
    lossyCuts: 0,
    problems: 0,
    seconds: 0,
  };

  /** Where disks are put, and brokers start on them. */
  #disks = "";

  constructor(options: TrialOptions) {
    this.#options = options;
  }

  async run(): Promise<CutTally> {
    this.#disks = mkdtempSync(join(MEMORY ?? this.#options.folder ?? tmpdir(), "plumb-powercut-disks-"));
    const remove = (): void => rmSync(this.#disks, { recursive: true, force: true });
    process.once("exit", remove);
    try {
      return await this.#run();
    } finally {
      process.off("exit", remove);
      remove();
    }
  }

  async #run(): Promise<CutTally> {
    const began = performance.now();
    const { cuts, seed, cutsEach = CUTS_EACH, jobs = 2, problemsMax = 20, enough, progress } = this.#options;
    const tally = this.#tally;
    const isOver = (): boolean => tally.problems >= problemsMax || enough?.(tally) === true;
    let toldAt = began;
    for (let i = 0; tally.cuts < cuts && !isOver(); i++) {
      const recording = await this.#record(seed + i);
      if (recording === undefined) continue;
      const dice = new Dice(seed + i);
      const chosen = Array.from(
        { length: Math.min(cutsEach, cuts - tally.cuts) },
        () => chooseCut(recording, dice),
      );
      const before = tally.problems;
      let next = 0;
      const work = async (): Promise<void> => {
        while (next < chosen.length && !isOver()) {
          const n = next++;
          await this.#cut(recording, chosen[n]!, n);
        }
      };
      await Promise.all(Array.from({ length: jobs }, work));
      if (tally.problems === before) rmSync(recording.folder, { recursive: true });
      if (performance.now() - toldAt < PROGRESS_MS) continue;
      toldAt = performance.now();
      progress?.(`${tally.cuts} of ${cuts} cuts, ${tally.problems} problems`);
    }
    tally.seconds = (performance.now() - began) / 1_000;
    return tally;
  }

  async #record(seed: number): Promise<Recording | undefined> {
    const { runtime, durability, lives = LIVES, folder = tmpdir(), wrong } = this.#options;
    this.#tally.recordings++;
    return await Recording.make({
      runtime,
      seed,
      durability,
      folder,
      lives,
      wrong: (text) => {
        this.#tally.problems++;
        wrong(text);
      },
    });
  }

  /** One power cut, and everything after it. */
  async #cut(recording: Recording, cut: Cut, number: number): Promise<void> {
    const { runtime, durability, wrong, log } = this.#options;
    const tally = this.#tally;
    const dice = new Dice(recording.seed * 1_000 + number);
    const where =
      `seed ${recording.seed}, cut ${number} at place ${cut.place} of ${recording.timeline.end} ` +
      `(${cut.kind}), ${cut.damage} of what was not safe is kept`;
    const folder = mkdtempSync(join(this.#disks, "cut-"));
    const kept = join(recording.folder, `cut-${number}`);
    let problems = 0;
    const problem = (text: string): void => {
      if (problems++ === 0) {
        wrong(`${where}: the disk is ${kept}/before, what Clients did ${kept}/clients.log`);
      }
      tally.problems++;
      wrong(`${where}: ${text}`);
    };
    /** What Clients miss, and what they get that should not be there. */
    let losses = 0;
    const missed = (text: string): void => {
      losses++;
      if (durability === "fsync") problem(text);
      else log?.(`${where}: ${text}`);
    };

    const disk = new Disk();
    for (const op of recording.timeline.ops) if (op.at < cut.place) disk.apply(op);
    tally.unsafe += disk.unsafe;
    const tree = disk.afterCut(cut.damage, dice);
    writeTree(join(folder, "before"), tree);
    writeTree(join(folder, "disk"), tree);
    const data = join(folder, "disk", "data");
    const wasReady = cut.place > recording.timeline.lives[0]!.listeningAt;
    if (wasReady) verify(join(folder, "before", "data"), join(folder, "copy"), problem);

    const directory = recording.clientsAt(cut.place);
    const before = { ...directory.model.counts };
    directory.listen(missed);
    const host = Host.plumb(runtime, ["--data", data, "--durability", durability]);
    if (!await directory.begin(host)) problem("The broker does not start");
    else {
      await directory.load(LOAD_MS);
      const isThere = durability === "fsync" ? await directory.drain() : await directory.collect();
      if (!isThere && host.ended !== undefined) problem("The broker ended by itself");
      await directory.leave();
      if (host.ended === undefined) host.terminate();
      await directory.mourn();
      if (host.ended?.code !== 0) {
        problem(`The broker ended with ${host.ended?.code ?? host.ended?.signal}`);
      }
      if (durability === "fsync") {
        for (const text of leftovers(data, directory.model.filters())) problem(text);
      }
      verify(data, join(folder, "copy"), problem);
    }
    host.kill();
    await host.over;
    for (const failure of host.failures) problem(`The broker says ${failure}`);

    const { counts } = directory.model;
    tally.cuts++;
    tally.acknowledged += before.acknowledged;
    tally.delivered += counts.delivered;
    tally.lost += counts.lost;
    tally.doubled += counts.doubled;
    if (losses > 0) tally.lossyCuts++;
    log?.(`${where}: ${before.acknowledged} acknowledged, ${counts.delivered} delivered, ${losses} losses`);
    if (problems > 0) {
      cpSync(folder, kept, { recursive: true });
      writeFileSync(join(kept, "clients.log"), directory.trace.text());
      writeFileSync(join(kept, "broker.log"), `${host.lines.join("\n")}\n`);
    }
    rmSync(folder, { recursive: true });
  }
}

/** `plumb verify` of a copy, since it may take back what was interrupted. */
function verify(data: string, copy: string, problem: (text: string) => void): void {
  try {
    cpSync(data, copy, { recursive: true });
    verifyStore(join(copy, STORE_FILE), (fault) => problem(`plumb verify says ${fault}`));
  } catch (error) {
    problem(`plumb verify fails: ${(error as Error).message}`);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Files as they are after a cut. */
export function writeTree(folder: string, tree: Tree): void {
  mkdirSync(folder, { recursive: true });
  for (const [path, content] of tree) {
    const file = join(folder, path);
    if (!existsSync(dirname(file))) mkdirSync(dirname(file), { recursive: true });
    if (content === undefined) mkdirSync(file);
    else writeFileSync(file, content);
  }
}

/**
 * A place: right behind a send, when most is owed; in a sync, when most is not safe; at a name or a size, or at a write; and
 * in what a process does before it listens.
 */
function chooseCut({ timeline }: Recording, dice: Dice): Cut {
  const behind = (op: DiskOp): number => op.kind === "sync" ? op.from + 1 : op.at + 1;
  const of = (...kinds: DiskOp["kind"][]): number[] =>
    timeline.ops.filter(({ kind }) => kinds.includes(kind)).map(behind);
  const sends = timeline.lives.flatMap(({ connections }) =>
    [...connections.values()].flatMap(({ sent }) => sent.map(({ at }) => at + 1))
  );
  // What a process that was killed had not made safe, the next one finds: it may tell of it before that is safe.
  const early = timeline.lives.slice(1).flatMap(({ listeningAt }) =>
    sends.filter((at) => at > listeningAt).sort((a, b) => a - b).slice(0, EARLY)
  );
  const starts = timeline.lives.flatMap(({ from, listeningAt }) =>
    timeline.ops.map(behind).filter((at) => at > from && at <= listeningAt)
  );
  const places: readonly [string, number, number[]][] = [
    ["behind a send", 30, sends],
    ["behind one of the first sends of a process", 15, early],
    ["in a sync", 15, of("sync")],
    ["at a name or a size", 10, of("name", "size")],
    ["at a write", 20, of("write")],
    ["at the start", 10, starts],
  ];
  const [kind, , all] = weighted(places, ([, weight, all]) => all.length === 0 ? 0 : weight, dice);
  const [damage] = weighted(Object.entries(WEIGHTS) as [Damage, number][], ([, weight]) => weight, dice);
  return { place: dice.pick(all), kind, damage };
}

function weighted<T>(all: readonly T[], weight: (one: T) => number, dice: Dice): T {
  let roll = dice.below(all.reduce((sum, one) => sum + weight(one), 0));
  return all.find((one) => (roll -= weight(one)) < 0)!;
}
