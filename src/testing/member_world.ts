/**
 * Members of a cluster on a simulated network, and their shards, of which only is known who owns them.
 * Knows claims and epochs; refuses to know what a shard does.
 * @module
 */
import { seededRandom } from "../engine/random.ts";
import type { Random } from "../engine/random.ts";
import type { Place } from "../cluster/beat.ts";
import { CLUSTER } from "../cluster/limits.ts";
import { type EndReason, Member, type StopReason } from "../cluster/member.ts";
import { MemoryNetwork } from "../cluster/memory/network.ts";
import { Schedule } from "../cluster/memory/schedule.ts";
import { StoppableNode } from "./stoppable_node.ts";

/** What happened to a shard. */
export interface ShardEvent {
  readonly at: number;
  readonly shard: number;
  readonly member: string;
  readonly what: "start" | "own" | "stop given" | "stop lost" | "end given" | "end taken" | "end failed";
}

/** One life of a member. */
export class SimulatedMember {
  readonly name: string;
  readonly node: StoppableNode;
  readonly member: Member;
  /** Shards whose process runs, and the epoch in which it owns them; 0 while it starts. */
  readonly running: Map<number, number> = new Map();
  /** What it was refused for. */
  refused: string | undefined;
  /** A shard whose process takes 5 s to end. */
  slow: number | undefined;
  /** Shards that cannot be started here. */
  readonly broken: Set<number> = new Set();
  isDead = false;
  /** ms since the epoch: since when it runs and is connected without a break that anybody could have noticed. */
  steadySince: number;
  #stoppedAt = 0;
  readonly #world: MemberWorld;
  /** Processes that each shard has had here. */
  readonly #runs = new Map<number, number>();
  readonly #owns = new Map<number, number>();

  constructor(world: MemberWorld, name: string, files: readonly Place[]) {
    this.#world = world;
    this.name = name;
    this.node = new StoppableNode(world.net.node(name));
    this.steadySince = world.net.schedule.now();
    const incarnation = `${name}-${++world.lives}`;
    this.member = new Member({
      bus: this.node.bus,
      clock: this.node.clock,
      cluster: "test",
      name,
      incarnation,
      program: "1.0.0",
      shards: world.shards,
      files,
      host: {
        start: (shard) => this.#start(shard, incarnation),
        stop: (shard, why) => this.#stop(shard, why),
      },
      refused: (why) => {
        this.refused = why;
      },
    });
  }

  /** Its machine goes down. */
  crash(): void {
    this.isDead = true;
    this.running.clear();
    this.node.crash();
  }

  /** All of its processes are stopped, for a while. */
  stop(ms: number): void {
    if (this.node.isStopped) return;
    this.node.stop();
    const { schedule } = this.#world.net;
    this.#stoppedAt = schedule.now();
    schedule.at(schedule.now() + ms, () => this.goOn());
  }

