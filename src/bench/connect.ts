/**
 * Bursts of Clients: TCP connection, §3.1 CONNECT, §3.2 CONNACK, again and again until the time is over.
 * Knows how long each took; refuses to know what Clients do later.
 * @module
 */
import { nowUs } from "./clock.ts";
import type { LoadClient } from "./client.ts";
import { type Counts, type Load, type Order, Stage, type Times } from "./load.ts";
import { shareOf } from "./plan.ts";
import { type ThreadTime, watchThread } from "./usage.ts";

/** The part of one thread. */
export class Connect implements Load {
  readonly #stage: Stage;
  readonly #own: readonly number[];
  /** The Clients of the last burst, which stay until the end. */
  #open: LoadClient[] = [];
  #done = 0;
  #connectingUs = 0;
  #time: ThreadTime = { cpuUs: 0, waitUs: 0, wallUs: 0 };

  constructor(order: Order, failed: (error: Error) => void) {
    this.#stage = new Stage(order, { delivered: () => {}, ready: () => {} }, failed);
    this.#own = shareOf(order.plan.connections, order.thread, order.threads);
  }

  open(): Promise<void> {
    return Promise.resolve();
  }

  async run({ endUs }: Times): Promise<void> {
    if (this.#own.length === 0) return;
    const { window } = this.#stage.plan;
    const time = watchThread();
    for (;;) {
      const begun = nowUs();
      this.#open = await Stage.each(this.#own, async (index) => {
        const dialled = nowUs();
        const client = await this.#stage.open("client", index);
        this.#stage.latency.add(nowUs() - dialled);
        return client;
      }, window);
      this.#connectingUs += nowUs() - begun;
      this.#done += this.#own.length;
      if (nowUs() >= endUs) break;
      await this.close();
    }
    this.#time = time();
  }

  drain(): Promise<Counts> {
    return Promise.resolve({
      sent: this.#done,
      done: this.#done,
      bytes: 0,
      perSecond: this.#done === 0 ? 0 : this.#done / this.#connectingUs * 1e6,
      lastUs: nowUs(),
      disorder: 0,
      gap: 0,
      overdue: 0,
      refused: 0,
      unacknowledged: 0,
      latency: this.#stage.latency.buffer,
      time: this.#time,
    });
  }

  abort(): void {
    this.#stage.abort();
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = [];
    await Promise.all(open.map((client) => client.leave()));
    this.#stage.forget();
  }
}
