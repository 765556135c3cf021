/**
 * Every promise of a Client is settled, whatever becomes of its connections, its Server, its store and its signals: by the deadline of a
 * request, with an abort, and with `close()` at the latest.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { describe, test } from "node:test";
import { UsageError } from "../codec/error.ts";
import { type Random, seededRandom } from "../engine/random.ts";
import { type TestBroker, testBroker } from "../test_broker/mod.ts";
import { patient } from "../testing/patience.ts";
import { type Client, type ClientStore, MqttError, type Subscription } from "./mod.ts";

const SEEDS = Number(process.env["PLUMB_CLIENT_SEEDS"] ?? 60);
const FROM = Number(process.env["PLUMB_CLIENT_SEED"] ?? 1);
const TIMEOUT_MS = 3_000;
const ABORTED = new Error("aborted");

/** One promise. */
interface Call {
  readonly what: string;
  isSettled: boolean;
  /** ms since the epoch: it is settled by then. */
  dueAt: number;
}

/** A store that is slow, or fails, by chance. */
class UnsteadyStore implements ClientStore {
  readonly #broker: TestBroker;
  readonly #random: Random;

  constructor(broker: TestBroker, random: Random) {
    this.#broker = broker;
    this.#random = random;
  }

  load(): [] {
    return [];
  }

  put(): void {}

  delete(): void {}