  /** They go on. */
  goOn(): void {
    if (!this.node.isStopped) return;
    this.node.goOn();
    const now = this.#world.net.schedule.now();
    if (now - this.#stoppedAt > CLUSTER.deafMs + CLUSTER.beatMs) this.steadySince = now;
  }

  /** It loses the bus, or has it again. */
  connect(isConnected: boolean): void {
    if (isConnected === this.node.bus.isConnected) return;
    this.node.connect(isConnected);
    this.steadySince = this.#world.net.schedule.now();
  }

  /** It ends as planned, and is gone after `ms`. */
  leave(ms: number = 500): void {
    this.member.leave();
    for (const shard of [...this.running.keys()]) this.#stop(shard, "given");
    const { clock } = this.node;
    clock.at(clock.now() + ms, () => {
      this.member.close();
      this.crash();
    });
  }

  /** ms since the epoch: since when it owns a shard; Infinity if it never has. */
  ownsSince(shard: number): number {
    return this.#owns.get(shard) ?? Infinity;
  }

  /** The process of a shard crashes. */
  fail(shard: number): void {
    if (this.running.delete(shard)) this.#end(shard, "failed");
  }

  #start(shard: number, incarnation: string): void {
    const world = this.#world;
    world.note(shard, this, "start");
    this.running.set(shard, 0);
    const run = (this.#runs.get(shard) ?? 0) + 1;
    this.#runs.set(shard, run);
    const { clock } = this.node;
    let seen = world.epochOf(shard);
    const readMs = world.between(20, world.isSlow ? 8_000 : 400);
    clock.at(clock.now() + readMs - 10, () => {
      seen = world.epochOf(shard); // read to the end
    });
    clock.at(clock.now() + readMs, () => {
      if (this.running.get(shard) !== 0 || this.#runs.get(shard) !== run) return;
      if (world.epochOf(shard) !== seen) {
        this.running.delete(shard);
        return this.#end(shard, "taken");
      }
      if (this.broken.has(shard)) {
        this.running.delete(shard);
        return this.#end(shard, "failed");
      }
      const epoch = world.claim(shard, this);
      this.running.set(shard, epoch);
      this.#owns.set(shard, clock.now());
      world.note(shard, this, "own");
      this.member.started(shard, epoch, `${incarnation}-${shard}`);
    });
  }

  #stop(shard: number, why: StopReason): void {
    this.#world.note(shard, this, `stop ${why}`);
    const run = this.#runs.get(shard);
    const { clock } = this.node;
    const ms = why === "lost" ? 1 : shard === this.slow ? 5_000 : this.#world.between(5, 100);
    clock.at(clock.now() + ms, () => {
      if (this.#runs.get(shard) === run && this.running.delete(shard)) this.#end(shard, "given");
    });
  }

  /** All of its processes write: those that do not own their shards any more see that. */
  write(): void {
    for (const [shard, epoch] of [...this.running]) {
      if (epoch === 0 || epoch === this.#world.epochOf(shard)) continue;
      this.running.delete(shard);
      this.#end(shard, "taken");
    }
  }

  /** The log has another owner. Whoever has nothing to write does not see that for long. */
  fenced(shard: number): void {
    const { clock } = this.node;
    const epoch = this.running.get(shard);
    const ms = !this.#world.isBusy && this.#world.random() % 3 === 0 ? 600_000 : 300;
    clock.at(clock.now() + this.#world.between(0, ms), () => {
      if (this.running.get(shard) !== epoch) return;
      this.running.delete(shard);
      this.#end(shard, "taken");
    });
  }

  #end(shard: number, how: EndReason): void {
    this.#world.note(shard, this, `end ${how}`);
    this.member.ended(shard, how, this.#world.fileOf(shard, this.name));
  }
}

/** See the module. */
export class MemberWorld {
  readonly net: MemoryNetwork;
  readonly shards: number;
  readonly random: Random;
  readonly members: SimulatedMember[] = [];
  readonly events: ShardEvent[] = [];
  /** Told of each event. */
  noted: (event: ShardEvent, member: SimulatedMember) => void = () => {};
  /** Processes take long to start. */
  isSlow = false;
  /** All processes write all the time. */
  isBusy = false;
  lives = 0;
  /** Of each shard: the epoch of its log, and who owns it by that. */
  readonly #epochs = new Map<number, { epoch: number; owner: SimulatedMember }>();
  readonly #files = new Map<string, Place>();
  /** Of each shard: the last epoch of a file. */
  readonly #least = new Map<number, number>();

  constructor(shards: number, seed: number) {
    this.shards = shards;
    this.random = seededRandom(seed);
    this.net = new MemoryNetwork(new Schedule(), seededRandom(seed + 1));
    this.net.faults.delayMs = [1, 10];
  }

  begin(name: string, files: readonly Place[] = this.#filesOf(name)): SimulatedMember {
    for (const { shard, epoch } of files) { // a log is never behind what its files say
      this.#least.set(shard, Math.max(this.#least.get(shard) ?? 0, epoch));
    }
    const made = new SimulatedMember(this, name, files);
    this.members.push(made);
    return made;
  }

  get alive(): SimulatedMember[] {
    return this.members.filter(({ isDead, refused, member }) =>
      !isDead && refused === undefined && !member.isLeaving
    );
  }

  between(from: number, to: number): number {
    return from + this.random() % (to - from + 1);
  }

  claim(shard: number, by: SimulatedMember): number {
    const before = this.#epochs.get(shard);
    const epoch = Math.max(before?.epoch ?? 0, this.#least.get(shard) ?? 0) + 1;
    this.#epochs.set(shard, { epoch, owner: by });
    this.#files.set(`${by.name} ${shard}`, { shard, epoch, number: 0 });
    if (before !== undefined && before.owner.running.has(shard) && before.owner !== by) {
      before.owner.fenced(shard);
    }
    return epoch;
  }

  fileOf(shard: number, name: string): Place | undefined {
    return this.#files.get(`${name} ${shard}`);
  }

  #filesOf(name: string): Place[] {
    return Array.from({ length: this.shards }, (_, i) => this.fileOf(i + 1, name) ?? []).flat();
  }

  note(shard: number, member: SimulatedMember, what: ShardEvent["what"]): void {
    const event = { at: this.net.schedule.now(), shard, member: member.name, what };
    this.events.push(event);
    this.noted(event, member);
  }

  /** Of its log; 0 before the first claim. */
  epochOf(shard: number): number {
    return this.#epochs.get(shard)?.epoch ?? 0;
  }

  /** Who owns a shard by its log, and runs. */
  ownerOf(shard: number): SimulatedMember | undefined {
    const owner = this.#epochs.get(shard)?.owner;
    return owner?.isDead === false && owner.running.get(shard) === this.epochOf(shard) ? owner : undefined;
  }

  pass(ms: number): void {
    this.net.schedule.pass(ms);
  }

  /** Who runs which shards, as `a: 1 2`. */
  get owned(): string {
    return this.alive.map(({ name, running }) => {
      const shards = [...running].flatMap(([shard, epoch]) => epoch > 0 ? [shard] : []).sort((a, b) => a - b);
      return `${name}: ${shards.join(" ")}`;
    }).sort().join(", ");
  }

  /** Shards that nobody owns. */
  get unowned(): number[] {
    return Array.from({ length: this.shards }, (_, i) => i + 1).filter((shard) =>
      this.ownerOf(shard) === undefined
    );
  }

  /** What is wrong when nothing has happened for a while; undefined if nothing is. */
  get fault(): string | undefined {
    for (let shard = 1; shard <= this.shards; shard++) {
      const owners = this.alive.filter(({ running }) => (running.get(shard) ?? 0) > 0);
      if (owners.length !== 1) return `shard ${shard} has ${owners.length} owners`;
    }
    const counts = this.alive.map(({ running }) => running.size);
    if (Math.max(...counts) - Math.min(...counts) > 1) return `not even: ${this.owned}`;
    for (const { name, member } of this.alive) {
      for (let shard = 1; shard <= this.shards; shard++) {
        const seen = member.view.owner(shard)?.member;
        const owner = this.alive.find(({ running }) => (running.get(shard) ?? 0) > 0)!.name;
        if (seen !== owner) return `${name} takes ${seen} for the owner of shard ${shard}, which is ${owner}`;
      }
    }
    return undefined;
  }
}
