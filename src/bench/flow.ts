/**
 * Messages from publishers to subscribers, never more of them on their way than the window allows.
 * Knows topologies, order and loss; refuses to know why.
 * @module
 */
import { setImmediate, setTimeout } from "node:timers";
import { nowUs } from "./clock.ts";
import { type LoadClient, type PublishFrame, publishFrame } from "./client.ts";
import { type Counts, type Load, type Order, Stage, type Times } from "./load.ts";
import { Pace } from "./pace.ts";
import { copiesOf, filterOf, type Plan, shareOf, topicOf } from "./plan.ts";
import { elapsedUs, numberAt, publisherAt, runAt, STAMP_BYTES, timeAt } from "./stamp.ts";
import { type ThreadTime, watchThread } from "./usage.ts";

/** §3.1.2.11.2 seconds that a durable session is kept; it is ended after the run. */
const SESSION_EXPIRY = 600;
/** Seconds in which messages that were due before the end may still be published: else the slowest would not count. */
const OVERTIME_MOST = 60;
/** How long nothing may arrive anywhere before a run ends early. */
const STALL_MS = 5000;
/** A timer comes too late by a ms or so: when the next message is due within this time, the thread stays awake. */
const AWAKE_US = 3000;

/** One publisher of this thread. */
interface Publisher {
  readonly client: LoadClient;
  readonly frame: PublishFrame;
  /** Messages that it may publish in all. */
  readonly quota: number;
  sent: number;
  /** Messages that are due by now, at a rate. */
  due: number;
}

/** The part of one thread. */
export class Flow implements Load {
  readonly #stage: Stage;
  readonly #plan: Plan;
  readonly #order: Order;
  readonly #copies: number;
  /** By index among all; the ones of other threads are missing. */
  readonly #publishers: (Publisher | undefined)[] = [];
  readonly #own: Publisher[] = [];
  #subscribers: LoadClient[] = [];
  /** 1 for publishers that are to be looked at at the end of the turn, and for publishers of other threads. */
  readonly #queued: Uint8Array;
  #queue: Publisher[] = [];
  /** For each subscriber of this thread, and each publisher that it hears: the number of the last message. */
  #last: Uint32Array = new Uint32Array(0);
  /** Where the part of a subscriber begins, by its index among all. */
  readonly #lastFrom: Uint32Array;
  readonly #row: Float64Array;
  /** Something has come that another thread waits for. */
  #news = false;
  #phase: "before" | "running" | "draining" | "over" = "before";
  #times: Times = { startUs: Infinity, measureUs: Infinity, endUs: Infinity };
  #pace: Pace | undefined;
  #ended: () => void = () => {};
  #drained: () => void = () => {};
  /** When the thread was last awake for nothing, and how long it was so since it counts. */
  #awakeUs = 0;
  #awakeChunks = 0;
  #idleUs = 0;
  #watch: () => ThreadTime = watchThread();
  #time: ThreadTime | undefined;
  #sent = 0;
  #done = 0;
  #bytes = 0;
  #disorder = 0;
  #gap = 0;
  #lastUs = 0;

