/**
 * A member of a cluster: tells that it lives and what it has, and decides which shards it starts and gives away.
 * Knows heartbeats alone; refuses to know how a shard is run, and to be sure: members that see different things may start the same
 * shard, and its log decides.
 * @module
 */
import { type Beat, beatBytes, type Given, type Owned, type Place } from "./beat.ts";
import type { Bus } from "./bus.ts";
import type { Cancel, Clock } from "./clock.ts";
import { CLUSTER } from "./limits.ts";
import { beatSubject } from "./subjects.ts";
import { View } from "./view.ts";

/** Why the process of a shard is to end: another member is to have it, or has it. */
export type StopReason = "given" | "lost";

/**
 * How the process of a shard has ended: another member owns the shard; it could not start, or has crashed; it was given, with
 * everything safe.
 */
export type EndReason = "taken" | "failed" | "given";

/** Whoever runs shards. */
export interface ShardHost {
  /** Starts a process that is to own a shard; `Member.started()` or `ended()` follows. */
  start(shard: number): void;
  /** Ends it; `Member.ended()` follows. */
  stop(shard: number, why: StopReason): void;
}

/** What a member is made of. */
export interface MemberOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  /** The name of the cluster. */
  readonly cluster: string;
  /** Its own name, which no other member has. */
  readonly name: string;
  /** Another one for each of its processes. */
  readonly incarnation: string;
  /** The version of the program, for people. */
  readonly program: string;
  /** How many there are. */
  readonly shards: number;
  /** Files of shards that it has at its start. */
  readonly files: readonly Place[];
  readonly host: ShardHost;
  /** Told when members or owners have changed. */
  readonly changed?: () => void;
  /** Told once: another member has its name. It takes part no more; its shards are stopped as lost. */
  readonly refused: (why: string) => void;
}

/** A shard here. */
interface Here {
  state: "starting" | "owned" | "ending";
  /** 0 until it is owned. */
  epoch: number;
  incarnation: string;
  /** ms since the epoch. */
  since: number;
}

/** A shard whose process has ended as it should not. */
interface Failure {
  /** In a row. */
  readonly count: number;
  readonly until: number;
}

/** See the module. */
export class Member {
  /** What it hears, its own heartbeats too. */
  readonly view: View;
  readonly #options: MemberOptions;
  readonly #here = new Map<number, Here>();
  readonly #failures = new Map<number, Failure>();
  readonly #files: Map<number, Place>;
  /** Shards that go, or have gone, to another member, and until when that is said. */
  readonly #given = new Map<number, { readonly to: string; until: number }>();
  #count = 0;
  /** Heartbeats for which it has listened without a break. */
  #listened = 0;
  readonly #unwatch: Cancel;
  #isLeaving = false;
  #isOver = false;
  #stopBeat: Cancel = () => {};