  commit(): void | Promise<void> {
    const { loop } = this.#broker;
    switch (this.#random() % 8) {
      case 0:
        throw new Error("disk full");
      case 1:
        return Promise.reject(new Error("disk full"));
      case 2:
      case 3:
        return new Promise((resolve) => loop.at(loop.now() + 1 + this.#random() % 500, resolve));
    }
  }
}

/** What one seed does. */
class Run {
  readonly #random: Random;
  readonly #broker: TestBroker;
  readonly #calls: Call[] = [];
  readonly #signals: { readonly stop: AbortController; readonly call: Call }[] = [];
  readonly #subscriptions: Subscription<Uint8Array, unknown>[] = [];
  readonly #faults: string[] = [];
  #client: Client | undefined;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#broker = testBroker({
      seed,
      authorize: ({ topic }) => topic === "no" ? 0x87 : 0,
    });
  }

  #below(bound: number): number {
    return this.#random() % bound;
  }

  #chance(oneIn: number): boolean {
    return this.#below(oneIn) === 0;
  }

  /** Keeps an eye on a promise. */
  #watch<T>(what: string, promise: Promise<T>, then: (value: T) => void = () => {}): Call {
    const call: Call = { what, isSettled: false, dueAt: Infinity };
    this.#calls.push(call);
    promise.then(then, (error) => {
      const isKnown = error instanceof MqttError || error instanceof UsageError || error === ABORTED;
      if (!isKnown) this.#faults.push(`${what} fails with ${error?.stack ?? error}`);
    }).finally(() => call.isSettled = true);
    return call;
  }

  /** Now and then one that will be aborted. */
  #signal(): AbortController | undefined {
    return this.#chance(3) ? new AbortController() : undefined;
  }

  #aborts(stop: AbortController | undefined, call: Call): void {
    if (stop !== undefined) this.#signals.push({ stop, call });
  }

  #connect(): void {
    const broker = this.#broker;
    if (this.#chance(4)) broker.isReachable = false;
    const stop = this.#signal();
    const call = this.#watch(
      "connect()",
      broker.connect({
        clientId: "client",
        level: this.#chance(2) ? 5 : "auto",
        reconnect: { minMs: 10, maxMs: 1_000 },
        ...this.#chance(2) && { connectTimeoutMs: TIMEOUT_MS },
        ...this.#chance(2) && { store: new UnsteadyStore(broker, this.#random) },
        ...stop !== undefined && { signal: stop.signal },
        ...this.#chance(2) && { offlineQueue: { messages: 5 } },
      }),
      (client) => this.#client = client,
    );
    if (stop !== undefined && this.#chance(2)) this.#aborts(stop, call);
  }

  #act(client: Client): void {
    const stop = this.#signal();
    const signal = stop !== undefined ? { signal: stop.signal } : {};
    const topic = ["a", "b", "no", "a/#", ""][this.#below(this.#chance(4) ? 5 : 2)]!;
    const qos = this.#below(3) as 0 | 1 | 2;
    switch (this.#below(12)) {
      case 0:
      case 1:
      case 2: {
        const offline = (["queue", "fail", "drop"] as const)[this.#below(3)]!;
        const what = `publish(${topic}) at QoS ${qos}`;
        return this.#aborts(stop, this.#watch(what, client.publish(topic, "", { qos, offline, ...signal })));
      }
      case 3:
      case 4: {
        const what = `subscribe(${topic})`;
        const subscribed = client.subscribe(topic, { qos, ...signal });
        return this.#aborts(stop, this.#watch(what, subscribed, (one) => this.#subscriptions.push(one)));
      }
      case 5: {
        const [one] = this.#subscriptions.splice(0, 1);
        if (one !== undefined) this.#watch("unsubscribe()", one.unsubscribe());
        return;
      }
      case 6: {
        const one = this.#subscriptions[this.#below(3)];
        if (one !== undefined) this.#watch("next()", one[Symbol.asyncIterator]().next());
        return;
      }
      case 7:
      case 8: {
        const call = this.#watch(
          `request(${topic}) at QoS ${qos}`,
          client.request(topic, "", { qos, timeoutMs: TIMEOUT_MS, ...signal }),
        );
        call.dueAt = this.#broker.now + TIMEOUT_MS;
        return this.#aborts(stop, call);
      }
      case 9: {
        const answers = client.requestMany(topic, "", { qos, timeoutMs: TIMEOUT_MS, ...signal });
        const call = this.#watch(
          `requestMany(${topic}) at QoS ${qos}`,
          answers[Symbol.asyncIterator]().next(),
        );
        call.dueAt = this.#broker.now + TIMEOUT_MS;
        return this.#aborts(stop, call);
      }
      case 10:
        return void this.#watch("reauthenticate()", client.reauthenticate());
      case 11:
        if (this.#chance(8)) this.#watch("close()", client.close({ timeoutMs: this.#below(2) * 1_000 }));
    }
  }

  async #chances(): Promise<void> {
    const broker = this.#broker;
    switch (this.#below(8)) {
      case 0:
        return broker.cut();
      case 1:
        broker.isReachable = this.#chance(2);
        return broker.cut();
      case 2:
        return await broker.settle();
      case 3:
      case 4:
        await broker.advance(this.#below(2_000));
        for (const { what, isSettled, dueAt } of this.#calls) {
          assert(isSettled || broker.now <= dueAt, `${what} is late`);
        }
        return;
      case 5: {
        const [aborted] = this.#signals.splice(this.#below(3), 1);
        if (aborted === undefined) return;
        aborted.stop.abort(ABORTED);
        await broker.settle();
        const isMany = aborted.call.what.startsWith("requestMany");
        assert(aborted.call.isSettled || isMany, `${aborted.call.what} outlives its signal`);
      }
    }
  }

  async run(): Promise<void> {
    this.#connect();
    for (let i = 0; i < 80; i++) {
      if (this.#client !== undefined && this.#chance(2)) this.#act(this.#client);
      else await this.#chances();
    }
    if (this.#client === undefined) {
      this.#broker.isReachable = true;
      await this.#broker.advance(60_000);
    } else {
      const client: Client = this.#client;
      this.#watch("the last close()", client.close({ timeoutMs: this.#below(2) * 1_000 }));
      this.#act(client);
      await this.#broker.advance(20_000);
      for (let i = 0; i < 10; i++) this.#act(client);
      await this.#broker.advance(20_000);
    }
    const open = this.#calls.filter(({ isSettled }) => !isSettled).map(({ what }) => what);
    assertEquals(
      [open, this.#faults],
      [[], []],
      "what was never settled, and errors that are none of the Client's",
    );
    await this.#broker.close();
  }

  get settled(): number {
    return this.#calls.length;
  }
}

describe("every promise of a Client", () => {
  test("is settled, whatever happens", patient, async () => {
    let settled = 0;
    for (let seed = FROM; seed < FROM + SEEDS; seed++) {
      const run = new Run(seed);
      try {
        await run.run();
        settled += run.settled;
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).stack}`, { cause: error });
      }
    }
    assert(settled > 10 * SEEDS, `${settled} promises`);
  });
});
