/**
 * §3.3.1.3 Many retained messages, and a subscriber that comes to them with a wildcard, again and again.
 * Knows that each must come exactly once; refuses to know in which order, which the standard leaves open between topics.
 * @module
 */
import { setTimeout } from "node:timers";
import { nowUs } from "./clock.ts";
import { type LoadClient, publishFrame } from "./client.ts";
import { type Counts, type Load, type Order, Stage, type Times } from "./load.ts";
import { filterOf, shareOf } from "./plan.ts";
import { numberAt, runAt, STAMP_BYTES } from "./stamp.ts";
import { type ThreadTime, watchThread } from "./usage.ts";

/** One subscriber that is being served. */
interface Visit {
  readonly begunUs: number;
  /** By number: whether it has come. */
  readonly seen: Uint8Array;
  left: number;
  /** All have come. */
  over(): void;
}

/** The part of one thread. */
export class Retained implements Load {
  readonly #order: Order;
  readonly #stage: Stage;
  #publisher: LoadClient | undefined;
  /** Nothing of the publisher's is in flight. */
  #acknowledged: () => void = () => {};
  /** By index of the subscriber. */
  readonly #visits = new Map<number, Visit>();
  #refused = 0;
  #done = 0;
  #bytes = 0;
  #servedUs = 0;
  #lastUs = 0;
  #disorder = 0;
  #gap = 0;
  #time: ThreadTime = { cpuUs: 0, waitUs: 0, wallUs: 0 };

  constructor(order: Order, failed: (error: Error) => void) {
    this.#order = order;
    this.#stage = new Stage(order, {
      delivered: (client, bytes, at, end) => this.#delivered(client, bytes, at, end),
      ready: () => this.#acknowledged(),
    }, failed);
  }

  async open(): Promise<void> {
    await this.#publishAll(new Uint8Array(this.#order.plan.size).fill(0x78));
  }

  /** Publishes to this thread's topics at QoS 1, so that the Server has them when this is done; an empty payload removes them. */
  async #publishAll(payload: Uint8Array): Promise<void> {
    const { plan, run, thread, threads } = this.#order;
    const { messages, window, level } = plan;
    const own = shareOf(messages, thread, threads);
    if (own.length === 0) return;
    const client = this.#publisher ??= await this.#stage.open("publisher", thread);
    const room = Math.min(window, client.receiveMaximum);
    let next = 0;
    await new Promise<void>((resolve) => {
      this.#acknowledged = () => {
        for (; next < own.length && client.inFlight < room; next++) {
          const frame = publishFrame(`bench/${run}/${own[next]}`, 1, payload, level, true);
          if (payload.length === 0) client.publishBare(frame);
          else client.publish(frame, run, 0, own[next]! + 1, 0);
        }
        if (client.inFlight === 0) resolve();
      };
      this.#acknowledged();
    });
    this.#acknowledged = () => {};
    this.#refused = client.refused;
  }

  async run({ endUs }: Times): Promise<void> {
    const { plan: { subscribers }, thread, threads } = this.#order;
    const time = watchThread();
    await Promise.all(
      shareOf(subscribers, thread, threads).map(async (index) => {
        do await this.#visit(index); while (nowUs() < endUs && this.#gap === 0);
      }),
    );
    this.#time = time();
  }

  async #visit(index: number): Promise<void> {
    const { plan, run } = this.#order;
    const client = await this.#stage.open("subscriber", index);
    const begunUs = nowUs();
    const over = new Promise<void>((resolve) => {
      const visit = { begunUs, seen: new Uint8Array(plan.messages), left: plan.messages, over: resolve };
      this.#visits.set(index, visit);
      this.#giveUpWhenQuiet(visit, -1);
    });
    await client.subscribe(filterOf(plan, run, index), plan.qos);
    await over;
    this.#gap += this.#visits.get(index)!.left;
    this.#visits.delete(index);
    this.#servedUs += this.#lastUs - begunUs;
    await client.leave();
  }

  /** After a while without a message the missing ones are lost. */
  #giveUpWhenQuiet(visit: Visit, before: number): void {
    if (visit.left === 0) return;
    if (visit.left === before) return visit.over();
    const { left } = visit;
    setTimeout(() => this.#giveUpWhenQuiet(visit, left), this.#order.plan.grace * 1000);
  }

  #delivered({ index }: LoadClient, bytes: Uint8Array, at: number, end: number): void {
    const visit = this.#visits.get(index);
    if (visit === undefined || end - at < STAMP_BYTES || runAt(bytes, at) !== this.#order.run) return;
    const { nowUs: now } = this.#stage.turn;
    const number = numberAt(bytes, at) - 1;
    if (visit.seen[number] !== 0) this.#disorder++;
    else {
      visit.seen[number] = 1;
      visit.left--;
    }
    this.#stage.latency.add(now - visit.begunUs);
    this.#lastUs = now;
    this.#done++;
    this.#bytes += end - at;
    if (visit.left === 0) visit.over();
  }

  drain(): Promise<Counts> {
    const { plan: { subscribers }, thread, threads } = this.#order;
    const share = shareOf(subscribers, thread, threads).length;
    return Promise.resolve({
      sent: this.#done,
      done: this.#done,
      bytes: this.#bytes,
      perSecond: this.#servedUs === 0 ? 0 : share * this.#done / this.#servedUs * 1e6,
      lastUs: this.#lastUs,
      disorder: this.#disorder,
      gap: this.#gap,
      overdue: 0,
      refused: this.#refused,
      unacknowledged: 0,
      latency: this.#stage.latency.buffer,
      time: this.#time,
    });
  }

  abort(): void {
    this.#stage.abort();
  }

  /** §3.3.1.3 an empty retained message removes the one that is there. */
  async close(): Promise<void> {
    await this.#publishAll(new Uint8Array(0));
    await this.#publisher?.leave();
  }
}
