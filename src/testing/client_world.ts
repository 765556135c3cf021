/**
 * A client engine and a broker under virtual time: every byte and every second moves only when the test says so.
 * Knows how to drive both; refuses to know what they should do.
 * @module
 */
import { Broker, type BrokerOptions } from "../broker/mod.ts";
import {
  Authentication,
  type AuthenticationOwner,
  ClientEngine,
  type ClientOwner,
  type Connected,
  type Connection,
  ConnectionError,
  type Credentials,
  type DialOrder,
  type EngineOptions,
  type Incoming,
  isRedirect,
  Journal,
  type MqttError,
  Publication,
  type PublicationInit,
  type SubscribeInit,
} from "../client/mod.ts";
import { decodePacket } from "../codec/decode.ts";
import { Deframer } from "../codec/deframer.ts";
import { encodePacket } from "../codec/encode.ts";
import type { Connack, Connect, Packet, ProtocolLevel } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { seededRandom } from "../engine/random.ts";
import { Driver } from "../server/driver.ts";
import type { Transport } from "../transport/transport.ts";
import { type MemoryOptions, type MemoryPair, memoryPair } from "../transport/memory.ts";
import type { Effects } from "./effects.ts";
import { VirtualLoop } from "./virtual_loop.ts";

/** How something that was asked for came to its end: nothing yet, a code, or an error. */
export class Outcome {
  /** How often it was settled: once is right. */
  times = 0;
  code: number | undefined;
  error: unknown;
  /** What it is the outcome of, if that is a message. */
  publication: Publication | undefined;
  readonly #effects: Effects | undefined;
  readonly done = (outcome: number | { readonly reasonCode: number }): void => {
    this.times++;
    this.code = typeof outcome === "number" ? outcome : outcome.reasonCode;
    this.#effects?.tell("done", this.code);
  };
  readonly failed = (error: unknown): void => {
    this.times++;
    this.error = error;
    this.#effects?.tell("failed", error);
  };

  constructor(effects?: Effects) {
    this.#effects = effects;
  }
}

/** A store in memory: what a commit made safe outlives a crash. */
export class MemoryRecords {
  readonly #safe: Map<number, Uint8Array>;
  #now: Map<number, Uint8Array>;

  constructor(safe: ReadonlyMap<number, Uint8Array> = new Map()) {
    this.#safe = new Map(safe);
    this.#now = new Map(safe);
  }

  put(key: number, record: Uint8Array): void {
    this.#now.set(key, record.slice());
  }

  delete(key: number): void {
    this.#now.delete(key);
  }

  /** What is to be safe, for `commit()`. */
  snapshot(): ReadonlyMap<number, Uint8Array> {
    return new Map(this.#now);
  }

  /** It is. */
  commit(snapshot: ReadonlyMap<number, Uint8Array>): void {
    this.#safe.clear();
    for (const [key, record] of snapshot) this.#safe.set(key, record);
    this.saved?.();
  }

  /** Called when more is safe. */
  saved: (() => void) | undefined;

  /** What another process finds. */
  get safe(): ReadonlyMap<number, Uint8Array> {
    return this.#safe;
  }
}

/** Gets messages; `auto` is done with each at once. */
export class Reader {
  readonly got: Incoming[] = [];
  readonly errors: unknown[] = [];
  isAuto: boolean;
  readonly #effects: Effects | undefined;

  constructor(isAuto = true, effects?: Effects) {
    this.isAuto = isAuto;
    this.#effects = effects;
  }

  deliver(message: Incoming): void {
    this.#effects?.tell("delivered", message.publish);
    this.got.push(message);
    if (this.isAuto) message.done();
  }

  refused(error: unknown): void {
    this.errors.push(error);
  }

  /** Payloads as text, in order. */
  get texts(): string[] {
    return this.got.map(({ publish }) => new TextDecoder().decode(publish.payload));
  }
}

/** A Server that does only what the test tells it. */
export class Script {
  /** Of the connection opened last: what the Client has sent and was not taken. */
  inbox: Packet[] = [];
  level: ProtocolLevel = 5;
  /** Connections so far. */
  opened = 0;
  /** The Client has ended its half of the one opened last. */
  isOver = false;
  #transport: Transport | undefined;

