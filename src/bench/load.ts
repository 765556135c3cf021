/**
 * The part of a thread in a run, whatever the scenario: its phases and its counts.
 * Knows the order of things; refuses to know what is done in them.
 * @module
 */
import { BufferPool } from "../engine/outbox.ts";
import { Board } from "./shared_counts.ts";
import { type ClientContext, type ClientOptions, LoadClient } from "./client.ts";
import { Histogram } from "./histogram.ts";
import type { Plan } from "./plan.ts";
import type { Target } from "./target.ts";
import { Turn } from "./turn.ts";
import type { ThreadTime } from "./usage.ts";

/** The order to a thread. */
export interface Order {
  readonly plan: Plan;
  readonly target: Target;
  /** Tells this run from others, 32 bits. */
  readonly run: number;
  readonly thread: number;
  readonly threads: number;
  /** That of a `Board`. */
  readonly board: SharedArrayBuffer;
}

/** When it is to do it, µs since the epoch. */
export interface Times {
  readonly startUs: number;
  /** From here on it counts. */
  readonly measureUs: number;
  /** Nothing is begun any more. */
  readonly endUs: number;
}

/** The counts of a thread. */
export interface Counts {
  /** Messages published while it counted. */
  readonly sent: number;
  /** Messages delivered, or connections made. */
  readonly done: number;
  /** Bytes of the payloads delivered. */
  readonly bytes: number;
  /** Counts for each second of its time, where this thread alone knows how long it took. */
  readonly perSecond?: number;
  /** µs since the epoch, when the last came. */
  readonly lastUs: number;
  /** Messages behind one that was published later, or twice. */
  readonly disorder: number;
  /** Messages that never came, as later ones show. */
  readonly gap: number;
  /** At a rate: messages that were due and were never published, since too many were on their way. */
  readonly overdue: number;
  /** Acknowledgements that said no. */
  readonly refused: number;
  /** Messages that were not acknowledged in the end. */
  readonly unacknowledged: number;
  /** That of a `Histogram`, µs. */
  readonly latency: ArrayBuffer;
  /** How the thread used its time meanwhile. */
  readonly time: ThreadTime;
}

/** One run in one thread; each phase is called when all threads have ended the one before. */
export interface Load {
  /** Makes connections and subscriptions. */
  open(): Promise<void>;
  /** Does it, until it is done or `endUs`. */
  run(times: Times): Promise<void>;
  /** Waits for messages that are on their way; returns the counts. */
  drain(): Promise<Counts>;
  /** Leaves the Server as it was. */
  close(): Promise<void>;
  /** Ends all connections; whatever is under way is not brought to its end. */
  abort(): void;
}

/** Connections that are being made at once while the load is prepared. */
const DIALS = 100;

/** The base of every load. */
export class Stage {
  readonly order: Order;
  readonly plan: Plan;
  readonly turn: Turn = new Turn();
  readonly board: Board;
  readonly latency: Histogram = new Histogram();
  readonly clients: LoadClient[] = [];
  readonly context: ClientContext;
  #isAborted = false;

  /** `events`: what Clients tell; `failed` ends the run. */
  constructor(
    order: Order,
    events: Pick<ClientContext, "delivered" | "ready">,
    failed: (error: Error) => void,
  ) {
    this.order = order;
    this.plan = order.plan;
    this.board = new Board(order.plan.publishers, order.threads, order.board);
    this.context = {
      turn: this.turn,
      pool: new BufferPool(),
      target: order.target,
      level: order.plan.level,
      delivered: events.delivered,
      ready: events.ready,
      failed,
    };
  }

  /** Opens one Client; `role` is a word. */
  async open(role: string, index: number, sessionExpiry = 0): Promise<LoadClient> {
    const clientId = `bench${this.order.run.toString(36)}${role[0]}${index}`; // §3.1.3.1 23 letters and digits always do
    const options: ClientOptions = { name: `${role} ${index}`, index, clientId, sessionExpiry };
    const client = await LoadClient.open(this.context, options);
    this.clients.push(client);
    if (this.#isAborted) client.abort();
    return client;
  }

  /** Ends all connections, also the ones that are being made. */
  abort(): void {
    this.#isAborted = true;
    for (const client of this.clients) client.abort();
  }

  /** Clients that have left do not count any more. */
  forget(): void {
    this.clients.length = 0;
  }

  /** Does something with each of many, `atOnce` at the same time, and gives the results in their order. */
  static async each<T, R>(
    things: readonly T[],
    action: (thing: T) => Promise<R>,
    atOnce: number = DIALS,
  ): Promise<R[]> {
    const done: R[] = new Array(things.length);
    let next = 0;
    const lane = async () => {
      while (next < things.length) {
        const i = next++;
        done[i] = await action(things[i]!);
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, things.length) }, lane));
    return done;
  }
}
