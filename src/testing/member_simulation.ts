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
/** Of a shard that two halves take from each other for 300 s, and of one that a member cannot start. */
const FOUGHT_MAX = 30;
const FAILED_MAX = 12;

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
  /** The highest epoch of each shard that each view has shown. */
  readonly #shown = new Map<SimulatedMember, number[]>();
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
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
      this.#look();
      this.#fault(world.random() % 16);
    }
    const done = this.#calm();
    this.#drill();
    return done;
  }

  /** What a view shows only grows. */
  #look(): void {
    for (const one of this.#world.alive) {
      const shown = this.#shown.get(one) ?? [];
      for (let shard = 1; shard <= this.#world.shards; shard++) {
        const epoch = one.member.view.lastOwner(shard)?.epoch ?? 0;
        if (epoch < (shown[shard] ?? 0)) {
          throw new Error(`${one.name} shows an older owner of shard ${shard}`);
        }
        shown[shard] = epoch;
      }
      this.#shown.set(one, shown);
    }
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
      case 6:
        return this.#part(this.#name(), [this.#name()]);
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

  /** Neither hears the other. */
  #part(name: string, others: readonly string[]): void {
    for (const other of others) {
      this.#cut(name, other);
      this.#cut(other, name);
    }
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

  /** One has been heard by the other for long, or by a third one that the other hears. */
  #isWell(shard: number, owner: SimulatedMember, by: SimulatedMember): boolean {
    const since = Math.max(this.#wellSince(owner), this.#wellSince(by), owner.ownsSince(shard));
    const ears = this.#world.alive.filter((ear) => ear !== by && ear !== owner);
    const heardSince = Math.min(
      this.#waySince(owner, by),
      ...ears.map((ear) =>
        Math.max(this.#wellSince(ear), this.#waySince(owner, ear), this.#waySince(ear, by))
      ),
    );
    return owner !== by && this.#now - Math.max(since, heardSince) > WELL_MS;
  }

  /** Since when it hears itself, and can be known; Infinity if not now. */
  #wellSince(one: SimulatedMember): number {
    const isAway = !one.node.bus.isConnected || one.node.isStopped || one.refused !== undefined ||
      one.member.isLeaving || this.#twins.has(one.name);
    return isAway ? Infinity : Math.max(one.steadySince, this.#waySince(one, one));
  }

  #waySince(from: SimulatedMember, to: SimulatedMember): number {
    return this.#clearSince.get(`${from.name}>${to.name}`) ?? 0;
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
    }
    world.pass(WELL_MS + 5_000); // who leaves has left, and who has another one's name
    for (const { name, running } of world.alive) {
      for (const [shard, epoch] of running) {
        const owner = epoch === 0 ? undefined : world.ownerOf(shard);
        if (owner === undefined || owner.name === name || world.alive.every((one) => one !== owner)) continue;
        throw new Error(`${name} still runs shard ${shard}, which ${owner.name} has`);
      }
    }
    for (const member of world.alive) member.write();
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

  /** One thing that happens to members that are well, of which is known what follows. */
  #drill(): void {
    const world = this.#world;
    for (const name of NAMES) {
      if (world.alive.length < 3 && !world.alive.some((one) => one.name === name)) world.begin(name);
    }
    world.pass(300_000);
    const before = world.events.length;
    const starts = (shard?: number): number =>
      world.events.slice(before).filter((event) =>
        event.what === "start" && (shard === undefined || event.shard === shard)
      ).length;
    const had = world.owned;
    const some = world.alive[world.random() % world.alive.length]!;
    const { name } = some;
    const shard = 1 + world.random() % world.shards;
    const owner = world.ownerOf(shard)!;
    const others = world.alive.filter((one) => one !== some).map((one) => one.name);
    const allOwned = (when: string): void => {
      if (world.unowned.length > 0) throw new Error(`shard ${world.unowned[0]} has no owner, though ${when}`);
    };
    const none = (when: string): void => {
      if (starts() > 0) throw new Error(`shards are started, though ${when}`);
    };
    const same = (when: string): void => {
      if (world.owned !== had) throw new Error(`${had} has become ${world.owned}, though ${when}`);
    };
    switch (this.#seed % 11) {
      case 0:
        for (let i = 0; i < 12; i++) {
          world.alive.find((one) => one.name === name)?.crash();
          world.pass(200);
          world.begin(name);
          world.pass(3_300);
        }
        allOwned("only one member begins again and again");
        break;
      case 1:
        this.#part(name, others);
        world.isBusy = true;
        world.pass(300_000);
        if (starts(shard) > FOUGHT_MAX) throw new Error(`shard ${shard} was started ${starts(shard)} times`);
        break;
      case 2:
        for (const { broken } of world.alive) broken.add(shard);
        owner.fail(shard);
        world.pass(300_000);
        if (starts() > FAILED_MAX * world.alive.length) throw new Error(`${starts()} starts`);
        for (const { broken } of world.alive) broken.clear();
        world.pass(OWNED_MS);
        allOwned("it can be started again");
        break;
      case 3:
        owner.broken.add(shard);
        owner.fail(shard);
        world.pass(4_000);
        allOwned("others can start it");
        world.pass(EVEN_MS);
        if (starts() > FAILED_MAX) throw new Error(`${starts()} starts`);
        owner.broken.clear();
        break;
      case 4:
        some.slow = [...some.running.keys()][0];
        some.leave(8_000);
        world.pass(2_000);
        allOwned("others have heard of it");
        break;
      case 5:
        this.#cut(name, name);
        world.begin(name);
        world.pass(60_000);
        none("two of one name change nothing");
        break;
      case 6:
        for (const other of [name, ...others]) this.#cut(other, name);
        world.pass(60_000);
        none("one that hears nobody changes nothing");
        break;
      case 7:
        this.#part(name, others.slice(1));
        world.pass(60_000);
        none("one hears both");
        break;
      case 8:
        some.crash();
        world.pass(300);
        world.begin(name);
        world.pass(20_000);
        same("it has begun again at once");
        break;
      case 9:
        for (const one of world.alive) one.crash();
        for (const other of [name, ...others]) {
          world.pass(world.between(0, 3_000));
          world.begin(other);
        }
        world.pass(40_000);
        same("all have begun again");
        break;
      default:
        some.stop(20_000);
        world.pass(CLUSTER.memberDeadMs + 5 * CLUSTER.beatMs);
        allOwned("one was stopped for long");
    }
    this.#heal();
    world.pass([1, 2, 3].includes(this.#seed % 11) ? EVEN_MS : 120_000); // some have failed
    if (world.fault !== undefined) throw new Error(`behind the drill: ${world.fault}`);
  }
}
