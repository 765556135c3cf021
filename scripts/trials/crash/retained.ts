/**
 * What a topic's retained message may be, when the broker died at any time: the last acknowledged one, or one in doubt.
 * Knows the values that the topic's only writer sent, in their order; refuses to know connections. A read that follows a
 * restart sees what was on disk, and so settles doubts.
 *
 * One topic has messages of QoS 1 or of QoS 2, not of both: a QoS 1 message that is sent again takes effect again, and a
 * QoS 2 message behind it, already known to the Server, does not.
 * @module
 */
import type { QoS } from "../../../src/codec/mod.ts";

interface Value {
  /** Of the message, undefined if it removes the retained one. */
  readonly serial: number | undefined;
  /** The life of the broker in which it was sent last. */
  life: number;
  /** `open` may be sent again; `gone` never took effect and never will. */
  state: "open" | "acknowledged" | "once" | "gone";
}

/** One topic; the first of its values is none. */
class Topic {
  readonly values: Value[] = [{ serial: undefined, life: -1, state: "acknowledged" }];
  /** The index of one that has taken effect for sure. */
  sure = 0;

  /** The index of the first that may be in effect: one that is open may come again, and then those behind it. */
  first(): number {
    const open = this.values.findIndex(({ state }) => state === "open");
    return open < 0 ? this.sure : Math.min(open, this.sure);
  }
}

/** All retained messages of one data directory. */
export class RetainedModel {
  readonly #problem: (text: string) => void;
  readonly #topics: Map<string, Topic> = new Map();
  #life = 0;
  /** Topics by the key of what is open. */
  readonly #open: Map<number, { topic: Topic; value: Value }> = new Map();

  constructor(problem: (text: string) => void) {
    this.#problem = problem;
  }

  /** The broker was started again. */
  restarted(): void {
    this.#life++;
  }

  /** A PUBLISH with RETAIN 1 was sent, or sent again; `key` is its own, `serial` undefined if it has no payload. */
  sent(topic: string, key: number, serial: number | undefined, qos: QoS): void {
    const known = this.#open.get(key);
    if (known !== undefined) {
      known.value.life = this.#life;
      return;
    }
    const of = this.#of(topic);
    const value: Value = { serial, life: this.#life, state: qos === 0 ? "once" : "open" };
    of.values.push(value);
    if (qos > 0) this.#open.set(key, { topic: of, value });
  }

  /** PUBACK or PUBREC came. */
  acknowledged(key: number): void {
    const known = this.#open.get(key);
    if (known === undefined) return;
    this.#open.delete(key);
    known.value.state = "acknowledged";
    known.topic.sure = known.topic.values.indexOf(known.value); // lower than before, if a read had settled more
  }

  /** Begins to read all topics: to be called when SUBSCRIBE is sent. */
  reading(): Reading {
    const topics = [...this.#topics].map(([name, topic]) =>
      [name, { first: topic.first(), isOpen: topic.values.some(({ state }) => state === "open") }] as const
    );
    return { life: this.#life, topics: new Map(topics) };
  }

  /** All retained messages that there were, by topic: complains of those that cannot be. */
  read({ life, topics }: Reading, found: ReadonlyMap<string, number>): void {
    for (const name of found.keys()) {
      if (!this.#topics.has(name)) {
        this.#problem(`${name} has a retained message, though none was ever published`);
      }
    }
    for (const [name, topic] of this.#topics) {
      const { first, isOpen } = topics.get(name) ?? { first: 0, isOpen: true };
      const candidates = topic.values.slice(first).filter(({ state }, i) => i === 0 || state !== "gone");
      const serial = found.get(name);
      const value = candidates.findLast((candidate) => candidate.serial === serial);
      if (value !== undefined) {
        if (!isOpen) this.#settle(topic, value, life); // else it may have been replaced since, by one that came again
      } else {
        const expected = candidates.map(describe).join(", ");
        const known = topic.values.findLast((one) => one.serial === serial);
        const found = known === undefined ? `${serial}` : describe(known);
        this.#problem(`${name} has ${found} as its retained message, expected one of: ${expected}`);
      }
    }
  }

  /** What was sent in an earlier life and is in effect came from the disk; what was sent once and is not, is gone. */
  #settle(topic: Topic, value: Value, life: number): void {
    const at = topic.values.indexOf(value);
    const isAmbiguous = topic.values.some((one) =>
      one !== value && one.serial === value.serial && one.state !== "gone"
    );
    if (isAmbiguous || value.life >= life || life !== this.#life) return;
    topic.sure = Math.max(topic.sure, at);
    for (const later of topic.values.slice(at + 1)) {
      if (later.state === "once" && later.life < life) later.state = "gone";
    }
  }

  #of(name: string): Topic {
    let topic = this.#topics.get(name);
    if (topic === undefined) this.#topics.set(name, topic = new Topic());
    return topic;
  }
}

function describe({ serial, state, life }: Value): string {
  return `${serial ?? "none"} (${state}, life ${life})`;
}

/** A read that has begun. */
export interface Reading {
  readonly life: number;
  /** The index of the first value that may be found, and whether any is open. */
  readonly topics: ReadonlyMap<string, { readonly first: number; readonly isOpen: boolean }>;
}
