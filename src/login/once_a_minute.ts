/**
 * What strangers can bring about at will is told at most once a minute.
 * Knows names, and how often each was not told; refuses to know what is told.
 * @module
 */
import type { LoginEvent, LoginEvents } from "./link.ts";

/** A limit tells its owner at most so often that it is reached. */
const TOLD_EVERY_MS = 60_000;
/** Names that are known at a time: strangers may bring any number of them. All others count as one more. */
const NAMES_MAX = 1_000;
const OTHERS = "";

interface Named<Item> {
  /** When it was told the last time: ms. */
  at: number;
  /** How often it was not told between that time and the one before. */
  before: number;
  /** How often since. */
  more: number;
  /** The last of these. */
  item: Item | undefined;
}

/** Says for each name at most once a minute that something has happened, and how often it has happened besides. */
export class OnceAMinute<Item = undefined> {
  /** In the order in which they were told. */
  readonly #names = new Map<string, Named<Item>>();
  /** Names that were not due since they were told. */
  #waiting = 0;

  /** Whether this is the first time in a minute. */
  isDue(name: string, now: number = Date.now(), item?: Item): boolean {
    const key = this.#keyOf(name, now);
    const known = this.#names.get(key);
    if (known === undefined || isOver(known, now)) {
      this.#told(key, now, known?.more ?? 0);
      return true;
    }
    if (known.more++ === 0) this.#waiting++;
    known.item = item;
    return false;
  }

  /** Whether something was not due since it was told the last time. */
  get hasMore(): boolean {
    return this.#waiting > 0;
  }

  /** How often it was not due before the last time that it was. */
  left(name: string): number {
    return (this.#names.get(name) ?? this.#names.get(OTHERS))?.before ?? 0;
  }

  /**
   * The last item of each name that was not due since, if its minute is over or `isLast`, and how often it was not due besides: to be told
   * now. Names without one are forgotten.
   */
  overdue(now: number, isLast = false): readonly { readonly item: Item; readonly more: number }[] {
    const overdue: { item: Item; more: number }[] = [];
    for (const [key, named] of [...this.#names]) {
      const isDue = isOver(named, now);
      if (named.more > 0 && (isDue || isLast)) {
        overdue.push({ item: named.item as Item, more: named.more - 1 });
        this.#told(key, now, named.more);
      } else if (isDue) this.#forget(key);
    }
    return overdue;
  }

  #told(key: string, at: number, before: number): void {
    this.#forget(key);
    this.#names.set(key, { at, before, more: 0, item: undefined });
  }

  #forget(key: string): void {
    if ((this.#names.get(key)?.more ?? 0) > 0) this.#waiting--;
    this.#names.delete(key);
  }

  /** The name itself, if there is room for it. */
  #keyOf(name: string, now: number): string {
    if (this.#names.has(name) || this.#names.size < NAMES_MAX) return name;
    for (const [oldest, named] of this.#names) {
      if (!isOver(named, now)) break;
      this.#forget(oldest);
    }
    return this.#names.size < NAMES_MAX ? name : OTHERS;
  }
}

/** Tells an owner of limits that are reached: of each once a minute. */
export class LimitEvents {
  readonly #told = new OnceAMinute();
  readonly #onEvent: LoginEvents;

  constructor(onEvent: LoginEvents) {
    this.#onEvent = onEvent;
  }

  reached(limit: string, fields: LoginEvent["fields"] = {}, now?: number): void {
    if (!this.#told.isDue(limit, now)) return;
    const more = this.#told.left(limit) || undefined;
    this.#onEvent({ level: "warn", message: "limit reached", fields: { limit, ...fields, more } });
  }
}

function isOver({ at }: Named<unknown>, now: number): boolean {
  return now < at || now - at >= TOLD_EVERY_MS;
}