  /** The Server's end of a new connection. */
  accept(transport: Transport): void {
    this.#transport = transport;
    this.opened++;
    this.inbox = [];
    this.isOver = false;
    const deframer = new Deframer(Infinity);
    transport.start({
      received: (chunk) =>
        deframer.receive(chunk, {
          frame: (bytes, at, _body, end) => {
            if (this.#transport !== transport) return true;
            const packet = decodePacket(bytes.slice(at, end), this.level);
            if (packet.type === PacketType.CONNECT) this.level = packet.level;
            this.inbox.push(packet);
            return true;
          },
        }),
      drained: () => {},
      closed: () => {
        if (this.#transport === transport) this.isOver = true;
      },
    });
  }

  /** Writes packets, or bytes as they are; they come when the world settles. */
  send(...all: readonly (Packet | Uint8Array)[]): void {
    for (const one of all) {
      this.#transport!.write(one instanceof Uint8Array ? one : encodePacket(one, this.level));
    }
  }

  /** Takes the CONNECT and accepts it. */
  connack(init: Partial<Connack> = {}): Connect {
    const connect = this.take(PacketType.CONNECT);
    this.send({ type: PacketType.CONNACK, sessionPresent: false, reasonCode: 0, ...init });
    return connect;
  }

  /** Takes the first packet of a type that has come; fails if there is none. */
  take<T extends PacketType>(type: T): Extract<Packet, { type: T }> {
    const at = this.inbox.findIndex((packet) => packet.type === type);
    if (at < 0) {
      throw new Error(`No packet of type ${type}, but ${JSON.stringify(this.inbox.map((one) => one.type))}`);
    }
    return this.inbox.splice(at, 1)[0] as Extract<Packet, { type: T }>;
  }

  /** Takes the types of all that has come. */
  takeTypes(): PacketType[] {
    return this.inbox.splice(0).map(({ type }) => type);
  }

  /** Ends the Server's half. */
  end(): void {
    this.#transport!.close();
  }

  /** The network fails. */
  lose(): void {
    this.#transport!.abort();
  }
}

/** What the transports of a world do. */
export interface WorldOptions {
  readonly memory?: MemoryOptions;
  /** The Client's end reads whatever it is told. */
  readonly isUnpausable?: boolean;
  readonly engine?: Partial<EngineOptions>;
  readonly credentials?: (order: DialOrder) => Credentials;
  /** Takes the Server's ends in place of the broker. */
  readonly script?: { accept(transport: Transport): void };
  /** Makes the two ends of a connection, the Server's to the left. Default: a pair in memory. */
  readonly pair?: () => MemoryPair;
  /** Whether a dialled connection can be opened. Default: yes. */
  readonly dial?: (order: DialOrder) => boolean;
  /** What is wrong with the Server. */
  readonly refuses?: () => MqttError | undefined;
  readonly records?: MemoryRecords;
  /** A commit is done when the test says so. */
  readonly slowCommits?: boolean;
  readonly seed?: number;
  /** Told what the Client does. */
  readonly effects?: Effects;
}

/** A broker, and a clock. */
export class Server {
  readonly loop: VirtualLoop = new VirtualLoop();
  broker: Broker;
  driver: Driver;
  readonly #options: BrokerOptions;

  constructor(options: BrokerOptions = {}) {
    this.#options = options;
    this.broker = new Broker(options);
    this.driver = new Driver(this.broker, this.loop);
  }

  /** Another broker takes its place, which knows nothing. */
  replace(): void {
    this.broker = new Broker(this.#options);
    this.driver = new Driver(this.broker, this.loop);
  }
}

/** One Client of a server. */
export class World implements ClientOwner, AuthenticationOwner {
  readonly server: Server;
  readonly engine: ClientEngine;
  authentication!: Authentication;
  readonly records: MemoryRecords | undefined;
  readonly orders: DialOrder[] = [];
  readonly connects: Connected[] = [];
  readonly losses: { readonly error: MqttError; readonly retryAt: number | undefined }[] = [];
  readonly unsubscribes: string[] = [];
  readonly unmatchedMessages: Incoming[] = [];
  readonly challenges: (Uint8Array | undefined)[] = [];
  closedWith: { readonly error: MqttError | undefined } | undefined;
  /** How often a commit has begun. */
  commits = 0;
  /** The process is gone. */
  isDead = false;
  #links: { readonly pair: MemoryPair; isOver: boolean }[] = [];
  #commits: ReadonlyMap<number, Uint8Array>[] = [];
  /** By length. */
  readonly #lent: Map<number, Uint8Array> = new Map();
  readonly #options: WorldOptions;

  constructor(server: Server = new Server(), options: WorldOptions = {}) {
    this.server = server;
    this.records = options.records;
    this.#options = options;
    this.engine = new ClientEngine(this, {
      clientId: "client",
      random: seededRandom(options.seed ?? 1),
      ...options.records !== undefined && {
        journal: new Journal(
          options.effects?.calls(options.records) ?? options.records,
          options.records.safe,
        ),
      },
      authentication: (host) => this.authentication = new Authentication(host, this),
      isRedirect,
      ...options.engine,
    });
  }

  get now(): number {
    return this.server.loop.time;
  }

  // The owner of the engine.

  dial(order: DialOrder): void {
    this.#options.effects?.tell("dial", order.attempt);
    this.orders.push(order);
    if (this.#options.dial?.(order) === false) {
      this.server.loop.endOfTurn(() => {
        if (!this.isDead) this.engine.dialFailed(new ConnectionError("refused"), this.now);
      });
      return;
    }
    const pair = this.#options.pair?.() ?? memoryPair(this.#options.memory);
    if (this.#options.isUnpausable === true) {
      Object.assign(pair.right, { isUnpausable: true, pause() {}, resume() {} });
    }
    const from = { address: "192.0.2.1", port: 40_000, transport: "memory" } as const;
    const right = this.#options.effects?.transport(pair.right) ?? pair.right;
    const connection = this.engine.opened(right, this.#options.credentials?.(order) ?? {}, this.now);
    if (connection === undefined) return;
    if (this.#options.script !== undefined) this.#options.script.accept(pair.left);
    else this.server.driver.accept(pair.left, from);
    const link = { pair, isOver: false };
    this.#links.push(link);
    this.#start(pair, connection, link);
  }

  #start(pair: MemoryPair, connection: Connection, link: { isOver: boolean }): void {
    pair.right.start({
      received: (chunk) => {
        if (!this.isDead) this.#lend(chunk, (lent) => connection.received(lent, this.now));
      },
      drained: () => {
        if (!this.isDead) connection.drained(this.now);
      },
      closed: (error) => {
        link.isOver = true;
        if (!this.isDead) connection.closed(this.now, error);
      },
    });
  }

  /** As transports do that read into the same buffer again: the bytes are the engine's only during the call. */
  #lend(chunk: Uint8Array, use: (lent: Uint8Array) => void): void {
    const lent = this.#lent.get(chunk.length) ?? new Uint8Array(chunk.length);
    this.#lent.set(chunk.length, lent);
    lent.set(chunk);
    use(lent);
    lent.fill(0);
  }

  refuses(): MqttError | undefined {
    return this.#options.refuses?.();
  }

  connected(event: Connected): void {
    this.#options.effects?.tell("connected", event);
    this.connects.push(event);
  }

  disconnected(error: MqttError, retryAt: number | undefined): void {
    this.#options.effects?.tell("disconnected", error, retryAt);
    this.losses.push({ error, retryAt });
  }

  unsubscribed(filter: string): void {
    this.unsubscribes.push(filter);
  }

  challenged(data: Uint8Array | undefined): void {
    this.challenges.push(data);
  }

  commit(): void {
    this.#options.effects?.tell("commit");
    this.commits++;
    this.#commits.push(this.records!.snapshot());
    if (this.#options.slowCommits !== true) this.server.loop.endOfTurn(() => this.commitDone());
  }

  /** A commit is under way. */
  get isCommitting(): boolean {
    return this.#commits.length > 0;
  }

  /** The commit under way is done; false if there is none. */
  commitDone(): boolean {
    const snapshot = this.#commits.shift();
    if (snapshot === undefined || this.isDead) return false;
    this.records!.commit(snapshot);
    this.engine.committed(this.now);
    return true;
  }

  /** The commit under way has failed. */
  commitFails(): void {
    this.#commits.shift();
    this.engine.commitFailed(new Error("disk full"), this.now);
    this.settle();
  }

  touched(): void {}

  unmatched(message: Incoming): void {
    this.unmatchedMessages.push(message);
  }

  closed(error: MqttError | undefined): void {
    this.#options.effects?.tell("closed", error);
    this.closedWith = { error };
  }

  // What a test does.

  /** Begins to connect, and lets everything settle. */
  start(): this {
    this.engine.start(this.now);
    this.settle();
    return this;
  }

  /** Publishes, without settling. */
  publish(init: Partial<Omit<PublicationInit, "payload">> & { topic: string; payload?: string }): Outcome {
    const outcome = new Outcome(this.#options.effects);
    const { payload = "", ...rest } = init;
    const publication = new Publication(
      {
        qos: 0,
        retain: false,
        properties: undefined,
        offline: (rest.qos ?? 0) === 0 ? "fail" : "queue",
        ...rest,
        payload: new TextEncoder().encode(payload),
      },
      outcome.done,
      outcome.failed,
    );
    outcome.publication = publication;
    this.engine.publish(publication, this.now);
    return outcome;
  }

  /** Publishes at QoS 0 so that it ends with `outcome`, without settling; false if it cannot. */
  join(outcome: Outcome, topic: string, payload: string, retain = false): boolean {
    return this.engine.join(outcome.publication!, topic, new TextEncoder().encode(payload), retain);
  }

  /** Subscribes, without settling. */
  subscribe(init: SubscribeInit | string, reader: Reader): Outcome {
    const outcome = new Outcome(this.#options.effects);
    const subscription = typeof init === "string" ? { filter: init, qos: 2 } as const : init;
    this.engine.subscribe(subscription, reader, outcome, this.now);
    return outcome;
  }

  unsubscribe(filter: string, reader: Reader): Outcome {
    const outcome = new Outcome(this.#options.effects);
    this.engine.unsubscribe(filter, reader, outcome, this.now);
    return outcome;
  }

  /** The network fails: no end of the stream, bytes under way are lost. */
  cut(): void {
    for (const { pair, isOver } of this.#links) if (!isOver) pair.left.abort();
  }

  /** The process dies: nothing of it is called any more, and its connections are reset. */
  die(): void {
    this.isDead = true;
    for (const { pair, isOver } of this.#links) if (!isOver) pair.right.abort();
    this.settle();
  }

  /** One thing happens; false if nothing is left to happen at this time. */
  step(): boolean {
    const { loop, driver } = this.server;
    driver.run(() => {});
    let moved = loop.endTurn();
    if (!this.isDead && this.engine.isBehind) {
      this.engine.flush(this.now);
      moved = true;
    }
    const over = new Set<unknown>();
    for (const link of [...this.#links]) {
      if (link.pair.step()) moved = true;
      else if (link.isOver) over.add(link); // and the Server has been told too
    }
    if (over.size > 0) this.#links = this.#links.filter((link) => !over.has(link));
    return moved || loop.goOn() || loop.look();
  }

  /** Moves every byte until nothing moves any more. */
  settle(): void {
    while (this.step());
  }

  /** Lets time go on. */
  advance(ms: number): void {
    const until = this.now + ms;
    const { loop } = this.server;
    this.settle();
    for (;;) {
      const next = this.isDead ? Infinity : this.engine.nextDeadline();
      if (next <= until && !loop.tick(Math.min(until, next - 1))) {
        loop.time = Math.max(loop.time, next);
        this.engine.ticked(loop.time);
      } else if (next > until && !loop.tick(until)) break;
      this.settle();
    }
    loop.time = until;
    this.settle();
  }
}
