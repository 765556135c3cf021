/**
 * What a subscription's history says about a message: whether it must, may or may not reach the Client, and at which QoS.
 * Knows when requests were sent and answered; refuses to know messages and deliveries. Times are ticks of the model.
 * @module
 */
import type { QoS } from "../../../src/codec/mod.ts";
import { matches, parseFilter } from "../../../src/topic/filter.ts";

/** One form of a subscription: from a SUBSCRIBE to the next one, or to the UNSUBSCRIBE. */
interface Version {
  readonly qos: QoS;
  readonly sentAt: number;
  ackedAt: number;
  endSentAt: number;
  endAckedAt: number;
  /** It ended by UNSUBSCRIBE. */
  removed: boolean;
}

/** What is known of a message and a Client while the message may have been routed. */
export interface Coverage {
  /** Some form of it may have been there. */
  readonly possible: boolean;
  /** It was there all the time. */
  readonly sure: boolean;
  /** The lowest and highest QoS that can have been granted. */
  readonly least: QoS;
  readonly most: QoS;
}

const NONE: Coverage = { possible: false, sure: false, least: 0, most: 0 };

/** One filter of one Client, from its first SUBSCRIBE on. */
export class Subscription {
  readonly filter: string;
  /** §4.8.2 the filter if it is a Shared Subscription. */
  readonly group: string | undefined;
  readonly #match: string;
  readonly #versions: Version[] = [];

  constructor(filter: string) {
    this.filter = filter;
    const parsed = parseFilter(filter);
    if (typeof parsed === "string") throw new Error(`${filter} is no Topic Filter`);
    this.group = parsed.share === undefined ? undefined : filter;
    this.#match = parsed.match;
  }

  get #last(): Version | undefined {
    return this.#versions.at(-1);
  }

  /** What the Server must think: `maybe` while a request is not answered. */
  get state(): "there" | "gone" | "maybe" {
    const last = this.#last;
    if (last === undefined) return "gone";
    if (last.endAckedAt < Infinity) return "gone";
    return last.ackedAt < Infinity && last.endSentAt === Infinity ? "there" : "maybe";
  }

  /** SUBSCRIBE was sent; sent again before its SUBACK it is the same one. */
  subscribing(qos: QoS, now: number): void {
    const last = this.#last;
    if (last !== undefined && last.ackedAt === Infinity && last.endSentAt === Infinity) return;
    if (last !== undefined && last.endSentAt === Infinity) last.endSentAt = now;
    this.#versions.push({
      qos,
      sentAt: now,
      ackedAt: Infinity,
      endSentAt: Infinity,
      endAckedAt: Infinity,
      removed: false,
    });
  }

  /** SUBACK came. */
  subscribed(now: number): void {
    const last = this.#last!;
    last.ackedAt = now;
    const before = this.#versions.at(-2);
    if (before !== undefined && before.endAckedAt === Infinity) before.endAckedAt = now;
  }

  /** UNSUBSCRIBE was sent. */
  unsubscribing(now: number): void {
    const last = this.#last;
    if (last === undefined || last.endSentAt < Infinity) return;
    last.endSentAt = now;
    last.removed = true;
  }

  /** UNSUBACK came. */
  unsubscribed(now: number): void {
    const last = this.#last;
    if (last !== undefined && last.endAckedAt === Infinity) last.endAckedAt = now;
  }

  /** For a message that was routed, once or more, at some time from `from` to `to`. */
  covers(topic: string, from: number, to: number): Coverage {
    if (!matches(this.#match, topic)) return NONE;
    const touching = this.#versions.filter(({ sentAt, endAckedAt }) => sentAt < to && endAckedAt > from);
    if (touching.length === 0) return NONE;
    const granted = touching.map(({ qos }) => qos);
    return {
      possible: true,
      sure: touching[0]!.ackedAt < from &&
        !touching.some(({ removed, endSentAt }) => removed && endSentAt < to),
      least: Math.min(...granted) as QoS,
      most: Math.max(...granted) as QoS,
    };
  }
}

/** What all of a Client's filters say together: one copy at the highest QoS (decision 0004). */
export function together(all: readonly Coverage[]): Coverage {
  const [possible, sure] = [all.filter((one) => one.possible), all.filter((one) => one.sure)];
  if (possible.length === 0) return NONE;
  return {
    possible: true,
    sure: sure.length > 0,
    least: Math.max(0, ...sure.map(({ least }) => least)) as QoS,
    most: Math.max(...possible.map(({ most }) => most)) as QoS,
  };
}
