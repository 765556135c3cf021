/**
 * A Client against our broker under virtual time, with chunks of any size, cuts at any byte, lost sessions, and processes that die
 * with their store: whatever happens, each call is settled once, and §4.3 and §4.6 hold.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { describe, test } from "node:test";
import { type Random, seededRandom } from "../engine/random.ts";
import { MemoryRecords, type Outcome, Reader, Server, World } from "../testing/client_world.ts";
import { patient } from "../testing/patience.ts";

/** Seeds of one run of the tests; `PLUMB_CLIENT_SEEDS` of the environment for more. */
const SEEDS = Number(process.env["PLUMB_CLIENT_SEEDS"] ?? 150);

interface Sent {
  readonly text: string;
  readonly qos: 0 | 1 | 2;
  readonly outcome: Outcome;
}

/** What one seed does. */
class Run {
  readonly #random: Random;
  readonly #server: Server;
  readonly #records: MemoryRecords | undefined;
  readonly #level: 4 | 5;
  #world!: World;
  #reader!: Reader;
  readonly #sent: Sent[] = [];
  /** What every process has got, in order. */
  readonly #got: string[] = [];
  #taken = 0;
  #serial = 0;
  #sessionsLost = 0;
  #deaths = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#level = this.#chance(2) ? 5 : 4;
    this.#server = new Server();
    this.#records = this.#chance(2) ? new MemoryRecords() : undefined;
  }

  #below(bound: number): number {
    return this.#random() % bound;
  }

  #chance(oneIn: number): boolean {
    return this.#below(oneIn) === 0;
  }

  #begin(records: MemoryRecords | undefined): void {
    const most = [1, 3, 20, 1_000][this.#below(4)]!;
    const capacityBytes = [7, 50, Infinity][this.#below(3)]!;
    this.#world = new World(this.#server, {
      seed: this.#random(),
      memory: { chunkBytes: () => 1 + this.#below(most), capacityBytes },
      ...records !== undefined && { records },
      engine: {
        clientId: "c",
        cleanStart: false,
        level: this.#level,
        patienceMs: 3_600_000,
        topicAliasMaximum: this.#below(3),
        receiveMaximum: 1 + this.#below(10),
        limits: { inFlightMax: 1 + this.#below(5), outboundBytesMax: 100 },
      },
    });
    this.#reader = new Reader(false);
    this.#world.engine.start(this.#world.now);
    this.#world.subscribe({ filter: "t/#", qos: 2 }, this.#reader);
    this.#taken = 0;
  }

  /** The application takes some of what has come, in its order, and is done with it. */
  #take(most: number): void {
    for (const { got } = this.#reader; most > 0 && this.#taken < got.length; most--) {
      const message = got[this.#taken++]!;
      this.#got.push(new TextDecoder().decode(message.publish.payload));
      message.done();
    }
  }

  #publish(): void {
    const qos = this.#below(3) as 0 | 1 | 2;
    const text = `${this.#serial++}${"x".repeat(this.#chance(8) ? 200 : 0)}`;
    const topic = `t/${this.#below(3)}`;
    const last = this.#sent.at(-1);
    if (qos === 0 && last?.qos === 0 && this.#world.join(last.outcome, topic, text)) {
      this.#sent.push({ text, qos, outcome: last.outcome });
    } else {this.#sent.push({
        text: `${text}`,
        qos,
        outcome: this.#world.publish({ topic, payload: text, qos }),
      });}
  }

  run(): void {
    this.#begin(this.#records);
    for (let i = 0; i < 120; i++) {
      switch (this.#below(12)) {
        case 0:
        case 1:
        case 2:
        case 3:
          this.#publish();
          break;
        case 4:
          this.#take(1 + this.#below(5));
          break;
        case 5:
          this.#world.cut();
          break;
        case 6:
          this.#world.advance(this.#below(2_000));
          break;
        case 7:
          if (this.#chance(12)) {
            this.#server.replace(); // no DISCONNECT, and no session
            this.#world.cut();
            this.#sessionsLost++;
          }
          break;
        case 8:
          if (this.#records !== undefined && this.#chance(6)) {
            this.#deaths++;
            this.#world.die();
            this.#begin(new MemoryRecords(this.#world.records!.safe));
          }
          break;
        default:
          for (let steps = this.#below(60); steps > 0 && this.#world.step(); steps--);
      }
    }
    this.#quiet();
    this.#check();
  }

  /** Nothing is lost any more, and the application takes everything. */
  #quiet(): void {
    for (let i = 0; i < 400; i++) {
      this.#world.advance(1_000);
      this.#take(Infinity);
      const { engine } = this.#world;
      if (
        i > 60 && engine.status === "connected" && engine.outbound.isIdle &&
        this.#taken === this.#reader.got.length
      ) break;
    }
    this.#world.settle();
  }

  #check(): void {
    assertEquals(this.#world.engine.status, "connected");
    assert(this.#world.engine.outbound.isIdle, "something of the Client is still under way");
    const times = new Map<string, number>();
    for (const text of this.#got) times.set(text, (times.get(text) ?? 0) + 1);
    for (const { text, qos, outcome } of this.#sent) {
      const count = times.get(text) ?? 0;
      const what = `message ${text} of QoS ${qos}, ${count} times, settled ${outcome.times} (${
        outcome.error ?? outcome.code
      })`;
      if (this.#deaths === 0) assertEquals(outcome.times, 1, what);
      else assert(outcome.times <= 1, what);
      if (qos === 0) assert(count <= 1, what);
      if (this.#sessionsLost === 0 && this.#deaths === 0) {
        if (qos > 0) assertEquals([outcome.error, count > 0], [undefined, true], what);
        if (qos === 2) assertEquals(count, 1, what);
      }
      if (this.#deaths > 0 && this.#sessionsLost === 0 && outcome.times === 1 && qos > 0) {
        assert(count > 0, what);
      }
    }
    if (this.#sessionsLost > 0 || this.#deaths > 0) return;
    for (const qos of [1, 2]) { // the first time that each came
      const sent = this.#sent.filter((one) => one.qos === qos).map(({ text }) => text);
      assertEquals([...times.keys()].filter((text) => sent.includes(text)), sent);
    }
  }

  /** What has happened. */
  get tally(): readonly number[] {
    const { losses } = this.#world;
    return [this.#got.length, losses.length, this.#sessionsLost, this.#deaths];
  }
}

describe("a Client whose connections and processes end at any moment", () => {
  test("settles each call once, and keeps what QoS 1 and 2 promise, in order", patient, () => {
    const from = Number(process.env["PLUMB_CLIENT_SEED"] ?? 1);
    let tally: readonly number[] = [0, 0, 0, 0];
    for (let seed = from; seed < from + SEEDS; seed++) {
      const run = new Run(seed);
      try {
        run.run();
        tally = tally.map((count, i) => count + run.tally[i]!);
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).stack}`, { cause: error });
      }
    }
    assert(
      SEEDS < 50 || tally.every((count) => count > SEEDS / 10),
      `hardly anything has happened: ${tally}`,
    );
  });
});
