/**
 * Members of a cluster at random: crashes, restarts, stops, cuts, deafness, losses, processes that cannot start, two of one name. Meanwhile
 * nobody decides who cannot know, nor takes what is well; behind it each shard has one owner, all are even, and nothing moves. A seed does the
 * same at each run, on each engine.
 * Knows what may happen to members; refuses to know how they decide.
 * @module
 */
import { CLUSTER } from "../cluster/limits.ts";
import { MemberWorld, type ShardEvent, type SimulatedMember } from "./member_world.ts";

const NAMES = ["a", "b", "c", "d", "e"];
const STEPS = 40;
/** Behind the last fault: a pause behind failures, and the wait for one that does not start. */
const OWNED_MS = CLUSTER.startAgainMsMax + 3 * CLUSTER.overdueMs;
/** Until members have forgotten what they could not start, and what was uneven since is even. */
const EVEN_MS = CLUSTER.failedMs + 300_000;
/** Whoever has been well for so long is heard by all that are. */
const WELL_MS = CLUSTER.memberDeadMs + 4 * CLUSTER.beatMs;
/** Of each shard in the time of faults; and behind it, where each may be dealt out, fought for and moved. */
const CLAIMS_MAX = 40;
const LATE_CLAIMS_MAX = 5;

/** What one seed has brought about. */
export interface MembersDone {
  readonly claims: number;
  /** ms from the last fault until each shard had an owner. */
  readonly ownedMs: number;
}

/** @throws {Error} where something does not hold. */
export function simulateMembers(seed: number): MembersDone {
  return new Run(seed).run();
}

class Run {
  readonly #world: MemberWorld;
  readonly #names: readonly string[];
  /** By direction: since when nothing is lost there; not there for always. */
  readonly #clearSince = new Map<string, number>();
  readonly #claims = new Map<number, number>();
  /** Who can be heard by nobody, not even by itself, since when. */
  readonly #deafSince = new Map<string, number>();
  /** Names that two have had at the same time: who is heard then is not known here. */
  readonly #twins = new Set<string>();

  constructor(seed: number) {
    const world = this.#world = new MemberWorld(1 + seed % 9, seed);
    this.#names = NAMES.slice(0, 2 + seed % 4);
    const { faults } = world.net;
    faults.busLoss = seed % 4 === 0 ? 20 : 0;
    faults.busRepeats = seed % 3 === 0 ? 20 : 0;
    faults.stalls = seed % 5 === 0 ? 3 : 0;
    faults.stallMs = 2_000;
    world.noted = (event, member) => this.#noted(event, member);
  }

