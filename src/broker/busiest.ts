/**
 * Which Clients publish most, and below which topics: estimates in bounded memory.
 * Knows samples and their weights; refuses to know connections. It is there only while an owner observes it.
 *
 * Some messages are looked at, at most some hundred in a second, and each of them counts for the others around it: for as many as there are
 * from one to the next on average, at random distances, so that no Client can keep step with them. Names are kept as in "Efficient
 * Computation of Frequent and Top-k Elements in Data Streams" (Metwally and others, 2005): a new name takes the place of the one
 * with the smallest count, and inherits that as its possible error.
 * @module
 */
import type { Random } from "../engine/random.ts";

/** Names of each kind that are kept. */
export const BUSIEST_KEPT = 32;
/** Characters of a name; longer ones are cut, and counted together. */
const NAME_MAX = 128;
/** Levels of a topic that make its prefix. */
const PREFIX_LEVELS = 2;
/** Messages that are looked at in a second, unless there are fewer. */
const SAMPLES = 250;
const SECOND_MS = 1_000;
const GAP_MAX = 1 << 16;
/** Behind this time a message counts half for `perSecond`. */
const HALF_LIFE_MS = 60_000;
/** Counts grow old in steps, of a twelfth of that. */
const STEP_MS = 5_000;
const STEP = 0.5 ** (1 / 12);

/** One name, and about how much comes under it. */
export interface BusyName {
  /** A Client Identifier, or the first two levels of topics; cut behind 128 characters. */
  readonly name: string;
  /** PUBLISH packets that are known of since it is among the busiest: never less than before while it stays there. */
  readonly messages: number;
  /** The same of each second, over the last minutes. */
  readonly perSecond: number;
}

/** The busiest first, at most 32 of each. */
export interface BusiestStats {
  /** Clients that publish. */
  readonly clients: readonly BusyName[];
  /** The first two levels of topics. */
  readonly prefixes: readonly BusyName[];
}

interface Entry {
  readonly name: string;
  /** With what it inherited; grows old. */
  recent: number;
  /** Of this, what may have been of other names. */
  error: number;
  /** What came under this name; grows never old. */
  own: number;
}

/** The most frequent names of one kind. */
export class Frequent {
  readonly #entries: Map<string, Entry> = new Map();

  /** So many more came under this name. */
  add(name: string, count: number): void {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      const inherited = this.#entries.size < BUSIEST_KEPT ? 0 : this.#takeLeast();
      entry = { name, recent: inherited, error: inherited, own: 0 };
      this.#entries.set(name, entry);
    }
    entry.recent += count;
    entry.own += count;
  }

  #takeLeast(): number {
    let least: Entry | undefined;
    for (const entry of this.#entries.values()) {
      if (least === undefined || entry.recent < least.recent) least = entry;
    }
    this.#entries.delete(least!.name);
    return least!.recent;
  }

  /** What has come until now counts for less. */
  age(factor: number): void {
    for (const entry of this.#entries.values()) {
      entry.recent *= factor;
      entry.error *= factor;
    }
  }

  /** The names with the highest counts that are certain; `scale` makes a rate of a count. */
  top(scale: number): BusyName[] {
    return [...this.#entries.values()].sort((a, b) =>
      b.recent - b.error - (a.recent - a.error) || b.own - a.own
    )
      .map(({ name, own, recent, error }) => ({ name, messages: own, perSecond: (recent - error) * scale }));
  }
}

/** Of one broker, since `Broker.observe()` was called with it. */
export class Busiest {
  readonly #random: Random;
  readonly #clients: Frequent = new Frequent();
  readonly #prefixes: Frequent = new Frequent();
  /** ms since the epoch. */
  readonly #begunAt: number;
  #agedAt: number;
  /** Messages from one sample to the next, on average. */
  #gap = 1;
  /** Messages until the next one. */
  #left = 1;
  #samples = 0;
  #samplesSince: number;

  /** Begins at `now`: ms since the epoch. */
  constructor(now: number, random: Random) {
    this.#random = random;
    this.#begunAt = this.#agedAt = this.#samplesSince = now;
  }

  /** So many messages of a Client came on one topic. */
  came(clientId: string, topic: string, messages: number, now: number): void {
    this.#left -= messages;
    if (this.#left <= 0) this.#sample(clientId, topic, messages, now);
  }

  #sample(clientId: string, topic: string, messages: number, now: number): void {
    this.#age(now);
    const gap = this.#gap;
    let samples = messages;
    if (gap === 1) this.#left = 1;
    else for (samples = 0; this.#left <= 0; samples++) this.#left += 1 + this.#random() % (2 * gap - 1);
    const weight = samples * gap;
    this.#clients.add(cut(clientId), weight);
    this.#prefixes.add(cut(prefixOf(topic)), weight);
    this.#samples++;
    if (this.#samples >= 2 * SAMPLES) this.#setGap(2 * gap, now);
    else if (now - this.#samplesSince >= SECOND_MS) {
      const perSecond = this.#samples * SECOND_MS / (now - this.#samplesSince);
      this.#setGap(Math.ceil(gap * perSecond / SAMPLES), now);
    }
  }

  #setGap(gap: number, now: number): void {
    this.#gap = Math.min(gap, GAP_MAX);
    this.#samples = 0;
    this.#samplesSince = now;
  }

  #age(now: number): void {
    const steps = Math.floor((now - this.#agedAt) / STEP_MS);
    if (steps === 0) return;
    this.#agedAt += steps * STEP_MS;
    this.#clients.age(STEP ** steps);
    this.#prefixes.age(STEP ** steps);
  }

  /** All names at present. */
  stats(now: number): BusiestStats {
    this.#age(now);
    // Counts of a steady rate come near to rate × half-life / ln 2, and have not yet when the time since the beginning is short.
    const seconds =
      Math.max(STEP_MS, HALF_LIFE_MS * (1 - 2 ** (-(now - this.#begunAt) / HALF_LIFE_MS)) / Math.LN2) /
      SECOND_MS;
    return { clients: this.#clients.top(1 / seconds), prefixes: this.#prefixes.top(1 / seconds) };
  }
}

function prefixOf(topic: string): string {
  let at = -1;
  for (let level = 0; level < PREFIX_LEVELS; level++) {
    at = topic.indexOf("/", at + 1);
    if (at < 0) return topic;
  }
  return topic.slice(0, at);
}

/** Not between the two halves of one character: two names would be written alike. */
function cut(name: string): string {
  if (name.length <= NAME_MAX) return name;
  return name.slice(0, /[\ud800-\udbff]/.test(name[NAME_MAX - 1]!) ? NAME_MAX - 1 : NAME_MAX);
}
