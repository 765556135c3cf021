/**
 * §3.3.1.3 Retained messages: the last one of each topic, found by filter.
 * Knows topics and messages; refuses to know who subscribes.
 * @module
 */
import { type Message, messageBytes } from "../delivery/message.ts";
import type { Deadline, Timers } from "../engine/timers.ts";
import { NameTree } from "../topic/name_tree.ts";
import type { LimitName, Limits } from "./limits.ts";

/** The place of one topic; `message` is undefined once it is removed. `due()` has it removed when it expires. */
export class RetainedEntry implements Deadline {
  heapIndex = -1;
  heapTime = 0;
  message: Message | undefined;
  readonly #retained: Retained;

  constructor(retained: Retained, message: Message) {
    this.#retained = retained;
    this.message = message;
  }

  due(): void {
    if (this.message !== undefined) this.#retained.expired(this.message.topic);
  }
}

/** All retained messages. */
export class Retained {
  #tree: NameTree<RetainedEntry> = new NameTree();
  #bytes = 0;
  #timers: Timers;
  #limits: Limits;
  /** Calls `remove()`, and tells who else has to know. */
  readonly expired: (topic: string) => void;

  constructor(timers: Timers, limits: Limits, expired: (topic: string) => void) {
    this.#timers = timers;
    this.#limits = limits;
    this.expired = expired;
  }

  /** How many there are. */
  get size(): number {
    return this.#tree.size;
  }

  /** What they count for in `retainedBytesMax`. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Makes `message` its topic's retained message, whatever the limits: it was there before they were set. */
  restore(message: Message): void {
    const entry = new RetainedEntry(this, message);
    this.#tree.set(message.topic, entry);
    this.#bytes += messageBytes(message);
    this.#timers.schedule(entry, message.expiresAt);
  }

  /** Makes `message` its topic's retained message [MQTT-3.3.1-5], or names the limit that forbids it. */
  set(message: Message): LimitName | undefined {
    const entry = this.#tree.get(message.topic);
    const before = entry?.message === undefined ? 0 : messageBytes(entry.message);
    const bytes = this.#bytes - before + messageBytes(message);
    if (bytes > this.#limits.retainedBytesMax) return "retainedBytesMax";
    if (entry === undefined && this.#tree.size >= this.#limits.retainedMessagesMax) {
      return "retainedMessagesMax";
    }
    this.#bytes = bytes;
    const place = entry ?? new RetainedEntry(this, message);
    place.message = message;
    if (entry === undefined) this.#tree.set(message.topic, place);
    this.#timers.schedule(place, message.expiresAt);
    return undefined;
  }

  /** Removes the retained message of `topic` [MQTT-3.3.1-6]; false if there is none. */
  remove(topic: string): boolean {
    const entry = this.#tree.delete(topic);
    if (entry === undefined) return false;
    this.#bytes -= messageBytes(entry.message!);
    entry.message = undefined;
    this.#timers.cancel(entry);
    return true;
  }

  /** The entries of every topic that `filter` matches. */
  match(filter: string): RetainedEntry[] {
    const found: RetainedEntry[] = [];
    this.#tree.match(filter, found);
    return found;
  }
}
