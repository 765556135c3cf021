/**
 * Logs on streams whose calls and answers get lost: what was acknowledged is there, once and in order, and what was fenced is not.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { type Random, seededRandom } from "../engine/random.ts";
import { utf8 } from "../testing/transport_contract.ts";
import { CLUSTER } from "./limits.ts";
import type { Appended, LogPage, ReadTrouble } from "./log.ts";
import { MemoryNetwork, type MemoryNode } from "./memory/network.ts";
import { Schedule } from "./memory/schedule.ts";
import { STREAMS } from "./memory/stream.ts";
import { cutBatch, Joiner, PART_HEAD_BYTES } from "./part.ts";
import { StreamLog } from "./stream_log.ts";

/** Small messages: a batch has up to a few parts. */
const BYTES_MAX = PART_HEAD_BYTES + 8;

/** What became of a batch. */
type Fate = Appended["kind"] | "open";

/** Everything that the writers of a run share. */
interface Run {
  readonly net: MemoryNetwork;
  readonly random: Random;
  readonly fates: Map<string, Fate>;
  /** In the order of the answers. */
  readonly acknowledged: string[];
  lives: number;
}

/** A node that wants to be the only writer: it reads to the end, then appends until it is fenced. */
class Writer {
  readonly #run: Run;
  readonly name: string;
  #node!: MemoryNode;
  #log!: StreamLog;
  #life = "";
  #batches = 0;
  #isDown = false;

  constructor(run: Run, name: string) {
    this.#run = run;
    this.name = name;
    this.begin();
  }

  /** A new life; nothing of the one before is known. */
  begin(): void {
    this.#isDown = false;
    this.#node = this.#run.net.node(this.name);
    this.#life = `${this.name}${++this.#run.lives}`;
    this.#batches = 0;
    this.#log = new StreamLog(this.#node.stream("log"), utf8(this.#life.padEnd(8)), this.#node.clock);
    this.#read();
  }

  crash(): void {
    if (this.#isDown) return;
    this.#isDown = true;
    this.#node.crash();
    const { schedule } = this.#run.net;
    schedule.at(schedule.now() + this.#run.random() % 3000, () => this.begin());
  }

  connect(isConnected: boolean): void {
    this.#node.bus.connect(isConnected);
  }

  #read(): void {
    const reading = this.#log.read(0);
    const told = (page: LogPage | ReadTrouble): void => {
      if ("trouble" in page) this.#later(() => this.#read());
      else if (page.isEnd) this.#append(page.last);
      else reading.next(told);
    };
    reading.next(told);
  }

  #append(last: number): void {
    const { random } = this.#run;
    if (random() % 20 === 0) return this.#later(() => this.#append(last)); // it sleeps, and does not know that it is over
    const batch = `${this.#life}.${++this.#batches}${"-".repeat(random() % 30)}`;
    this.#run.fates.set(batch, "open");
    this.#try(batch, last);
  }

  #try(batch: string, last: number, again?: number): void {
    this.#log.append(utf8(batch), last, (outcome) => {
      this.#run.fates.set(batch, outcome.kind);
      if (outcome.kind === "appended") {
        this.#run.acknowledged.push(batch);
        this.#append(outcome.last);
      } else if (outcome.kind === "unsure" && this.#run.random() % 2 === 0) {
        this.#try(batch, last, outcome.number);
      } else this.#later(() => this.#read());
    }, again);
  }

  #later(run: () => void): void {
    const { clock } = this.#node;
    clock.at(clock.now() + this.#run.random() % 8000, run);
  }
}

/** Runs a seed; returns how many batches ended how. */
function simulate(seed: number): Record<string, number> {
  const random = seededRandom(seed);
  const net = new MemoryNetwork(new Schedule(), seededRandom(seed + 1), BYTES_MAX);
  const run: Run = { net, random, fates: new Map(), acknowledged: [], lives: 0 };
  net.faults.delayMs = [1, 1 + seed % 60];
  const writers = Array.from({ length: 2 + seed % 2 }, (_, i) => new Writer(run, "abc"[i]!));
  const { schedule } = net;
  const end = schedule.now() + 120_000;
  while (schedule.now() < end) {
    schedule.pass(random() % 2000);
    const writer = writers[random() % writers.length]!;
    const what = random() % 12;
    if (what === 0) writer.crash();
    else if (what === 1) net.cut(writer.name, STREAMS);
    else if (what === 2) net.cut(STREAMS, writer.name);
    else if (what === 3 || what === 10) writer.connect(false);
    else if (what < 7) net.heal();
    else if (what === 7) net.faults.streamLoss = random() % 150;
    else if (what === 8) net.faults.streamLoss = 0;
    else if (what === 9) Object.assign(net.faults, { stalls: random() % 10, stallMs: random() % 20_000 });
    for (const other of writers) if (random() % 8 === 0) other.connect(true);
  }
  const joiner = new Joiner();
  const there = net.store("log").messages.map(({ bytes }) => joiner.add(bytes))
    .filter((batch) => batch !== undefined).map((batch) => new TextDecoder().decode(batch));
  const counts: Record<string, number> = {};
  const places = new Map(there.map((batch, place) => [batch, place]));
  assertEquals(places.size, there.length, `seed ${seed}: a batch is there twice`);
  for (const [batch, fate] of run.fates) {
    counts[fate] = (counts[fate] ?? 0) + 1;
    if (fate === "appended") {
      assert(places.has(batch), `seed ${seed}: ${batch} was acknowledged and is not there`);
    }
    if (fate === "fenced" || fate === "failed") {
      assert(!places.has(batch), `seed ${seed}: ${batch} ${fate} is there`);
    }
  }
  // An answer may come late, when the next writer has begun: the order is that of each life.
  const byLife = (batches: readonly string[]): Map<string, string[]> =>
    Map.groupBy(batches, (it) => it.split(".")[0]!);
  const thereByLife = byLife(there);
  for (const [life, batches] of byLife(run.acknowledged)) {
    const kept = thereByLife.get(life)!.filter((batch) => run.fates.get(batch) === "appended");
    assertEquals(kept, batches, `seed ${seed}: order`);
  }
  return counts;
}

