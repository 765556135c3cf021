/**
 * A whole cluster in virtual time: machines with a member each, the processes of its shards with their brokers, and the bus and the streams
 * between them.
 * Knows how a machine starts, stops and loses things; refuses to know what Clients may expect.
 * @module
 */
import { Broker } from "../broker/mod.ts";
import { openShardInMemory, ShardFile } from "./shard_file.ts";
import { ShardStoreError } from "../cluster/files/open.ts";
import type { ShardStore } from "../cluster/files/open.ts";
import { Shard } from "../cluster/join/shard.ts";
import { type EndReason, Member, type StopReason } from "../cluster/member.ts";
import { MemoryNetwork } from "../cluster/memory/network.ts";
import { Schedule } from "../cluster/memory/schedule.ts";
import { readEntry } from "../cluster/shard_entry.ts";
import { Joiner } from "../cluster/part.ts";
import { logStream, shardName } from "../cluster/subjects.ts";
import { type Random, seededRandom } from "../engine/random.ts";
import { nodesPart, type OneOfNodes } from "../nodes/mod.ts";
import { Driver } from "../server/driver.ts";
import type { RelayHead } from "../server/serve.ts";
import { memoryPair, moved } from "../transport/memory.ts";
import type { Transport } from "../transport/transport.ts";
import { StoppableNode } from "./stoppable_node.ts";

const CLUSTER_NAME = "test";
/** Promises settle within so many turns of their queue: time goes on only behind them. */
const SETTLE_TURNS = 12;

/** What a shard's process is told by the broker. */
export interface Told {
  failed(error: unknown): void;
  /** A broker has taken over a message. */
  published(process: ShardProcess, payload: Uint8Array): void;
  /** A process owns its shard: another one may have, and may not know that it is over. */
  claimed(process: ShardProcess): void;
  /** A process has ended. */
  ended(process: ShardProcess): void;
  /** What happens, in lines. */
  readonly trace: ((line: string) => void) | undefined;
}

/** The process of a shard. */
export class ShardProcess {
  readonly machine: Machine;
  readonly shard: number;
  readonly incarnation: string;
  readonly node: StoppableNode;
  /** It takes Clients. */
  isReady = false;
  isDead = false;
  broker: Broker | undefined;
  nodes: OneOfNodes | undefined;
  store: ShardStore | undefined;
  /** In which it owns the shard; 0 before. */
  epoch = 0;
  #driver: Driver | undefined;
  #shard: Shard | undefined;
  #isEnding = false;
  readonly #clients: Set<Transport> = new Set();
  /** Which process of a shard it was linked with last. */
  readonly #linked: Map<string, string> = new Map();

  constructor(machine: Machine, shard: number, incarnation: string) {
    this.machine = machine;
    this.shard = shard;
    this.incarnation = incarnation;
    this.node = machine.world.node(machine.name);
    this.node.connect(machine.isConnected);
    void this.#start().catch((error) => machine.world.told.failed(error));
  }

