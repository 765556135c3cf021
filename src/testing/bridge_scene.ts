/**
 * Two brokers under one virtual clock, and a bridge between them that can be cut and killed at any byte.
 * Knows brokers, links and what a killed process leaves; refuses to know what a bridge should do.
 * @module
 */
import { Bridge, type BridgeAround, type BridgeOptions } from "../bridge/bridge.ts";
import type { BaseStore } from "../bridge/store.ts";
import { Broker, type BrokerOptions, type MessageInit } from "../broker/mod.ts";
import type { Client } from "../client_api/client.ts";
import type { ClientLoop } from "../client_api/loop.ts";
import type { ConnectOptions, Dialer } from "../client_api/options.ts";
import { connectBy } from "../client_api/whole.ts";
import { seededRandom } from "../engine/random.ts";
import { Driver } from "../server/driver.ts";
import { VirtualTime } from "../test_broker/virtual_time.ts";
import { memoryPair, moved } from "../transport/memory.ts";
import type { Transport } from "../transport/transport.ts";

/** A store in memory: a copy for each commit. */
export class MemoryBase implements BaseStore {
  /** What is safe: another process finds it. */
  readonly safe: Map<number, Uint8Array>;
  readonly #changes: Map<number, Uint8Array | undefined> = new Map();
  /** The process is dead, or the disk full: commits fail. */
  isBroken = false;
  commits = 0;

  constructor(safe: ReadonlyMap<number, Uint8Array> = new Map()) {
    this.safe = new Map(safe);
  }

  load(): Iterable<readonly [number, Uint8Array]> {
    return [...this.safe].sort(([a], [b]) => a - b);
  }

  put(key: number, record: Uint8Array): void {
    this.#changes.set(key, record.slice());
  }

  delete(key: number): void {
    this.#changes.set(key, undefined);
  }

  commit(): void {
    if (this.isBroken) throw new Error("the disk is full");
    this.commits++;
    for (const [key, record] of this.#changes) {
      if (record === undefined) this.safe.delete(key);
      else this.safe.set(key, record);
    }
    this.#changes.clear();
  }

  close(): void {}
}

/** One broker of the scene. */
export class SceneBroker {
  readonly broker: Broker;
  readonly driver: Driver;
  readonly #loop: VirtualTime;
  readonly #open: Set<Transport> = new Set();
  isReachable = true;

  constructor(loop: VirtualTime, options: BrokerOptions) {
    this.#loop = loop;
    this.broker = new Broker({ random: seededRandom(1), ...options });
    this.driver = new Driver(this.broker, loop);
  }