  constructor(order: Order, failed: (error: Error) => void) {
    this.#order = order;
    this.#plan = order.plan;
    this.#copies = copiesOf(order.plan);
    this.#stage = new Stage(order, {
      delivered: (client, bytes, at, end) => this.#delivered(client, bytes, at, end),
      ready: (client) => this.#ready(client),
    }, failed);
    this.#row = this.#stage.board.row(order.thread);
    this.#lastFrom = new Uint32Array(order.plan.subscribers);
    this.#queued = new Uint8Array(order.plan.publishers).fill(1);
    this.#stage.turn.atEnd = () => this.#endTurn();
  }

  async open(): Promise<void> {
    const { thread, threads, run } = this.#order;
    const plan = this.#plan;
    const { publishers, subscribers, topology, qos, durable } = plan;
    const from = topology === "pairs" ? 0 : publishers;
    const mine = shareOf(subscribers, thread, threads, from);
    const hears = topology === "pairs" ? 1 : publishers;
    this.#last = new Uint32Array(mine.length * hears);
    mine.forEach((index, i) => this.#lastFrom[index] = i * hears);
    this.#subscribers = await Stage.each(mine, async (index) => {
      const client = await this.#stage.open("subscriber", index, durable ? SESSION_EXPIRY : 0);
      await client.subscribe(filterOf(plan, run, index), qos);
      return client;
    });
    await Stage.each(shareOf(publishers, thread, threads), async (index) => {
      const client = await this.#stage.open("publisher", index);
      this.#own.push(this.#publishers[index] = this.#publisher(client, index));
    });
    this.#own.sort((a, b) => a.client.index - b.client.index);
  }

  #publisher(client: LoadClient, index: number): Publisher {
    const { messages, publishers, qos, size, level } = this.#plan;
    const payload = new Uint8Array(size).fill(0x78);
    const frame = publishFrame(topicOf(this.#plan, this.#order.run, index), qos, payload, level);
    const quota = messages === 0
      ? Infinity
      : Math.floor(messages / publishers) + (index < messages % publishers ? 1 : 0);
    return { client, frame, quota, sent: 0, due: 0 };
  }

  run(times: Times): Promise<void> {
    // Where messages are counted every one counts, also if the clock says that it is not yet time.
    this.#times = this.#plan.messages > 0 ? { ...times, measureUs: 0 } : times;
    this.#phase = "running";
    const { turn, board } = this.#stage;
    if (this.#order.threads > 1) {
      void board.listen(() => {
        if (this.#phase === "over") return false;
        for (const publisher of this.#own) this.#look(publisher);
        turn.endSoon();
        return true;
      });
    }
    at(times.measureUs, () => {
      this.#watch = watchThread();
      this.#idleUs = 0;
    });
    return new Promise((resolve) => {
      let over = false;
      this.#ended = () => {
        if (over) return;
        over = true;
        this.#phase = "draining";
        if (this.#time === undefined) this.#countTime();
        for (const { client, sent } of this.#own) board.sent[client.index] = sent;
        resolve();
      };
      const { rate, seconds } = this.#plan;
      at(times.endUs, () => this.#countTime());
      at(times.endUs + (rate > 0 ? Math.min(seconds, OVERTIME_MOST) * 1e6 : 0), this.#ended);
      this.#endWhenStalled(-1);
      at(times.startUs, () => this.#start());
    });
  }

  /** Where a Server loses as much as the window allows, nothing would move until the time is over. */
  #endWhenStalled(before: number): void {
    if (this.#phase !== "running" || this.#plan.rate > 0) return;
    const arrived = this.#stage.board.allArrived;
    if (arrived === before) return this.#ended();
    setTimeout(() => this.#endWhenStalled(arrived), STALL_MS);
  }

  /** Being awake for nothing is not work. */
  #countTime(): void {
    const { cpuUs, waitUs, wallUs } = this.#watch();
    const spareUs = Math.min(cpuUs, this.#idleUs);
    this.#time = {
      cpuUs: cpuUs - spareUs,
      waitUs: Math.max(0, waitUs - (this.#idleUs - spareUs)),
      wallUs,
    };
  }

  #start(): void {
    const { rate, publishers } = this.#plan;
    const own = this.#own.map(({ client }) => client.index);
    if (rate > 0) this.#pace = new Pace(this.#times.startUs, rate, publishers, own);
    for (const publisher of this.#own) this.#queued[publisher.client.index] = 0;
    if (this.#pace !== undefined) return this.#keepPace();
    for (const publisher of this.#own) this.#look(publisher);
    this.#stage.turn.end();
  }

  /** Looks at the clock until the next message is due: a timer would make every message late. */
  readonly #keepPace = (): void => {
    if (this.#phase !== "running") return;
    const { turn } = this.#stage;
    const now = nowUs();
    const { endUs } = this.#times;
    const count = this.#pace!.due(Math.min(now, endUs - 1), (index) => {
      const publisher = this.#publishers[index]!;
      publisher.due++;
      this.#look(publisher);
    });
    if (count > 0) turn.end();
    else if (turn.chunks === this.#awakeChunks && this.#awakeUs > 0) this.#idleUs += now - this.#awakeUs;
    this.#awakeChunks = turn.chunks;
    if (now >= endUs && this.#overdue === 0) return this.#ended();
    const waitUs = Math.min(this.#pace!.nextUs, endUs) - now;
    this.#awakeUs = waitUs > AWAKE_US ? 0 : now;
    if (waitUs > AWAKE_US) setTimeout(this.#keepPace, (waitUs - AWAKE_US) / 1000 + 1);
    else setImmediate(this.#keepPace);
  };

  /** Messages that are due and could not be published yet, since the window is full. */
  get #overdue(): number {
    return this.#own.reduce((sum, { due }) => sum + due, 0);
  }

  /** Whether more can be published is looked at when the turn ends. */
  #look(publisher: Publisher): void {
    const { index } = publisher.client;
    if (this.#queued[index] === 1) return;
    this.#queued[index] = 1;
    this.#queue.push(publisher);
  }

  #ready(client: LoadClient): void {
    const publisher = this.#publishers[client.index];
    if (publisher?.client === client) this.#look(publisher);
  }

  #delivered(client: LoadClient, bytes: Uint8Array, at: number, end: number): void {
    if (end - at < STAMP_BYTES || runAt(bytes, at) !== this.#order.run) return;
    const publisher = publisherAt(bytes, at);
    const number = numberAt(bytes, at);
    const { nowUs: now } = this.#stage.turn;
    const slot = this.#lastFrom[client.index]! + (this.#plan.topology === "pairs" ? 0 : publisher);
    const last = this.#last[slot]!;
    if (number <= last) this.#disorder++;
    else {
      this.#last[slot] = number;
      // A member of a shared subscription gets only some of the messages; a message that no member gets is found at the end.
      const lost = this.#plan.topology === "shared" ? 0 : number - last - 1;
      this.#gap += lost;
      this.#row[publisher]! += 1 + lost;
    }
    this.#lastUs = now;
    const own = this.#publishers[publisher];
    if (own !== undefined) this.#look(own);
    if (own === undefined || this.#phase === "draining") this.#news = true;
    const stamped = timeAt(bytes, at);
    const { measureUs, endUs } = this.#times;
    const elapsed = elapsedUs(stamped, now);
    // At a rate, messages count that were due in the window, however late they come: else the slowest would be left out.
    const counts = this.#pace === undefined ? now : now - elapsed;
    if (counts >= measureUs && counts < endUs) this.#stage.latency.add(elapsed);
    if (now < measureUs || now >= endUs) return;
    this.#done++;
    this.#bytes += end - at;
  }

  #endTurn(): void {
    if (this.#phase === "running") {
      const queue = this.#queue;
      this.#queue = [];
      if (queue.length > 0) {
        const now = nowUs();
        for (const publisher of queue) this.#publish(publisher, now);
      }
      if (this.#plan.messages > 0 && this.#own.every(({ sent, quota }) => sent === quota)) this.#ended();
    } else if (this.#phase === "draining" && this.#isDrained()) this.#drained();
    if (!this.#news) return;
    this.#news = false;
    if (this.#order.threads > 1) this.#stage.board.tell();
  }

  #publish(publisher: Publisher, now: number): void {
    const { client, frame, quota } = publisher;
    const { index } = client;
    this.#queued[index] = 0;
    if (client.blocked) return;
    const { window, qos } = this.#plan;
    const arrived = Math.floor(this.#stage.board.arrived(index) / this.#copies);
    let count = Math.min(window - (publisher.sent - arrived), quota - publisher.sent);
    if (qos > 0) count = Math.min(count, Math.min(window, client.receiveMaximum) - client.inFlight);
    if (this.#pace !== undefined) count = Math.min(count, publisher.due);
    if (count <= 0) return;
    const { run } = this.#order;
    for (let i = 0; i < count; i++) {
      const number = ++publisher.sent;
      const us = this.#pace === undefined ? now : this.#pace.dueUs(index, number);
      client.publish(frame, run, us, number, index);
    }
    if (this.#pace !== undefined) publisher.due -= count;
    if (now >= this.#times.measureUs && now < this.#times.endUs) this.#sent += count;
  }

  #isDrained(): boolean {
    return this.#stage.board.outstanding(this.#copies) <= 0 &&
      this.#own.every(({ client }) => client.inFlight === 0);
  }

  async drain(): Promise<Counts> {
    const { board, turn } = this.#stage;
    await new Promise<void>((resolve) => {
      let before = -1;
      const look = () => {
        const left = board.outstanding(this.#copies) +
          this.#own.reduce((sum, { client }) => sum + client.inFlight, 0);
        if (left === before) return this.#drained();
        before = left;
        timer = setTimeout(look, this.#order.plan.grace * 1000);
      };
      let timer = setTimeout(look, 0);
      this.#drained = () => {
        clearTimeout(timer);
        resolve();
      };
      turn.endSoon();
    });
    this.#phase = "over";
    if (this.#plan.messages > 0) this.#countTime(); // it counts until the last has come
    return {
      sent: this.#sent,
      done: this.#done,
      bytes: this.#bytes,
      lastUs: this.#lastUs,
      disorder: this.#disorder,
      gap: this.#gap,
      overdue: this.#plan.messages > 0 ? 0 : this.#overdue,
      refused: this.#own.reduce((sum, { client }) => sum + client.refused, 0),
      unacknowledged: this.#own.reduce((sum, { client }) => sum + client.inFlight, 0),
      latency: this.#stage.latency.buffer,
      time: this.#time!,
    };
  }

  abort(): void {
    this.#phase = "over";
    this.#stage.board.tell();
    this.#stage.abort();
  }

  async close(): Promise<void> {
    const { durable, level } = this.#plan;
    this.#stage.board.tell();
    await Promise.all(this.#stage.clients.map((client) => client.leave(durable)));
    if (!durable || level === 5) return;
    // §3.1.2.4 of 3.1.1: only a CONNECT with Clean Session 1 ends a session that stays.
    await Stage.each(this.#subscribers, async ({ index }) => {
      const client = await this.#stage.open("subscriber", index);
      await client.leave();
    });
  }
}

/** Does something at a time, at once if that is past; never if it is Infinity. */
function at(us: number, action: () => void): void {
  const waitMs = (us - nowUs()) / 1000;
  if (waitMs <= 0) action();
  else if (waitMs < Infinity) setTimeout(action, waitMs);
}