  get #now(): number {
    return this.#world.net.schedule.now();
  }

  run(): MembersDone {
    const world = this.#world;
    for (const name of this.#names) {
      world.begin(name);
      world.pass(world.between(0, 3_000));
    }
    for (let step = 0; step < STEPS; step++) {
      world.pass(world.between(100, world.random() % 4 === 0 ? 15_000 : 3_000));
      this.#fault(world.random() % 16);
    }
    return this.#calm();
  }

  #fault(kind: number): void {
    const world = this.#world;
    const some = world.alive[world.random() % Math.max(1, world.alive.length)];
    switch (kind) {
      case 0:
        return some?.crash();
      case 1:
      case 2:
      case 3: {
        const name = this.#name();
        if (!world.alive.some((one) => one.name === name)) world.begin(name);
        return;
      }
      case 4: { // of the program alone: it is back soon
        if (some === undefined) return;
        some.crash();
        world.pass(world.between(150, 1_500));
        return void world.begin(some.name);
      }
      case 5:
        return this.#cut(this.#name(), this.#name());
      case 6: {
        const [one, other] = [this.#name(), this.#name()];
        this.#cut(one, other);
        return this.#cut(other, one);
      }
      case 7:
        return void (some === undefined || this.#names.forEach((name) => this.#cut(name, some.name)));
      case 8:
      case 9:
        return this.#heal();
      case 10: {
        const shards = [...some?.running.keys() ?? []];
        return shards.length === 0 || some!.node.isStopped
          ? undefined
          : some!.fail(shards[world.random() % shards.length]!);
      }
      case 11:
        return some?.connect(world.random() % 2 === 0);
      case 12:
        return some?.stop(world.between(200, 20_000));
      case 13:
        if (world.random() % 2 === 0) world.isSlow = !world.isSlow;
        return void some?.broken.add(1 + world.random() % world.shards);
      case 14:
        if (world.random() % 3 === 0) { for (const one of world.alive) one.crash(); }
        else if (some !== undefined && world.random() % 2 === 0) {
          this.#twins.add(some.name);
          world.begin(some.name);
        }
        return;
      default:
        if (some?.node.isStopped === false && world.random() % 2 === 0) some.leave();
    }
  }

  #name(): string {
    return this.#names[this.#world.random() % this.#names.length]!;
  }

  #cut(from: string, to: string): void {
    this.#world.net.cut(from, to);
    this.#clearSince.set(`${from}>${to}`, Infinity);
    if (from === to && !this.#deafSince.has(to)) this.#deafSince.set(to, this.#now);
  }

  #heal(): void {
    this.#world.net.heal();
    this.#deafSince.clear();
    for (const [way, since] of this.#clearSince) {
      if (since === Infinity) this.#clearSince.set(way, this.#now);
    }
  }

  #noted(event: ShardEvent, member: SimulatedMember): void {
    const { shard, what } = event;
    if (what === "own") {
      const claims = (this.#claims.get(shard) ?? 0) + 1;
      this.#claims.set(shard, claims);
      if (claims > CLAIMS_MAX) throw new Error(`shard ${shard} was claimed ${claims} times`);
    }
    if (what !== "start") return;
    const { name } = member;
    if (this.#now - member.steadySince < CLUSTER.memberDeadMs) {
      throw new Error(`${name} starts shard ${shard} before it can know who lives`);
    }
    if (this.#now - (this.#deafSince.get(name) ?? this.#now) > CLUSTER.deafMs + 2 * CLUSTER.beatMs) {
      throw new Error(`${name} starts shard ${shard} though it hears nobody, nor itself`);
    }
    const owner = this.#world.ownerOf(shard);
    if (owner !== undefined && this.#isWell(shard, owner, member)) {
      throw new Error(`${name} starts shard ${shard}, which ${owner.name} has, as ${name} can hear`);
    }
  }

  /** One has been heard by the other for long. */
  #isWell(shard: number, owner: SimulatedMember, by: SimulatedMember): boolean {
    const since = Math.max(
      owner.steadySince,
      by.steadySince,
      this.#clearSince.get(`${owner.name}>${by.name}`) ?? 0,
      this.#clearSince.get(`${by.name}>${by.name}`) ?? 0,
      owner.ownsSince(shard),
    );
    const isAway = !owner.node.bus.isConnected || owner.node.isStopped || by.node.isStopped ||
      owner.refused !== undefined;
    return owner !== by && !isAway && !this.#twins.has(owner.name) && !owner.member.isLeaving &&
      this.#now - since > WELL_MS;
  }

  /** No more faults. */
  #calm(): MembersDone {
    const world = this.#world;
    this.#heal();
    Object.assign(world.net.faults, { busLoss: 0, busRepeats: 0, stalls: 0 });
    world.isSlow = false;
    for (const member of world.alive) {
      member.broken.clear();
      member.goOn();
      member.connect(true);
      member.write();
    }
    world.pass(5_000); // who leaves has left, and who has another one's name
    if (world.alive.length === 0) world.begin("a");
    const claims = [...this.#claims.values()].reduce((sum, one) => sum + one, 0);
    this.#claims.clear();
    const begun = this.#now;
    while (world.unowned.length > 0 && this.#now - begun <= OWNED_MS) world.pass(CLUSTER.beatMs);
    const ownedMs = this.#now - begun;
    if (world.unowned.length > 0) {
      throw new Error(`shard ${world.unowned[0]} has no owner after ${ownedMs} ms`);
    }
    world.pass(EVEN_MS);
    const { fault } = world;
    if (fault !== undefined) throw new Error(fault);
    for (const [shard, claims] of this.#claims) {
      if (claims > LATE_CLAIMS_MAX) {
        throw new Error(`shard ${shard} was claimed ${claims} times without need`);
      }
    }
    const before = world.events.length;
    world.pass(60_000);
    if (world.events.length > before) throw new Error("shards move without need");
    return { claims, ownedMs };
  }
}