describe("a log on a stream that loses calls and answers, with several writers that crash", () => {
  const SEEDS = 60;
  test(`${SEEDS} seeds: what was acknowledged is there, once and in order, and what was fenced is not`, () => {
    const sums: Record<string, number> = {};
    for (let seed = 1; seed <= SEEDS; seed++) {
      for (const [fate, count] of Object.entries(simulate(seed))) sums[fate] = (sums[fate] ?? 0) + count;
    }
    for (const fate of ["appended", "fenced", "unsure", "failed"]) {
      assert((sums[fate] ?? 0) > SEEDS / 20, `too few that teach anything: ${JSON.stringify(sums)}`);
    }
  });
});

describe("an append", () => {
  const opened = () => {
    const net = new MemoryNetwork(new Schedule(), seededRandom(1));
    const node = net.node("a");
    return { net, node, log: new StreamLog(node.stream("log"), utf8("writer-a"), node.clock) };
  };

  test("whose answer is lost is found, and not repeated", () => {
    const { net, log } = opened();
    const outcomes: Appended[] = [];
    net.cut(STREAMS, "a");
    log.append(utf8("x"), 0, (outcome) => outcomes.push(outcome));
    net.schedule.pass(CLUSTER.answerMs);
    net.heal();
    net.schedule.pass(CLUSTER.answerMs);
    assertEquals(outcomes, [{ kind: "appended", last: 1 }]);
    assertEquals(net.store("log").messages.length, 1);
  });

  test("that comes late, behind the look for it and before its repeat, is there once", () => {
    const { net, node, log } = opened();
    const outcomes: Appended[] = [];
    Object.assign(net.faults, { stalls: 1000, stallMs: 2 * CLUSTER.pauseMs });
    log.append(utf8("x"), 0, (outcome) => outcomes.push(outcome));
    net.faults.stalls = 0;
    node.bus.connect(false);
    node.bus.connect(true);
    net.schedule.pass(CLUSTER.retryMs);
    assertEquals(outcomes, [{ kind: "appended", last: 1 }]);
    assertEquals(net.store("log").messages.length, 1);
  });

  test("that nobody takes fails in time, and is not there", () => {
    const { net, node, log } = opened();
    const outcomes: Appended[] = [];
    node.bus.connect(false);
    const began = net.schedule.now();
    log.append(utf8("x"), 0, (outcome) => outcomes.push(outcome));
    while (outcomes.length === 0) assert(net.schedule.step());
    assertEquals(outcomes, [{ kind: "failed", reason: "there is no connection" }]);
    assert(net.schedule.now() - began <= CLUSTER.retryMs);
  });

  test("that nobody answers is unsure; asked again it is found, appended or fenced", () => {
    for (const [way, then] of [["answers", "found"], ["calls", "appended"], ["calls", "fenced"]] as const) {
      const { net, log } = opened();
      const outcomes: Appended[] = [];
      if (way === "answers") net.cut(STREAMS, "a");
      else net.cut("a", STREAMS);
      log.append(utf8("x"), 0, (outcome) => outcomes.push(outcome));
      while (outcomes.length === 0) assert(net.schedule.step());
      const [unsure] = outcomes.splice(0);
      assert(unsure?.kind === "unsure");
      net.heal();
      if (then === "fenced") {
        net.store("log").add(cutBatch(utf8("writer-b"), 1, utf8("y"), 1000)[0]!, undefined, 0);
      }
      log.append(utf8("x"), 0, (outcome) => outcomes.push(outcome), unsure.number);
      net.schedule.pass(CLUSTER.retryMs);
      assertEquals(outcomes, [then === "fenced" ? { kind: "fenced" } : { kind: "appended", last: 1 }], then);
      assertEquals(net.store("log").messages.length, 1, then);
    }
  });

  test("is fenced by an entry that is purged already", () => {
    const { net, log } = opened();
    const store = net.store("log");
    store.add(cutBatch(utf8("writer-b"), 1, utf8("y"), 1000)[0]!, undefined, 0);
    store.purge(1);
    const outcomes: Appended[] = [];
    log.append(utf8("x"), 0, (outcome) => outcomes.push(outcome));
    net.schedule.pass(CLUSTER.retryMs);
    assertEquals(outcomes, [{ kind: "fenced" }]);
  });

  test("is one at a time, and of a bounded size", () => {
    const { log } = opened();
    log.append(utf8("x"), 0, () => {});
    const thrown = (call: () => void): string => {
      try {
        call();
      } catch (error) {
        return (error as Error).message;
      }
      return "nothing";
    };
    assertEquals(thrown(() => log.append(utf8("y"), 1, () => {})), "A log has one append at a time");
    const large = new Uint8Array(CLUSTER.batchBytes + 1);
    assertEquals(
      thrown(() => opened().log.append(large, 0, () => {})),
      `A batch has at most ${CLUSTER.batchBytes} bytes, not ${large.length}`,
    );
  });
});