  /** Opens a connection; `step` is called for each chunk that moves. */
  dial(step: () => void = () => {}, accept?: (transport: Transport) => void): Transport {
    const pair = memoryPair({ label: "scene" });
    let isMoving = false;
    const move = (): void => {
      if (isMoving) return;
      isMoving = true;
      this.#loop.endOfTurn(() => {
        isMoving = false;
        while (pair.step()) step();
      });
    };
    const left = moved(pair.left, move, () => this.#open.delete(left));
    this.#open.add(left);
    if (accept !== undefined) accept(left);
    else this.driver.accept(left, { address: "127.0.0.1", port: 1, transport: "memory" });
    return moved(pair.right, move);
  }

  readonly dialer: Dialer = () =>
    this.isReachable ? Promise.resolve(this.dial()) : Promise.reject(new Error("not reachable"));

  publish(message: MessageInit): void {
    this.driver.run((broker, now) => broker.publish(message, now));
  }

  /** Ends every connection. */
  cut(): void {
    for (const transport of [...this.#open]) transport.abort();
  }
}

/** All of it. */
export class BridgeScene {
  readonly loop: VirtualTime = new VirtualTime(Date.UTC(2025, 0));
  readonly here: SceneBroker;
  readonly there: SceneBroker;
  readonly random: () => number;
  /** Of the process that lives. */
  base: MemoryBase | undefined;
  bridge!: Bridge;
  /** What the bridge has told, in order. */
  readonly told: string[] = [];
  /** Called for each chunk that goes to or from the bridge. */
  onStep: (link: "here" | "there") => void = () => {};
  readonly #options: BridgeOptions;
  readonly #clients: Client[] = [];
  #process = 0;
  #linksHere: Transport[] = [];
  #linksThere: Transport[] = [];

  constructor(
    options: Partial<BridgeOptions> & Pick<BridgeOptions, "topics">,
    { here = {}, there = {}, seed = 1, isKept = true }: {
      here?: BrokerOptions;
      there?: BrokerOptions;
      seed?: number;
      isKept?: boolean;
    } = {},
  ) {
    this.random = seededRandom(seed);
    this.here = new SceneBroker(this.loop, here);
    this.there = new SceneBroker(this.loop, there);
    this.#options = { name: "b", url: "mqtt://there", ...options };
    if (isKept) this.base = new MemoryBase();
  }

  /** Starts the bridge. */
  async start(more: Partial<BridgeOptions> = {}): Promise<void> {
    const process = ++this.#process;
    const isDead = () => process !== this.#process;
    const mortal = (run: () => void) => () => {
      if (!isDead()) run();
    };
    const loop: ClientLoop = {
      now: () => this.loop.now(),
      endOfTurn: (run) => this.loop.endOfTurn(mortal(run)),
      at: (ms, run) => this.loop.at(ms, mortal(run)),
    };
    const { driver } = this.here;
    const step = (link: "here" | "there") => () => {
      if (!isDead()) this.onStep(link);
    };
    const around: BridgeAround = {
      store: this.base,
      loop,
      random: this.random,
      dial: () => {
        if (isDead() || !this.there.isReachable) return Promise.reject(new Error("nothing listens there"));
        const transport = this.there.dial(step("there"));
        this.#linksThere.push(transport);
        return Promise.resolve(transport);
      },
      events: {
        connected: (_, { sessionPresent }) =>
          this.told.push(`connected ${sessionPresent ? "again" : "anew"}`),
        disconnected: (_, error, isNews) => isNews && this.told.push(error.message),
        refused: (_, filter, error) => this.told.push(`${filter}: ${error.message}`),
        dropped: (_, topic, error) => this.told.push(`${topic}: ${error}`),
        plain: () => this.told.push("plain"),
      },
    };
    this.bridge = new Bridge(
      {
        acceptOwn: (theirs, username) => {
          if (isDead()) return theirs.abort();
          this.#linksHere.push(theirs);
          driver.accept(
            counted(theirs, step("here")),
            { address: "", port: 0, transport: "memory" },
            this.here.broker.ownPolicy(username),
          );
        },
        publish: (message) => isDead() ? undefined : this.here.publish(message),
        broker: this.here.broker,
      },
      { ...this.#options, ...more },
      around,
    );
    await this.loop.advance(0);
  }

  /** The process of the bridge dies; both brokers have what they had. */
  kill(): void {
    this.#process++;
    if (this.base !== undefined) {
      const { safe } = this.base;
      this.base.isBroken = true;
      this.base = new MemoryBase(safe);
    }
    this.cut("here");
    this.cut("there");
  }

  /** One of the links breaks. */
  cut(link: "here" | "there"): void {
    const links = link === "here" ? this.#linksHere : this.#linksThere;
    for (const transport of links.splice(0)) transport.abort();
  }

  /** A Client of one of the brokers. */
  async client(at: SceneBroker, options: ConnectOptions = {}): Promise<Client> {
    const client = await connectBy(() => Promise.resolve(at.dial()), "memory://scene", {
      loop: this.loop,
      random: this.random,
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  /** Subscribes a new Client, and gives the texts that have come: `topic=payload`, with `!` behind those with RETAIN. */
  async texts(at: SceneBroker, filter: string): Promise<string[]> {
    const got: string[] = [];
    const client = await this.client(at);
    const subscription = await client.subscribe(filter, { qos: 2, retainAsPublished: true });
    void (async () => {
      for await (const { topic, bytes, retain } of subscription) {
        got.push(`${topic}=${new TextDecoder().decode(bytes)}${retain ? "!" : ""}`);
      }
    })().catch(() => {});
    await this.loop.advance(0);
    return got;
  }

  /** Ends all. */
  async close(): Promise<void> {
    void this.bridge.close();
    for (const client of this.#clients) void client.close({ timeoutMs: 0 });
    await this.loop.advance(5_000);
  }
}

/** Calls `step` with each chunk, behind it. */
function counted(transport: Transport, step: () => void): Transport {
  return {
    label: transport.label,
    start: (handler) =>
      transport.start({
        received: (chunk) => {
          handler.received(chunk);
          step();
        },
        drained: () => handler.drained(),
        closed: (error) => handler.closed(error),
      }),
    write(chunk) {
      const taken = transport.write(chunk);
      step();
      return taken;
    },
    pause: () => transport.pause(),
    resume: () => transport.resume(),
    close: () => transport.close(),
    abort: () => transport.abort(),
  };
}
