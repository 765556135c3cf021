/**
 * A broker for people's tests: in memory, under a virtual clock, without a port and without waiting.
 *
 * @example
 * ```ts
 * import { testBroker } from "@plumb/mqtt/testing";
 *
 * await using broker = testBroker();
 * const client = await broker.connect({ clientId: "kitchen", keepAlive: 60 });
 * const news = await client.subscribe("news", { qos: 1 });
 * broker.publish({ topic: "news", payload: "hello", qos: 1 });
 * broker.cut(); // every connection is lost
 * await broker.advance(60_000); // a minute has passed: the Client is back
 * ```
 *
 * Knows how broker and Clients are joined; refuses to know what is tested.
 * @module
 */
import { Broker, type BrokerOptions, type MessageInit, type Tap, type TappedMessage } from "../broker/mod.ts";
import type { Client } from "../client_api/client.ts";
import { connectBy } from "../client_api/whole.ts";
import type { ConnectOptions, Dialer } from "../client_api/options.ts";
import { seededRandom } from "../engine/random.ts";
import { Driver } from "../server/driver.ts";
import { type MemoryPair, memoryPair, moved } from "../transport/memory.ts";
import { settled, VirtualTime } from "./virtual_time.ts";

export type { Broker, BrokerOptions, Client, ConnectOptions, Dialer };
export { type MessageInit, type TappedMessage, VirtualTime };

/** How a broker for tests behaves. */
export interface TestBrokerOptions extends BrokerOptions {
  /** The first moment, ms since the epoch; default 2025-01-01. */
  readonly now?: number;
  /** For the waits of Clients, and identifiers; default 1. */
  readonly seed?: number;
}

/** One broker, its clock and its network. `testBroker()` makes it. */
export class TestBroker implements AsyncDisposable {
  /** The engine, to look at: `stats`, `session()`. What changes something goes through `run()`. */
  readonly broker: Broker;
  /** The clock and the turns of the broker and its Clients, for programs that take a loop. */
  readonly loop: VirtualTime;
  /** While it is false, new connections fail. */
  isReachable = true;
  readonly #driver: Driver;
  readonly #random: () => number;
  readonly #pairs: Set<MemoryPair> = new Set();
  readonly #clients: Set<Client> = new Set();
  #port = 49_152;

  /** @internal */
  constructor({ now = Date.UTC(2025, 0), seed = 1, ...options }: TestBrokerOptions) {
    this.#random = seededRandom(seed);
    this.loop = new VirtualTime(now);
    this.broker = new Broker({ random: this.#random, ...options });
    this.#driver = new Driver(this.broker, this.loop);
  }

  /** The present, ms since the epoch. */
  get now(): number {
    return this.loop.now();
  }

  /** Connects a Client of this broker, which lives by its clock. Rejects as `connect()` of `@plumb/mqtt/client`. */
  async connect(options: ConnectOptions = {}): Promise<Client> {
    const own = { loop: this.loop, random: this.#random, ...options };
    const client = await connectBy(this.dial, "memory://test", own);
    this.#clients.add(client);
    return client;
  }

  /** The network, for programs that take a `Dialer`: `connect(url, { dial: broker.dial })`. */
  readonly dial: Dialer = () => {
    if (!this.isReachable) return Promise.reject(new Error("The test broker is not reachable"));
    const pair = memoryPair({ label: "test" });
    this.#pairs.add(pair);
    let isMoving = false;
    const move = (): void => {
      if (isMoving) return;
      isMoving = true;
      this.loop.endOfTurn(() => {
        isMoving = false;
        pair.deliver();
      });
    };
    const peer = { address: "127.0.0.1", port: this.#port++, transport: "memory" } as const;
    this.#driver.accept(moved(pair.left, move, () => this.#pairs.delete(pair)), peer);
    return Promise.resolve(moved(pair.right, move));
  };

  /** Publishes as the Server itself. @throws {UsageError} for what cannot be sent. */
  publish(message: MessageInit): void {
    this.run((broker, now) => broker.publish(message, now));
  }

  /** Has `received` called for each message that a Topic Filter matches. Returns what ends that. */
  tap(filter: string, received: (message: TappedMessage) => void): () => void {
    const tap: Tap = this.broker.tap(filter, received);
    return () => this.broker.untap(tap);
  }

  /** Calls the engine with the time, and has the turn end. */
  run<T>(action: (broker: Broker, now: number) => T): T {
    return this.#driver.run(action);
  }

  /** The network fails: every connection is lost, and what was under way. */
  cut(): void {
    for (const pair of [...this.#pairs]) {
      pair.left.abort();
      pair.deliver();
    }
  }

  /** Resolves when nothing moves any more at this time. */
  settle(): Promise<void> {
    return settled();
  }

  /** Lets time pass: every timer of the broker and its Clients that is due runs, in order, at its time. */
  advance(ms: number): Promise<void> {
    return this.loop.advance(ms);
  }

  /** Closes the Clients, then the broker. */
  async close(): Promise<void> {
    for (const client of this.#clients) void client.close({ timeoutMs: 0 });
    let isOver = false;
    const closed = this.#driver.close().then(() => isOver = true);
    while (!isOver) await this.advance(1_000); // peers that do not close are waited for
    await closed;
  }

  /** The same, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Makes a broker for a test. */
export function testBroker(options: TestBrokerOptions = {}): TestBroker {
  return new TestBroker(options);
}
