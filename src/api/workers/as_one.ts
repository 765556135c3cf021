/**
 * Several workers as one broker, for whoever asks one of them: each operation of the API as its row says (`Among`), and the figures.
 * Knows how answers become one; refuses to know what carries them. What a worker that does not answer has is left out, and its number is
 * in the header `Plumb-Missing`. Loaded only with more than one worker. Why so: spec/decisions/0049-workers-seen-as-one.md
 * @module
 */
import type { BrokerStats, LevelKnown, LimitName, Receivers, WholeStats } from "../../broker/mod.ts";
import type { Figures } from "../../server/open_metrics.ts";
import type { Logins } from "../access.ts";
import { ApiError } from "../error.ts";
import type { ApiHost } from "../host.ts";
import { type ApiWorkers, type Call, inspectorOf, type Operation, paged } from "../operation.ts";
import { figureOperations } from "../routes/figures.ts";
import { Asking, inside } from "./asking.ts";
import type { Channel } from "./channel.ts";
import { explainAmong } from "./explain.ts";
import { type InsideFigures, type InsideReady, type InsideStats, readAgain } from "./inside.ts";
import type { LastCounts } from "./last_counts.ts";
import { sumOf } from "./sum.ts";
import { traceAmong } from "./trace.ts";

/** Sums for `$SYS` are of no other moment than this long ago, ms. */
const FRESH_MS = 1_000;
/** Names in a list of the busiest. */
const BUSIEST_MAX = 32;

interface Items<T = unknown> {
  readonly items: readonly T[];
  readonly next: string | null;
}

/** A level of the tree of topics, as far as it is looked at here. */
interface Level {
  readonly name: string;
  readonly hasChildren: boolean;
}

/** What one answers to `figures`. */
interface FigureAnswer {
  readonly process: { readonly since: number; readonly residentBytes: number; readonly cpuSeconds: number };
  readonly connected: number;
  readonly sessions: number;
  readonly latencies: Figures["latencies"];
}

/** The figures of all, in the form of one's, and of each some. */
export interface WholeFigures {
  readonly figures: FigureAnswer & { readonly workers: readonly object[] };
  readonly missing: readonly number[];
}

/** How an operation that is `merged` is done. */
type Merging = (asking: Asking, operation: Operation, call: Call) => unknown;

/** What one of the workers has for it. */
export interface AsOneParts {
  readonly host: ApiHost;
  readonly channel: Channel;
  /** Those that have begun here. */
  readonly logins: Logins;
  /** The same that this worker tells others of. */
  readonly counts: LastCounts;
  /** Limits of which each worker has a share. */
  readonly shared: readonly LimitName[];
}

/** For one of the workers. */
export class AsOne implements ApiWorkers {
  readonly #host: ApiHost;
  readonly #channel: Channel;
  readonly #logins: Logins;
  readonly #merged: Readonly<Record<string, Merging>>;
  readonly #counts: LastCounts;
  /** The stats of others, and when they were there: ms since the epoch. */
  #others:
    | { readonly at: number; readonly all: readonly InsideStats[]; readonly ended: readonly object[] }
    | undefined;
  #isAskingStats = false;

