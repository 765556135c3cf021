/**
 * Who is to have which shard: worked out from heartbeats, so that members that have heard the same come to the same.
 * Knows what members have said; refuses to know which of them it is asked by, and how shards are started.
 * @module
 */
import type { Beat, Given, Place } from "./beat.ts";

/** Whether a member is to be left out for a shard, as it was to start it and has not. */
export type IsPassed = (shard: number, member: string) => boolean;

/**
 * Who is to start which of these shards that nobody has, in the order of their numbers. A shard goes to the member that it was given to;
 * else to the one whose file of it is ahead of all others and of no epoch before the last, as that one has least to read; else to the one with
 * fewest of those that decide. A member that could not start it, or was left out, comes behind all others.
 */
export function deal(shards: readonly number[], beats: readonly Beat[], isPassed: IsPassed): Given[] {
  const seats = beats.filter(({ isLeaving }) => !isLeaving);
  const loads = loadsOf(seats);
  const dealt: Given[] = [];
  for (const shard of shards) {
    const there = seats.filter(({ member }) => !isPassed(shard, member));
    const able = there.filter(({ failed }) => !failed.includes(shard));
    const may = able.length > 0 ? able : there.length > 0 ? there : seats;
    const to = givenTo(shard, beats, may) ?? withFile(shard, beats, may) ??
      fewest(shard, may.filter(({ hears }) => hears), loads);
    if (to === undefined) continue;
    loads.set(to, loads.get(to)! + 1);
    dealt.push({ shard, to });
  }
  return dealt;
}

/**
 * Which of its shards a member is to give to which other one, so that in the end no member has two more than another one; undefined if none.
 * Of several members with most the first by name gives.
 */
export function toGive(member: string, beats: readonly Beat[]): Given | undefined {
  const seats = beats.filter(({ isLeaving }) => !isLeaving);
  const loads = loadsOf(seats);
  const most = Math.max(...loads.values());
  const giver = [...loads.keys()].filter((name) => loads.get(name) === most).sort()[0];
  if (giver !== member) return undefined;
  const mine = beats.find((beat) => beat.member === member)!.owned;
  const less = seats.filter((seat) => seat.hears && loads.get(seat.member)! <= most - 2);
  for (const shard of mine.map(({ shard }) => shard).sort((one, other) => other - one)) {
    const to = fewest(shard, less.filter(({ failed }) => !failed.includes(shard)), loads);
    if (to !== undefined) return { shard, to };
  }
  return undefined;
}

/** How many shards each has or starts. */
function loadsOf(beats: readonly Beat[]): Map<string, number> {
  return new Map(beats.map(({ member, owned, starting }) => [member, owned.length + starting.length]));
}

function givenTo(shard: number, beats: readonly Beat[], may: readonly Beat[]): string | undefined {
  for (const { given } of beats) {
    for (const one of given) {
      if (one.shard === shard && may.some(({ member }) => member === one.to)) return one.to;
    }
  }
  return undefined;
}

function withFile(shard: number, beats: readonly Beat[], may: readonly Beat[]): string | undefined {
  const last = epochHeard(shard, beats);
  let best: { readonly name: string; readonly place: Place } | undefined;
  for (const { member, files } of may) {
    const place = files.find((one) => one.shard === shard);
    if (place === undefined || place.epoch < last) continue;
    const isBetter = best === undefined || isAhead(place, best.place) ||
      !isAhead(best.place, place) && member < best.name;
    if (isBetter) best = { name: member, place };
  }
  return best?.name;
}

/** The last epoch of a shard that anybody has heard of, or has a file of. */
export function epochHeard(shard: number, beats: readonly Beat[]): number {
  let last = 0;
  for (const { heard, files } of beats) {
    for (const one of heard) if (one.shard === shard && one.epoch > last) last = one.epoch;
    for (const one of files) if (one.shard === shard && one.epoch > last) last = one.epoch;
  }
  return last;
}

function isAhead(one: Place, other: Place): boolean {
  return one.epoch > other.epoch || one.epoch === other.epoch && one.number > other.number;
}

/** Who has fewest; of several a hash decides, so that shards come to different ones. */
function fewest(
  shard: number,
  seats: readonly Beat[],
  loads: ReadonlyMap<string, number>,
): string | undefined {
  let best: string | undefined;
  for (const { member } of seats) {
    if (best === undefined) {
      best = member;
      continue;
    }
    const difference = loads.get(member)! - loads.get(best)! || rank(shard, best) - rank(shard, member);
    if (difference < 0 || difference === 0 && member < best) best = member;
  }
  return best;
}

/** FNV-1a over the shard and the name. */
function rank(shard: number, name: string): number {
  let hash = Math.imul(0x811c9dc5 ^ shard, 0x01000193);
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
