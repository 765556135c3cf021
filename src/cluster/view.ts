/**
 * The members of a cluster, and which of them owns what, as far as can be heard.
 * Knows heartbeats and silence; refuses to know who should own what.
 * @module
 */
import { type Beat, type Owned, readBeat } from "./beat.ts";
import type { Bus } from "./bus.ts";
import type { Cancel, Clock } from "./clock.ts";
import { CLUSTER } from "./limits.ts";
import { beatSubject } from "./subjects.ts";

/** A member that was silent for so long gives its name to another one that is heard. */
const REPLACED_MS = 2 * CLUSTER.beatMs;

/** Who owns a shard. */
export interface Owner extends Omit<Owned, "shard"> {
  /** Its name. */
  readonly member: string;
}

/** A member that lives. */
export interface MemberState {
  /** What it has said last. */
  readonly beat: Beat;
  /** ms since the epoch, here: since when it is heard. */
  readonly since: number;
}

/** What a view is made of. */
export interface ViewOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  /** Its name. */
  readonly cluster: string;
  /** Called when members or owners have changed, and never from inside a call. */
  readonly changed: () => void;
  /** Called for each heartbeat that is understood, before `changed()`. */
  readonly heard?: (beat: Beat) => void;
}

interface Heard {
  beat: Beat;
  readonly since: number;
  /** Anything was heard since the last look; and for how long nothing was before that. */
  isLively: boolean;
  silentMs: number;
}

/** What can be heard of a cluster. */
export class View {
  readonly #options: ViewOptions;
  readonly #members = new Map<string, Heard>();
  /** The owner with the highest epoch that was heard of. */
  readonly #owners = new Map<number, Owner>();
  /** Of each shard, the last epoch whose owner has said itself that it is over, or has begun anew. */
  readonly #ended = new Map<number, number>();
  readonly #unsubscribe: Cancel;
  #stopLooking: Cancel;
  /** Heartbeats that were not understood, or of too many members. */
  #ignored = 0;

  constructor(options: ViewOptions) {
    this.#options = options;
    const { bus, cluster } = options;
    this.#unsubscribe = bus.subscribe(beatSubject(cluster), (bytes) => this.#hear(bytes));
    this.#stopLooking = this.#lookLater();
  }

  /** All that live, in the order of their names. */
  get members(): readonly MemberState[] {
    return [...this.#members.values()].map(({ beat, since }) => ({ beat, since }))
      .sort((one, other) => one.beat.member < other.beat.member ? -1 : 1);
  }

  /** Heartbeats that were of no use. */
  get ignored(): number {
    return this.#ignored;
  }

  /** The owner of a shard, if it lives. */
  owner(shard: number): Owner | undefined {
    const owner = this.#owners.get(shard);
    const owned = owner && this.#members.get(owner.member)?.beat.owned.find((one) => one.shard === shard);
    return owned?.epoch === owner?.epoch ? owner : undefined;
  }

  /** The last owner that was heard of, whether it lives or not. */
  lastOwner(shard: number): Owner | undefined {
    return this.#owners.get(shard);
  }

  /** The last owner that was heard of has said itself that it is the owner no more. */
  hasEnded(shard: number): boolean {
    return this.#ended.get(shard) === this.#owners.get(shard)?.epoch;
  }

  /** Hears nothing any more. */
  close(): void {
    this.#unsubscribe();
    this.#stopLooking();
  }

  #hear(bytes: Uint8Array): void {
    const beat = readBeat(bytes);
    const before = beat && this.#members.get(beat.member);
    if (beat === undefined || before === undefined && this.#members.size >= CLUSTER.membersMax) {
      this.#ignored++;
      return;
    }
    const isSame = before?.beat.incarnation === beat.incarnation;
    if (isSame && beat.count <= before!.beat.count) return; // of before: the bus has moved or doubled it
    this.#options.heard?.(beat);
    // Of two with one name the first is heard: what comes of the other one is late, or it will be refused.
    if (before !== undefined && !isSame && before.silentMs < REPLACED_MS) return;
    const isNews = !isSame || saidIn(before!.beat) !== saidIn(beat);
    if (isSame) {
      before!.isLively = true;
      before!.beat = beat;
    }
    if (!isNews) return;
    this.#own(beat);
    if (beat.isLeaving && beat.owned.length + beat.starting.length === 0) {
      if (!this.#members.delete(beat.member)) return;
    } else if (!isSame) {
      this.#members.set(beat.member, { beat, since: this.#options.clock.now(), isLively: true, silentMs: 0 });
    }
    this.#options.changed();
  }

  #own({ member, owned }: Beat): void {
    for (const { shard, epoch, incarnation } of owned) {
      if (epoch <= (this.#owners.get(shard)?.epoch ?? 0)) continue;
      this.#owners.set(shard, { member, epoch, incarnation });
    }
    for (const [shard, owner] of this.#owners) {
      if (owner.member !== member || owned.some((one) => one.shard === shard && one.epoch === owner.epoch)) {
        continue;
      }
      this.#ended.set(shard, owner.epoch);
    }
  }

  #lookLater(): Cancel {
    const { clock } = this.#options;
    return clock.at(clock.now() + CLUSTER.beatMs, () => this.#look());
  }

  /** Silence is counted in looks of our own: a process that was stopped has not heard what waits to be read. */
  #look(): void {
    let isNews = false;
    for (const [name, heard] of this.#members) {
      heard.silentMs = heard.isLively ? 0 : heard.silentMs + CLUSTER.beatMs;
      heard.isLively = false;
      if (heard.silentMs < CLUSTER.memberDeadMs) continue;
      this.#members.delete(name);
      isNews = true;
    }
    this.#stopLooking = this.#lookLater();
    if (isNews) this.#options.changed();
  }
}

/** All of a heartbeat but its count. */
function saidIn({ count: _, ...said }: Beat): string {
  return JSON.stringify(said);
}