  constructor({ host, channel, logins, counts, shared }: AsOneParts) {
    this.#host = host;
    this.#logins = logins;
    this.#counts = counts;
    this.#channel = channel;
    this.#merged = {
      logout: async (asking, operation, call) => {
        if (call.cookie !== undefined) await asking.askOthers(inside("logout", { cookie: call.cookie }));
        return await operation.run(call);
      },
      figures: async (asking, _, { now }) => {
        const { figures, missing } = await this.#figures(now);
        for (const worker of missing) asking.isMissing(worker);
        return asking.reply(figures);
      },
      topics: (asking, operation, call) => parts(asking, operation, call, newLevels),
      publish: published,
      limits: (asking, operation, call) => limits(asking, operation, call, shared),
      listeners,
      explain: explainAmong,
      trace: traceAmong,
      export: exported,
    };
  }

  /** The operations that it does in a way of their own. */
  get merged(): readonly string[] {
    return Object.keys(this.#merged);
  }

  async run(operation: Operation, call: Call): Promise<unknown> {
    const asking = new Asking(this.#channel);
    switch (operation.among) {
      case "any":
        return await operation.run(call);
      case "any list":
        return await anyList(asking, operation, call);
      case "parts":
        return await parts(asking, operation, call);
      case "holder":
        return await holder(asking, operation, call);
      case "files":
        return await this.#files(asking, operation, call);
      case "merged":
        return await this.#merged[operation.id]!(asking, operation, call);
    }
  }

  async #files(asking: Asking, operation: Operation, call: Call): Promise<unknown> {
    for (const worker of inOrder(asking)) {
      const body = await asking.at(worker, operation, call);
      if (asking.missing.includes(worker)) continue;
      const name = call.given["name"] as string | undefined;
      if (worker !== asking.number) await readAgain(this.#host, this.#logins, name);
      await Promise.all(
        asking.others.filter((other) => other !== worker && !asking.missing.includes(other))
          .map((other) =>
            asking.ask(other, inside("read-again", { ...name !== undefined && { user: name } }))
          ),
      );
      return asking.reply(body);
    }
    throw new ApiError("not-running", "No worker answers");
  }

  async userOf(cookie: string): Promise<string | undefined> {
    const answers = await new Asking(this.#channel).askOthers(inside("user", { cookie }));
    return [...answers.values()].map((one) => (one as { user?: string }).user).find((user) =>
      user !== undefined
    );
  }

  /** Why not all of them are ready; undefined if they are. This one is. */
  async unready(): Promise<string | undefined> {
    const asking = new Asking(this.#channel);
    const answers = await asking.askOthers(inside("ready", {})) as Map<number, InsideReady>;
    if (asking.missing.length > 0) return `worker ${asking.missing.join(", ")} does not take Clients`;
    const failing = [...answers].flatMap(([worker, { isFailing }]) => isFailing ? [worker] : []);
    return failing.length === 0 ? undefined : `the store of worker ${failing.join(", ")} fails`;
  }

  /** The figures of all, for monitors; undefined while this one takes no Clients. */
  async figures(): Promise<Figures | undefined> {
    if (this.#host.server() === undefined) return undefined;
    const { figures } = await this.#figures(this.#host.now());
    const {
      process,
      listeners,
      latencies,
      store,
      bridges,
      hooks,
      webhook,
      busiest,
      workers,
      now: _,
      ...stats
    } = figures as unknown as Record<string, unknown>;
    const { bounds: __, ...times } = latencies as Record<string, unknown>;
    return {
      process,
      listeners,
      latencies: times,
      store,
      bridges,
      rules: { hooks, webhook },
      busiest,
      workers,
      stats,
    } as unknown as Figures;
  }

  async #figures(now: number): Promise<WholeFigures> {
    const asking = new Asking(this.#channel);
    const call = { host: this.#host, now, given: {}, body: undefined } as unknown as Call;
    const own = figureOperations[0]!.run(call) as FigureAnswer;
    this.#counts.took(asking.number, own.process.since, own);
    const answers = new Map([[asking.number, own]]);
    const others = await asking.askOthers(inside("figures", { known: this.#counts.told }));
    for (const [worker, { figures, known }] of others as Map<number, InsideFigures<FigureAnswer>>) {
      this.#counts.learn(known);
      this.#counts.took(worker, figures.process.since, figures);
      answers.set(worker, figures);
    }
    const { missing } = asking;
    const sum = sumOf([...answers.values()], this.#counts.besides(missing)) as FigureAnswer & {
      busiest?: Readonly<Record<string, readonly { readonly perSecond: number }[]>>;
    };
    const busiest = sum.busiest && Object.fromEntries(
      Object.entries(sum.busiest).map((
        [name, all],
      ) => [name, [...all].sort((a, b) => b.perSecond - a.perSecond).slice(0, BUSIEST_MAX)]),
    );
    const workers = inOrder(asking).map((number) => workerOf(number, answers.get(number)));
    const process = { ...sum.process, since: this.#counts.since };
    return { figures: { ...sum, process, ...busiest && { busiest }, workers }, missing };
  }

  /**
   * These stats and those of the others as of now, and when the first of them was started; undefined until the others have answered:
   * then it is to be called again. They are asked while it is called.
   */
  whole(own: BrokerStats): WholeStats | undefined {
    const others = this.#others;
    if (others === undefined || this.#host.now() - others.at > FRESH_MS) {
      if (!this.#isAskingStats) void this.#askStats();
      return undefined;
    }
    this.#others = undefined; // shown once
    return {
      stats: sumOf([own, ...others.all.map(({ stats }) => stats)], others.ended),
      since: this.#counts.since,
    };
  }

  async #askStats(): Promise<void> {
    this.#isAskingStats = true;
    try {
      const asking = new Asking(this.#channel);
      const said = await asking.askOthers(inside("stats", { known: this.#counts.told }));
      const answers = said as Map<number, InsideStats>;
      for (const [worker, { since, stats, known }] of answers) {
        this.#counts.learn(known);
        this.#counts.took(worker, since, stats);
      }
      const ended = this.#counts.besides(asking.missing);
      this.#others = { at: this.#host.now(), all: [...answers.values()], ended };
    } catch (error) {
      this.#host.failed(error);
    } finally {
      this.#isAskingStats = false;
    }
  }
}

/** One of them, as it is shown beside the sums. */
function workerOf(number: number, answer: FigureAnswer | undefined): object {
  if (answer === undefined) {
    const none = {
      since: null,
      connected: null,
      sessions: null,
      residentBytes: null,
      cpuSeconds: null,
      loopLag: null,
    };
    return { number, isUp: false, ...none };
  }
  const { process: { since, residentBytes, cpuSeconds }, connected, sessions, latencies: { loopLag } } =
    answer;
  return { number, isUp: true, since, connected, sessions, residentBytes, cpuSeconds, loopLag };
}

const OVER = undefined;

/** `2.abc`: from that worker, with its own cursor behind the point; `2`: from its beginning. @throws {ApiError} for what is none. */
function cursorOf(
  { given }: Call,
  of: number,
): readonly [worker: number, own: string | undefined] | undefined {
  const after = given["after"];
  if (after === undefined) return undefined;
  const [, worker, own] = /^([1-9]\d*)(?:\.([0-9a-z]+))?$/.exec(String(after)) ?? [];
  if (worker === undefined || Number(worker) > of) return paged(OVER);
  return [Number(worker), own];
}

function withPage(call: Call, limit: number, after: string | undefined): Call {
  const { after: _, ...given } = call.given;
  return { ...call, given: { ...given, limit, ...after !== undefined && { after } } };
}

async function anyList(asking: Asking, operation: Operation, call: Call): Promise<unknown> {
  const [worker, own] = cursorOf(call, asking.channel.of) ?? [asking.number];
  const answer = await asking.at(worker, operation, withPage(call, call.given["limit"] as number, own));
  const { items, next } = (answer ?? paged(OVER)) as Items;
  return { items, next: next === null ? null : `${worker}.${next}` };
}

/** Takes from a page of a worker what earlier ones have not shown. */
type Sift = (
  asking: Asking,
  items: readonly unknown[],
  worker: number,
  call: Call,
) => Promise<readonly unknown[]>;

async function parts(asking: Asking, operation: Operation, call: Call, sift?: Sift): Promise<unknown> {
  const limit = call.given["limit"] as number;
  const found: unknown[] = [];
  let [worker, own] = cursorOf(call, asking.channel.of) ?? [1, undefined];
  for (; worker <= asking.channel.of; worker++, own = undefined) {
    if (found.length === limit) return asking.reply({ items: found, next: `${worker}` });
    const answer = await asking.at(worker, operation, withPage(call, limit - found.length, own)) as
      | Items
      | undefined;
    if (answer === undefined) continue;
    const { items, next } = answer;
    found.push(...await sift?.(asking, items, worker, call) ?? items);
    if (next !== null) return asking.reply({ items: found, next: `${worker}.${next}` });
  }
  return asking.reply({ items: found, next: null });
}

/** A level is shown once, by the first of the workers that know it; each of them may know other levels below. */
async function newLevels(
  asking: Asking,
  items: readonly unknown[],
  worker: number,
  call: Call,
): Promise<readonly Level[]> {
  const levels = items as readonly Level[];
  if (levels.length === 0) return levels;
  const under = call.given["under"] as string | undefined;
  const names = levels.map(({ name }) => name);
  const said = await Promise.all(
    asking.all.filter((other) => other !== worker).map(async (other) => {
      const known = other === asking.number
        ? inspectorOf(call).levelsKnown(names, under, call.host.numbers.apiLooksMax)
        : (await asking.ask(other, inside("levels", { names, ...under !== undefined && { under } })) as
          | { known: LevelKnown[] }
          | undefined)?.known;
      return { other, known: known ?? [] };
    }),
  );
  return levels.flatMap((level, i) => {
    if (said.some(({ other, known }) => other < worker && (known[i] ?? "unknown") !== "unknown")) return [];
    return [{ ...level, hasChildren: level.hasChildren || said.some(({ known }) => known[i] === "parent") }];
  });
}

/** What the first of the workers answers that has it. */
async function holder(asking: Asking, operation: Operation, call: Call): Promise<unknown> {
  const answers = await Promise.all(asking.all.map(async (worker) => {
    try {
      return { body: await asking.at(worker, operation, call), worker };
    } catch (error) {
      return { error, worker };
    }
  }));
  const there = answers.filter(({ worker }) => !asking.missing.includes(worker));
  const isNone = ({ error }: { error?: unknown }) => error instanceof ApiError && error.code === "not-found";
  const answer = there.find((one) => !isNone(one)) ?? there[0]!;
  if (!("error" in answer)) return asking.reply(answer.body);
  if (!isNone(answer) || asking.missing.length === 0) throw answer.error;
  throw new ApiError(
    "not-running",
    `Worker ${asking.missing.join(", ")} does not answer, and no other one has it: try again`,
  );
}

async function published(asking: Asking, operation: Operation, call: Call): Promise<unknown> {
  await operation.run(call);
  const { topic } = call.body as { topic: string };
  const others = await asking.askOthers(inside("receivers", { topic }));
  const all = [inspectorOf(call).receivers(topic), ...others.values() as Iterable<Receivers>];
  const sessions = all.reduce((sum, one) => sum + one.sessions, 0);
  return asking.reply({ matched: sessions + Math.max(...all.map(({ groups }) => groups)) });
}

function inOrder({ all }: Asking): number[] {
  return [...all].sort((one, other) => one - other);
}

/** Whoever is asked reads the files of all: a worker that is away has its data there too. */
async function exported(asking: Asking, operation: Operation, call: Call): Promise<unknown> {
  await asking.askOthers(inside("until-safe", {}));
  return await operation.run(call);
}

interface LimitAnswer {
  readonly name: string;
  readonly value: number;
  readonly reached: number;
}

async function limits(
  asking: Asking,
  operation: Operation,
  call: Call,
  shared: readonly string[],
): Promise<unknown> {
  const answers = [...(await asking.each(operation, call)).values()] as {
    readonly items: readonly LimitAnswer[];
  }[];
  const items = answers[0]!.items.map((item) => {
    const all = answers.flatMap(({ items }) => items.filter(({ name }) => name === item.name));
    const sum = (of: (one: LimitAnswer) => number) => all.reduce((sum, one) => sum + of(one), 0);
    return {
      ...item,
      value: shared.includes(item.name) ? sum(({ value }) => value) : item.value,
      reached: sum(({ reached }) => reached),
    };
  });
  return asking.reply({ items });
}

interface ListenerAnswer {
  readonly url: string;
  readonly addresses: readonly string[];
}

/** A listener that one worker alone has is one of them all. */
async function listeners(asking: Asking, operation: Operation, call: Call): Promise<unknown> {
  const answers = [...(await asking.each(operation, call)).values()] as {
    readonly items: ListenerAnswer[];
  }[];
  const all = answers.flatMap(({ items }) => items);
  const items = [...new Set(all.map(({ url }) => url))].map((url) => {
    const same = all.filter((one) => one.url === url);
    return { ...same[0], addresses: [...new Set(same.flatMap(({ addresses }) => addresses))] };
  });
  return asking.reply({ items });
}