  constructor(options: MemberOptions) {
    this.#options = options;
    this.#files = new Map(options.files.map((place) => [place.shard, place]));
    const { bus, clock, cluster } = options;
    this.view = new View({
      bus,
      clock,
      cluster,
      heard: (beat) => this.#heard(beat),
      changed: () => {
        this.#decide();
        options.changed?.();
      },
    });
    this.#unwatch = bus.watch((isConnected) => {
      if (!isConnected) this.#listened = 0;
    });
    this.#stopBeat = clock.at(clock.now() + CLUSTER.beatMs, () => this.#beat());
  }

  /** It has been told to leave. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** The process of a shard has claimed it. */
  started(shard: number, epoch: number, incarnation: string): void {
    const here = this.#here.get(shard);
    if (here === undefined || this.#isOver) return;
    if (here.state === "starting") here.state = "owned";
    here.epoch = epoch;
    here.incarnation = incarnation;
    here.since = this.#options.clock.now();
    this.#files.delete(shard);
    this.#say();
  }

  /** The process of a shard has ended; `place` is how far its file is, if that is known. */
  ended(shard: number, how: EndReason, place?: Place): void {
    const now = this.#options.clock.now();
    const here = this.#here.get(shard);
    this.#here.delete(shard);
    if (place !== undefined) this.#files.set(shard, place);
    if (how === "failed") {
      const wasSteady = here !== undefined && here.epoch > 0 && now - here.since >= CLUSTER.steadyMs;
      const count = wasSteady ? 1 : (this.#failures.get(shard)?.count ?? 0) + 1;
      const ms = count === 1
        ? 0
        : Math.min(CLUSTER.startAgainMs * 2 ** Math.min(count - 2, 30), CLUSTER.startAgainMsMax);
      this.#failures.set(shard, { count, until: now + ms });
    }
    const given = this.#given.get(shard);
    if (given !== undefined) given.until = now + CLUSTER.memberDeadMs;
    if (this.#isOver) return;
    this.#say();
    this.#decide();
  }

  /** From now on it starts nothing, and others may start what it has as soon as that has ended. The caller ends its processes. */
  leave(): void {
    this.#isLeaving = true;
    for (const here of this.#here.values()) here.state = "ending";
    this.#say();
  }

  /** Says and hears nothing any more. */
  close(): void {
    this.#isOver = true;
    this.#stopBeat();
    this.#unwatch();
    this.view.close();
  }

  #beat(): void {
    const { clock, bus } = this.#options;
    this.#listened = bus.isConnected ? this.#listened + 1 : 0;
    this.#say();
    this.#decide();
    if (!this.#isOver) this.#stopBeat = clock.at(clock.now() + CLUSTER.beatMs, () => this.#beat());
  }

  /** Whoever begins listens first: another member may have its name. */
  #say(): void {
    if (this.#isOver || this.#count === 0 && this.#listened < CLUSTER.silentBeats) return;
    const { bus, cluster } = this.#options;
    this.#count++;
    bus.publish(beatSubject(cluster), beatBytes(this.#said));
  }

  get #said(): Beat {
    const { name, incarnation, program, shards, clock } = this.#options;
    const now = clock.now();
    const owned: Owned[] = [];
    const starting: number[] = [];
    for (const [shard, { epoch, incarnation }] of this.#here) {
      if (epoch === 0) starting.push(shard);
      else owned.push({ shard, epoch, incarnation });
    }
    for (const [shard, { until }] of this.#given) {
      if (until <= now && !this.#here.has(shard)) this.#given.delete(shard);
    }
    return {
      member: name,
      incarnation,
      count: this.#count,
      program,
      shards,
      owned,
      starting,
      failed: [...this.#failures].flatMap(([shard, { until }]) => until > now ? [shard] : []),
      files: [...this.#files.values()],
      heard: this.#heardOf(),
      given: [...this.#given].map(([shard, { to }]): Given => ({ shard, to })),
      isLeaving: this.#isLeaving,
    };
  }

  #heardOf(): { readonly shard: number; readonly epoch: number }[] {
    const heard: { readonly shard: number; readonly epoch: number }[] = [];
    for (let shard = 1; shard <= this.#options.shards; shard++) {
      const last = this.view.lastOwner(shard);
      if (last !== undefined && this.view.owner(shard) === undefined) {
        heard.push({ shard, epoch: last.epoch });
      }
    }
    return heard;
  }

  /** Of two members with one name the one that has been there for less heartbeats gives way. */
  #heard({ member, incarnation, count }: Beat): void {
    const { name, incarnation: own, refused, host } = this.#options;
    if (member !== name || incarnation === own || this.#isOver) return;
    if (count < this.#count || count === this.#count && incarnation > own) return;
    this.close();
    for (const shard of this.#here.keys()) host.stop(shard, "lost");
    refused(`another member is called ${name}`);
  }

  #decide(): void {
    if (this.#isOver) return;
    this.#endWhatIsLost();
    // Whoever has just begun, or come back, does not know yet who lives.
    if (this.#isLeaving || this.#listened * CLUSTER.beatMs <= CLUSTER.memberDeadMs) return;
    const { name, host } = this.#options;
    const mine = this.#deal().filter(({ to }) => to === name);
    for (const { shard } of mine) {
      this.#here.set(shard, { state: "starting", epoch: 0, incarnation: "", since: 0 });
      this.#given.delete(shard);
      host.start(shard);
    }
    if (mine.length > 0) this.#say();
    else this.#give();
  }

  #endWhatIsLost(): void {
    for (const [shard, here] of this.#here) {
      const owner = this.view.lastOwner(shard);
      if (here.state === "ending" || here.epoch === 0 || owner === undefined) continue;
      if (owner.epoch <= here.epoch) continue;
      here.state = "ending";
      this.#options.host.stop(shard, "lost");
    }
  }

  /** How many shards each member has or starts that may have more. */
  #loads(): Map<string, number> {
    const loads = new Map<string, number>();
    for (const { beat } of this.view.members) {
      if (!beat.isLeaving) loads.set(beat.member, beat.owned.length + beat.starting.length);
    }
    const { name } = this.#options;
    if (this.#isLeaving) loads.delete(name);
    else loads.set(name, this.#here.size);
    return loads;
  }

  /**
   * Who is to start which shard that nobody has: all at once, so that members that see the same come to the same. A shard goes to who has
   * a file of its last epoch, else to who has fewest.
   */
  #deal(): Given[] {
    const loads = this.#loads();
    const beats = this.view.members.map(({ beat }) => beat);
    const dealt: Given[] = [];
    for (let shard = 1; shard <= this.#options.shards; shard++) {
      if (this.#here.has(shard) || this.view.owner(shard) !== undefined) continue;
      if (beats.some((beat) => beat.starting.includes(shard))) continue;
      const may = [...loads.keys()].filter((name) => !this.#hasFailed(name, shard, beats));
      const to = this.#meant(shard, beats, may) ?? fewest(shard, may, loads);
      if (to === undefined) continue;
      loads.set(to, loads.get(to)! + 1);
      dealt.push({ shard, to });
    }
    return dealt;
  }

  #hasFailed(name: string, shard: number, beats: readonly Beat[]): boolean {
    if (name !== this.#options.name) {
      return beats.some((beat) => beat.member === name && beat.failed.includes(shard));
    }
    const failure = this.#failures.get(shard);
    return failure !== undefined && failure.until > this.#options.clock.now();
  }

  /** To whom it was given; else who has its file, if nobody has owned it since. */
  #meant(shard: number, beats: readonly Beat[], may: readonly string[]): string | undefined {
    for (const { given } of [this.#said, ...beats]) {
      const one = given.find((one) => one.shard === shard);
      if (one !== undefined && may.includes(one.to)) return one.to;
    }
    const epochs = beats.flatMap(({ heard }) => heard.filter((one) => one.shard === shard));
    const last = Math.max(0, ...epochs.map(({ epoch }) => epoch));
    let best: { readonly name: string; readonly place: Place } | undefined;
    const consider = (name: string, files: readonly Place[]) => {
      const place = files.find((one) => one.shard === shard);
      if (place === undefined || place.epoch < last || !may.includes(name)) return;
      const isBetter = best === undefined || isAhead(place, best.place) ||
        !isAhead(best.place, place) && name < best.name;
      if (isBetter) best = { name, place };
    };
    const { name } = this.#options;
    consider(name, [...this.#files.values()]);
    for (const { member, files } of beats) if (member !== name) consider(member, files);
    return best?.name;
  }

  /** One shard goes to who has two less, or fewer, while nothing else changes. */
  #give(): void {
    const { name, shards, clock, host } = this.#options;
    if (this.#given.size > 0) return;
    const members = this.view.members;
    for (let shard = 1; shard <= shards; shard++) if (this.view.owner(shard) === undefined) return;
    const isSettled = members.every(({ beat: { starting, given, isLeaving, count } }) =>
      starting.length === 0 && given.length === 0 && !isLeaving &&
      count * CLUSTER.beatMs > CLUSTER.memberDeadMs
    );
    if (!isSettled || [...this.#here.values()].some(({ state }) => state !== "owned")) return;
    const loads = this.#loads();
    const most = Math.max(...loads.values());
    const least = Math.min(...loads.values());
    const giver = [...loads].filter(([, load]) => load === most).map(([name]) => name).sort()[0];
    if (giver !== name || most - least < 2) return;
    const shard = Math.max(...this.#here.keys());
    const to = fewest(shard, [...loads.keys()], loads)!;
    this.#here.get(shard)!.state = "ending";
    this.#given.set(shard, { to, until: clock.now() });
    this.#say();
    host.stop(shard, "given");
  }
}

function isAhead(one: Place, other: Place): boolean {
  return one.epoch > other.epoch || one.epoch === other.epoch && one.number > other.number;
}

/** Who has fewest; of several a hash decides, so that shards come to different ones. */
function fewest(
  shard: number,
  names: readonly string[],
  loads: ReadonlyMap<string, number>,
): string | undefined {
  let best: string | undefined;
  for (const name of names) {
    if (best === undefined) {
      best = name;
      continue;
    }
    const difference = loads.get(name)! - loads.get(best)!;
    if (difference < 0 || difference === 0 && rank(shard, name) > rank(shard, best)) best = name;
  }
  return best;
}

/** FNV-1a over the shard and the name. */
function rank(shard: number, name: string): number {
  let hash = Math.imul(0x811c9dc5 ^ shard, 0x01000193);
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