  async #start(): Promise<void> {
    const { machine, shard, incarnation, node } = this;
    const { world } = machine;
    const { clock, bus } = node;
    let owned: Shard;
    try {
      owned = await Shard.open(
        {
          nats: { servers: [] },
          replicas: 3,
          cluster: CLUSTER_NAME,
          member: machine.name,
          incarnation,
          shard,
          shards: world.shards,
          directory: "",
          durability: world.durability,
          lost: () => this.#end("taken"),
        },
        {
          bus,
          clock,
          stream: (name) => node.stream(name),
          close: () => Promise.resolve(),
          openStore: async (options) =>
            this.store = await openShardInMemory(options, {
              file: machine.file(shard),
              clock,
              random: world.random,
            }),
        },
        incarnation,
      );
    } catch (error) {
      if (!(error instanceof ShardStoreError)) throw error;
      return this.#end(error.trouble === "taken" ? "taken" : "failed");
    }
    if (this.isDead) return;
    this.#shard = owned;
    this.epoch = owned.epoch;
    world.claimed(shard, owned.epoch);
    world.told.claimed(this);
    this.#trace(`is owned in epoch ${owned.epoch}`);
    machine.member.started(shard, owned.epoch, incarnation);
    const { relay, inStep, name, all } = owned.nodes;
    const nodes = this.nodes = nodesPart({
      name,
      all,
      keeps: true,
      relay: (to, { peer }) => relay(to, { peer, listener: 0 }),
      ...inStep && { inStep },
    });
    const broker = this.broker = new Broker({
      store: owned.store,
      nodes,
      random: seededRandom(world.random()),
      takeoverByOthers: true,
      hooks: {
        failed: (error) => world.told.failed(error),
        published: ({ payload }) => world.told.published(this, payload),
      },
    });
    const driver = this.#driver = new Driver(broker, clock);
    await owned.join({
      broker,
      link: (transport, node, incarnation, over) => {
        this.#linked.set(node, incarnation);
        driver.link(transport, node, incarnation, over);
      },
      acceptRelayed: (transport: Transport, { peer }: RelayHead) => void driver.accept(transport, peer),
      get nodes() {
        return nodes.stats;
      },
    });
    if (this.isDead || this.#isEnding) return;
    owned.takeRelayed();
    this.isReady = true;
    this.#trace("is ready");
  }

  /** It has a link to this process, and has been told all that there is. */
  knows(other: ShardProcess): boolean {
    if (other === this) return true;
    const sees = (one: ShardProcess, two: ShardProcess): boolean =>
      one.nodes?.stats.some(({ name, isLinked, isInStep }) =>
        name === shardName(two.shard) && isLinked && isInStep && one.#linked.get(name) === two.incarnation
      ) === true;
    return sees(this, other) && sees(other, this);
  }

