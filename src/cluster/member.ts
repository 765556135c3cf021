/**
 * A member of a cluster: tells that it lives and what it has, and decides which shards it starts and gives away.
 * Knows heartbeats alone; refuses to know how a shard is run, and to be sure: members that see different things may start the same
 * shard, and its log decides.
 * @module
 */
import { type Beat, beatBytes, type Heard, type Owned, type Place } from "./beat.ts";
import type { Bus } from "./bus.ts";
import type { Cancel, Clock } from "./clock.ts";
import { deal, epochHeard, toGive } from "./deal.ts";
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
  /** ms since the epoch: it is not tried before. */
  readonly until: number;
  /** Somebody has taken it who was not heard. */
  readonly isTaken: boolean;
}

/** A shard that waits for whoever is to start it. */
interface Wait {
  readonly to: string;
  /** Heartbeats of our own. */
  readonly beats: number;
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
  /** Heartbeats said, and those that were due. */
  #count = 0;
  #beats = 0;
  /** Heartbeats for which it has listened without a break. */
  #listened = 0;
  /** When it heard itself last, and when the next heartbeat is due. */
  #echoAt = 0;
  #dueAt = 0;
  /** In how many heartbeats others of its name were heard, and in which one last. */
  #rival = { beats: 0, last: 0 };
  /** Shards whose owner was heard when it was last looked. */
  #living: ReadonlySet<number> = new Set();
  readonly #waits = new Map<number, Wait>();
  /** Of shards, members that were to start them and have not. */
  readonly #passed = new Map<number, Set<string>>();
  readonly #unwatch: Cancel;
  /** The cluster is not new: files were heard of. */
  #isOld = false;
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
        this.#tellDeath();
        this.#decide();
        options.changed?.();
      },
    });
    this.#unwatch = bus.watch((isConnected) => {
      if (!isConnected) this.#listened = 0;
      else this.#failures.clear(); // of when there was none
    });
    this.#beatLater();
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
    if (how !== "given") {
      const wasSteady = here !== undefined && here.epoch > 0 && now - here.since >= CLUSTER.steadyMs;
      this.#fail(shard, how === "taken", wasSteady && how === "failed");
    }
    const given = this.#given.get(shard);
    if (given !== undefined) given.until = now + CLUSTER.memberDeadMs;
    if (this.#isOver) return;
    this.#say();
    this.#decide();
  }

  /**
   * A process that could not be started is tried again at once, and then ever more seldom. A shard that was taken by somebody who is
   * not heard is left alone at first: each would take it from the other for ever.
   */
  #fail(shard: number, isTaken: boolean, isFirst: boolean): void {
    const count = isFirst ? 1 : (this.#failures.get(shard)?.count ?? 0) + 1;
    const factor = 2 ** Math.min(count - 1, 16);
    const ms = isTaken ? CLUSTER.memberDeadMs * factor : count === 1 ? 0 : CLUSTER.startAgainMs * factor / 2;
    const until = this.#options.clock.now() + Math.min(ms, CLUSTER.startAgainMsMax);
    this.#failures.set(shard, { count, until, isTaken });
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

  #beatLater(): void {
    const { clock } = this.#options;
    this.#dueAt = clock.now() + CLUSTER.beatMs;
    this.#stopBeat = clock.at(this.#dueAt, () => this.#beat());
  }

  #beat(): void {
    const { clock, bus } = this.#options;
    this.#beats++;
    if (this.#count === 0) this.#echoAt = this.#beats;
    const isDeaf = (this.#beats - this.#echoAt) * CLUSTER.beatMs > CLUSTER.deafMs;
    this.#listened = bus.isConnected && !isDeaf && !this.#wasStopped ? this.#listened + 1 : 0;
    this.#forget(clock.now());
    this.#say();
    this.#pass();
    this.#decide();
    if (!this.#isOver) this.#beatLater();
  }

  /** What was true for some time only. */
  #forget(now: number): void {
    const { name } = this.#options;
    for (const [shard, { until, isTaken }] of this.#failures) {
      const here = this.#here.get(shard);
      const isSteady = here !== undefined && here.epoch > 0 && now - here.since >= CLUSTER.steadyMs;
      const isHeard = here === undefined && (this.view.owner(shard)?.member ?? name) !== name;
      const isOver = isTaken ? isHeard : isSteady;
      if (isOver || now > until + CLUSTER.failedMs) this.#failures.delete(shard);
    }
    for (const [shard, { until }] of this.#given) {
      if (until <= now && !this.#here.has(shard)) this.#given.delete(shard);
    }
  }

  /** It knows who lives: it has listened for long enough, and has been able to. */
  get #hears(): boolean {
    return this.#listened * CLUSTER.beatMs > CLUSTER.memberDeadMs && !this.#wasStopped;
  }

  /** Its process was stopped: much has happened since, of which nothing may have been read yet. */
  get #wasStopped(): boolean {
    return this.#options.clock.now() - this.#dueAt > CLUSTER.deafMs;
  }

  /** Whoever begins listens first: another member may have its name. */
  #say(): void {
    if (this.#isOver || this.#count === 0 && this.#listened < CLUSTER.silentBeats) return;
    const { bus, cluster } = this.#options;
    this.#count++;
    bus.publish(beatSubject(cluster), beatBytes(this.#said));
  }

  get #said(): Beat {
    const { name, incarnation, program, shards } = this.#options;
    const owned: Owned[] = [];
    const starting: number[] = [];
    for (const [shard, { epoch, incarnation }] of this.#here) {
      if (epoch === 0) starting.push(shard);
      else owned.push({ shard, epoch, incarnation });
    }
    return {
      member: name,
      incarnation,
      count: this.#count,
      program,
      shards,
      owned,
      starting,
      hears: this.#hears,
      failed: [...this.#failures].flatMap(([shard, { count, until }]) =>
        count > 1 || this.#isPause(until) ? [shard] : []
      ),
      files: [...this.#files.values()],
      heard: this.#heardOf(),
      given: [...this.#given].map(([shard, { to }]) => ({ shard, to })),
      isLeaving: this.#isLeaving,
    };
  }

  #isPause(until: number): boolean {
    return until > this.#options.clock.now();
  }

  #heardOf(): Heard[] {
    const heard: Heard[] = [];
    for (let shard = 1; shard <= this.#options.shards; shard++) {
      const last = this.view.lastOwner(shard);
      if (last === undefined) continue;
      heard.push({ shard, epoch: last.epoch, lives: this.view.owner(shard) !== undefined });
    }
    return heard;
  }

  #heard({ member, incarnation, count }: Beat): void {
    const { name, incarnation: own } = this.#options;
    if (member !== name || this.#isOver) return;
    if (incarnation === own) this.#echoAt = this.#beats;
    else this.#heardRival(incarnation, count);
  }

  /** Of two members with one name the one that has said less heartbeats gives way. */
  #heardRival(incarnation: string, count: number): void {
    const { name, incarnation: own, refused, host } = this.#options;
    const { beats: before, last } = this.#rival;
    const isGoingOn = this.#beats - last <= CLUSTER.rivalBeats;
    const beats = isGoingOn ? before + (last === this.#beats ? 0 : 1) : 1;
    this.#rival = { beats, last: this.#beats };
    if (beats < CLUSTER.rivalBeats) return;
    if (count < this.#count || count === this.#count && incarnation > own) return;
    this.close();
    for (const shard of this.#here.keys()) host.stop(shard, "lost");
    refused(`another member is called ${name}`);
  }

  /** Others wait for what we hear: they are told at once when an owner has fallen silent. */
  #tellDeath(): void {
    const living = new Set<number>();
    for (const { shard, lives } of this.#heardOf()) if (lives) living.add(shard);
    const isDeath = [...this.#living].some((shard) => !living.has(shard) && !this.view.hasEnded(shard));
    this.#living = living;
    if (isDeath) this.#say();
  }

  /** What all say, with our own present. */
  get #all(): Beat[] {
    const { name } = this.#options;
    const others = this.view.members.filter(({ beat }) => beat.member !== name);
    return [this.#said, ...others.map(({ beat }) => beat)];
  }

  #decide(): void {
    if (this.#isOver) return;
    const beats = this.#all;
    this.#endWhatIsLost(beats);
    if (this.#isLeaving || !this.#hears || this.#isGathering(beats)) return;
    const { name, host } = this.#options;
    const ownerless = this.#ownerless(beats);
    let starts = 0;
    for (const { shard, to } of this.#deal(ownerless, beats)) {
      const failure = this.#failures.get(shard);
      if (to !== name || failure !== undefined && this.#isPause(failure.until)) continue;
      this.#here.set(shard, { state: "starting", epoch: 0, incarnation: "", since: 0 });
      this.#given.delete(shard);
      starts++;
      host.start(shard);
    }
    if (starts > 0) this.#say();
    else if (ownerless.length === 0) this.#give(beats);
  }

  #endWhatIsLost(beats: readonly Beat[]): void {
    for (const [shard, here] of this.#here) {
      if (here.state === "ending" || here.epoch === 0 || epochHeard(shard, beats) <= here.epoch) continue;
      here.state = "ending";
      this.#options.host.stop(shard, "lost");
    }
  }

  /** Where nobody has heard of any owner all begin: who comes a little later is to find its shards. */
  #isGathering(beats: readonly Beat[]): boolean {
    return this.#isEarly && beats.every(({ heard }) => heard.length === 0) &&
      beats.some(({ hears }) => !hears);
  }

  /** Whoever has the file of a shard that nobody has heard of may still begin. */
  #isAwaited(shard: number, beats: readonly Beat[]): boolean {
    if (!this.#isEarly) return false;
    this.#isOld ||= beats.some(({ files }) => files.length > 0);
    return this.#isOld && epochHeard(shard, beats) === 0 &&
      !beats.some(({ files }) => files.some((place) => place.shard === shard));
  }

  get #isEarly(): boolean {
    return this.#listened * CLUSTER.beatMs <= CLUSTER.gatherMs;
  }

  /** Shards that nobody has or starts. An owner that another member hears is one. */
  #ownerless(beats: readonly Beat[]): number[] {
    const { name, shards } = this.#options;
    const ownerless: number[] = [];
    for (let shard = 1; shard <= shards; shard++) {
      const owner = this.view.owner(shard);
      if (this.#here.has(shard) || owner !== undefined && owner.member !== name) {
        this.#passed.delete(shard);
        continue;
      }
      if (beats.some(({ starting }) => starting.includes(shard))) continue;
      const known = this.view.lastOwner(shard)?.epoch ?? 0;
      const least = this.view.hasEnded(shard) ? known + 1 : known;
      const isHeard = beats.some(({ member, heard }) =>
        member !== name && heard.some((one) => one.shard === shard && one.lives && one.epoch >= least)
      );
      if (!isHeard && !this.#isAwaited(shard, beats)) ownerless.push(shard);
    }
    return ownerless;
  }

  #deal(ownerless: readonly number[], beats: readonly Beat[]): ReturnType<typeof deal> {
    return deal(ownerless, beats, (shard, member) => this.#passed.get(shard)?.has(member) === true);
  }

  /** Counts how long shards wait. Whoever does not start what it is to start is left out. */
  #pass(): void {
    const beats = this.#all;
    if (!this.#hears || this.#isGathering(beats)) return this.#waits.clear();
    const ownerless = this.#ownerless(beats);
    const waits = new Map(this.#waits);
    this.#waits.clear();
    for (const { shard, to } of this.#deal(ownerless, beats)) {
      const wait = waits.get(shard);
      const count = wait?.to === to ? wait.beats + 1 : 1;
      if (count * CLUSTER.beatMs <= CLUSTER.overdueMs) this.#waits.set(shard, { to, beats: count });
      else this.#passOver(shard, to, beats);
    }
  }

  #passOver(shard: number, to: string, beats: readonly Beat[]): void {
    const passed = this.#passed.get(shard) ?? new Set();
    passed.add(to);
    if (beats.every(({ member }) => passed.has(member))) passed.clear();
    this.#passed.set(shard, passed);
  }

  /** One shard goes to who has two less, or fewer, while nothing else changes. */
  #give(beats: readonly Beat[]): void {
    const { name, shards, clock, host } = this.#options;
    for (let shard = 1; shard <= shards; shard++) if (this.view.owner(shard) === undefined) return;
    const isSettled = beats.every(({ starting, given, isLeaving }) =>
      starting.length === 0 && given.length === 0 && !isLeaving
    );
    if (!isSettled || [...this.#here.values()].some(({ state }) => state !== "owned")) return;
    const give = toGive(name, beats);
    if (give === undefined) return;
    this.#here.get(give.shard)!.state = "ending";
    this.#given.set(give.shard, { to: give.to, until: clock.now() });
    this.#say();
    host.stop(give.shard, "given");
  }
}