  #trace(what: string): void {
    const { name, world } = this.machine;
    world.told.trace?.(`shard ${this.shard} at ${name} ${what}`);
  }

  /** A connection of a Client. */
  connect(): Transport {
    const pair = memoryPair();
    const { clock } = this.node;
    let isStirred = false;
    const stir = (): void => {
      if (isStirred) return;
      isStirred = true;
      clock.endOfTurn(() => {
        isStirred = false;
        while (pair.step());
      });
    };
    const right = moved(pair.right, stir, () => this.#clients.delete(cut));
    // Cut from outside: the process may be dead, and move nothing.
    const cut: Transport = {
      ...right,
      label: right.label,
      abort(): void {
        pair.right.abort();
        while (pair.step());
      },
    };
    this.#clients.add(cut);
    this.#driver!.accept(right, { address: "192.0.2.1", port: 1, transport: "tcp" });
    return moved(pair.left, stir);
  }

  /** Somebody else is to have it. */
  async leave(): Promise<void> {
    if (this.#isEnding || this.isDead) return;
    this.#isEnding = true;
    this.isReady = false;
    const [shard, driver] = [this.#shard, this.#driver];
    if (shard === undefined || driver === undefined) return this.#end("given");
    await shard.leave(() => driver.close());
    if (this.isDead) return;
    await this.store!.store.close().catch(() => {});
    if (!this.isDead) this.#end("given");
  }

  /** It is killed. */
  kill(): void {
    if (this.isDead) return;
    this.isDead = true;
    this.isReady = false;
    this.machine.processes.delete(this.shard);
    this.machine.world.told.ended(this);
    this.#trace("is dead");
    this.node.crash();
    for (const client of [...this.#clients]) client.abort();
    this.#clients.clear();
  }

  #end(how: EndReason): void {
    if (this.isDead) return;
    this.kill();
    this.machine.ended(this.shard, how);
  }

  /** It has crashed. */
  crash(): void {
    this.#end("failed");
  }
}

/** A machine with a member of the cluster. What it has in files outlives its programs. */
export class Machine {
  readonly world: ClusterWorld;
  readonly name: string;
  readonly processes: Map<number, ShardProcess> = new Map();
  member!: Member;
  isConnected = true;
  isRunning = false;
  isStopped = false;
  readonly #files = new Map<number, ShardFile>();
  #node: StoppableNode | undefined;
  #lives = 0;

  constructor(world: ClusterWorld, name: string) {
    this.world = world;
    this.name = name;
    this.start();
  }

  file(shard: number): ShardFile {
    let file = this.#files.get(shard);
    if (file === undefined) this.#files.set(shard, file = new ShardFile());
    return file;
  }

  /** Its programs begin. */
  start(): void {
    const { world, name } = this;
    this.isRunning = true;
    const incarnation = `${name}-${++this.#lives}`;
    const node = this.#node = world.node(name);
    node.connect(this.isConnected);
    let runs = 0;
    this.member = new Member({
      bus: node.bus,
      clock: node.clock,
      cluster: CLUSTER_NAME,
      name,
      incarnation,
      program: "1.0.0",
      shards: world.shards,
      files: [...this.#files].flatMap(([shard, { place }]) => place === undefined ? [] : { shard, ...place }),
      host: {
        start: (shard) => {
          this.processes.set(shard, new ShardProcess(this, shard, `${incarnation}-${shard}-${++runs}`));
        },
        stop: (shard, why) => this.#stop(shard, why),
      },
      refused: () => this.crash(),
    });
  }

  #stop(shard: number, why: StopReason): void {
    const process = this.processes.get(shard);
    if (process === undefined) return;
    if (why === "given") return void process.leave().catch((error) => this.world.told.failed(error));
    process.kill();
    this.#node!.clock.endOfTurn(() => this.ended(shard, "given"));
  }

  ended(shard: number, how: EndReason): void {
    const { place } = this.file(shard);
    this.member.ended(shard, how, place && { shard, ...place });
  }

  /** All of its programs are killed; with the power what was not synced goes. */
  crash(isPower: boolean = false): void {
    if (!this.isRunning) return;
    this.isRunning = false;
    this.isStopped = false;
    for (const process of [...this.processes.values()]) process.kill();
    this.member.close();
    this.#node!.crash();
    if (isPower) { for (const file of this.#files.values()) file.cut(this.world.random); }
  }

  /** Its disk is gone. */
  lose(): void {
    this.#files.clear();
  }

  /** All of its programs are stopped for a while, as by SIGSTOP. */
  stop(): void {
    this.isStopped = true;
    for (const { node } of this.processes.values()) node.stop();
    this.#node!.stop();
  }

  goOn(): void {
    if (!this.isStopped) return;
    this.isStopped = false;
    this.#node!.goOn();
    for (const { node } of this.processes.values()) node.goOn();
  }

  /** All of its programs lose the bus and the streams, or have them again. */
  connect(isConnected: boolean): void {
    this.isConnected = isConnected;
    if (!this.isRunning) return;
    this.#node!.connect(isConnected);
    for (const { node } of this.processes.values()) node.connect(isConnected);
  }
}

/** See the module. */
export class ClusterWorld {
  readonly net: MemoryNetwork;
  readonly random: Random;
  readonly shards: number;
  readonly durability: "log" | "replicated";
  readonly machines: Machine[] = [];
  readonly told: Told;
  claims = 0;
  readonly #epochs: number[] = [];

  constructor(seed: number, told: Told) {
    this.random = seededRandom(seed);
    this.net = new MemoryNetwork(new Schedule(), seededRandom(seed + 1));
    this.net.faults.delayMs = [1, 1 + this.pick(12)];
    this.shards = 2 + this.pick(3);
    this.durability = this.pick(2) === 0 ? "log" : "replicated";
    this.told = told;
    for (const name of ["a", "b", "c"].slice(0, 2 + this.pick(2))) {
      this.machines.push(new Machine(this, name));
    }
  }

  pick(below: number): number {
    return this.random() % below;
  }

  any<T>(all: readonly T[]): T | undefined {
    return all.length === 0 ? undefined : all[this.pick(all.length)];
  }

  get now(): number {
    return this.net.schedule.now();
  }

  node(name: string): StoppableNode {
    return new StoppableNode(this.net.node(name));
  }

  get processes(): ShardProcess[] {
    return this.machines.flatMap(({ processes }) => [...processes.values()]);
  }

  /** Those that take Clients. */
  get ready(): ShardProcess[] {
    return this.processes.filter(({ isReady, machine }) => isReady && !machine.isStopped);
  }

  /** Lets time pass, until it is over or `until` says so. */
  async pass(ms: number, until: () => boolean = () => false): Promise<void> {
    const { schedule } = this.net;
    const end = schedule.now() + ms;
    await settle();
    while (!until() && schedule.step(end)) await settle();
    if (!until()) schedule.pass(end - schedule.now());
  }

  /** Calls back when time has passed. */
  later(ms: number, run: () => void): void {
    this.net.schedule.at(this.now + ms, run);
  }

  /** Nothing is in the way of anything any more. */
  heal(): void {
    const { net, machines } = this;
    net.heal();
    net.faults.streamLoss = net.faults.stalls = 0;
    for (const machine of machines) {
      machine.goOn();
      machine.connect(true);
      if (!machine.isRunning) machine.start();
    }
  }

  /** Who has what, in words. */
  get state(): string {
    return this.machines.map(({ name, processes, isRunning }) => {
      const shards = [...processes.values()].map(({ shard, isReady, nodes, store }) => {
        const apart = nodes?.stats.filter(({ isLinked, isInStep }) => !isLinked || !isInStep).map((
          { name },
        ) => name);
        return `${shard}${isReady ? "" : " not ready"}${store === undefined ? " not owned" : ""} ${
          apart?.join("+")
        }`;
      });
      return `${name}${isRunning ? "" : " down"}: ${shards.join(", ")}`;
    }).join("; ");
  }

  /** Each shard has one process, which is linked and in step with all others. */
  get isWhole(): boolean {
    const { processes } = this;
    return processes.length === this.shards &&
      processes.every(({ isReady, nodes, shard, epoch }) =>
        isReady && epoch === this.epochOf(shard) && nodes!.stats.every(({ isLinked, isInStep }) =>
          isLinked && isInStep
        ) &&
        processes.filter((one) => one.shard === shard).length === 1
      );
  }

  claimed(shard: number, epoch: number): void {
    this.claims++;
    this.#epochs[shard] = Math.max(this.epochOf(shard), epoch);
  }

  /** The last in which a shard was claimed. */
  epochOf(shard: number): number {
    return this.#epochs[shard] ?? 0;
  }

  /** @throws {Error} for an entry of a shard's log whose writer had lost the shard before. */
  assertFenced(): void {
    for (let shard = 1; shard <= this.shards; shard++) {
      let epoch = 0;
      let number = 0;
      const joiner = new Joiner();
      for (const { bytes } of this.net.store(logStream(shard)).messages) {
        const batch = joiner.add(bytes);
        if (batch === undefined) continue;
        const entry = readEntry(batch);
        if (entry === undefined) throw new Error(`${shardName(shard)}: an entry that is none`);
        if (entry.kind === "claim") {
          if (entry.epoch <= epoch) {
            throw new Error(`${shardName(shard)}: epoch ${entry.epoch} behind ${epoch}`);
          }
          [epoch, number] = [entry.epoch, 0];
        } else if (entry.kind === "facts") {
          const { place } = entry;
          if (epoch > 0 && place.epoch !== epoch) {
            throw new Error(`${shardName(shard)}: an owner of epoch ${place.epoch} has written in ${epoch}`);
          }
          if (number > 0 && place.number !== number + 1) {
            throw new Error(`${shardName(shard)}: batch ${place.number} behind ${number}`);
          }
          number = place.number;
        }
      }
    }
  }
}

/** Lets all promises settle. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) await undefined;
}
