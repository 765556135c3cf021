/**
 * `$SYS/broker/…`: figures of the Server as messages, under the names that mosquitto gave them.
 * Knows names and their texts; refuses to know how the figures are counted. Without a subscription to one of them nothing is done.
 * @module
 */
import { expiryOf } from "../delivery/message.ts";
import type { Deadline } from "../engine/timers.ts";
import { ownMessage } from "./owner.ts";
import type { Outgoing } from "./deliver.ts";
import type { SystemTopicsPart } from "./options.ts";
import type { Router } from "./router.ts";
import type { BrokerStats } from "./stats.ts";
import type { Turn } from "./turn.ts";

/** Where messages go. */
export interface SystemTopicsHost {
  /** How it is at present. */
  stats(): BrokerStats;
  /** Brings a message to those who subscribe to its topic. */
  publish(outgoing: Outgoing): void;
}

/** How a Server shows its figures. */
export interface SystemTopicsOptions {
  /** ms from one message of a topic to the next, if its text has changed; default 10,000. */
  readonly intervalMs?: number;
  /** For `$SYS/broker/version`; without it there is no such topic. */
  readonly version?: string;
  /** For `$SYS/broker/uptime`: ms since the epoch; default: the first connection. */
  readonly since?: number;
  /**
   * The figures of a Server that is several brokers, of which `own` are those of this one, and since when there is that Server. Called
   * while somebody reads; undefined if they are not there yet: then it is called again soon, and nothing is shown until it gives them.
   */
  readonly whole?: ((own: BrokerStats) => WholeStats | undefined) | undefined;
}

/** Of a Server that is several brokers. */
export interface WholeStats {
  /** Of all together. */
  readonly stats: BrokerStats;
  /** ms since the epoch. */
  readonly since: number;
}

/** Of a broker, made for its own parts. */
export interface SystemTopicsMaker extends SystemTopicsPart {
  /** @internal */
  readonly make: (turn: Turn, router: Router, host: SystemTopicsHost) => SystemTopics;
}

/** For `BrokerOptions.systemTopics`: `$SYS/broker/…` for whoever subscribes to it, under mosquitto's names. */
export function systemTopics(options: SystemTopicsOptions = {}): SystemTopicsPart {
  const maker: SystemTopicsMaker = {
    make: (turn, router, host) => new SystemTopics(turn, router, host, options),
  };
  return maker;
}

const ROOT = "$SYS/broker/";
const INTERVAL_MS = 10_000;
/** Until it is asked again for the figures of several brokers. */
const SOON_MS = 50;
const MINUTE_MS = 60_000;
/** Over so many minutes loads are averaged. */
const LOAD_MINUTES = [1, 5, 15] as const;

/** Figures that grow, of which loads are taken. */
type Counter = (stats: BrokerStats) => number;

const COUNTERS: Readonly<Record<string, Counter>> = {
  "messages/received": ({ traffic }) => traffic.packetsReceived,
  "messages/sent": ({ traffic }) => traffic.packetsSent,
  "publish/messages/dropped": ({ dropped }) => dropped,
  "publish/messages/received": ({ received }) => received,
  "publish/messages/sent": ({ traffic }) => traffic.messagesSent,
  "publish/bytes/received": ({ traffic }) => traffic.payloadBytesReceived,
  "publish/bytes/sent": ({ traffic }) => traffic.payloadBytesSent,
  "bytes/received": ({ traffic }) => traffic.bytesReceived,
  "bytes/sent": ({ traffic }) => traffic.bytesSent,
};

const LOADS: Readonly<Record<string, Counter>> = /* @__PURE__ */ loads();

/** Functions, so that a bundle without `$SYS` can leave the tables out. */
function loads(): Readonly<Record<string, Counter>> {
  return {
    "messages/received": COUNTERS["messages/received"]!,
    "messages/sent": COUNTERS["messages/sent"]!,
    "publish/dropped": COUNTERS["publish/messages/dropped"]!,
    "publish/received": COUNTERS["publish/messages/received"]!,
    "publish/sent": COUNTERS["publish/messages/sent"]!,
    "bytes/received": COUNTERS["bytes/received"]!,
    "bytes/sent": COUNTERS["bytes/sent"]!,
    "sockets": ({ traffic }) => traffic.connectionsOpened,
    "connections": ({ traffic }) => traffic.connectsAccepted,
  };
}

const STORED: Counter = ({ retainedMessages, queuedMessages }) => retainedMessages + queuedMessages;

const GAUGES: Readonly<Record<string, Counter>> = {
  "clients/total": ({ sessions }) => sessions,
  "clients/connected": ({ connected }) => connected,
  "clients/active": ({ connected }) => connected,
  "clients/disconnected": ({ sessions, connected }) => sessions - connected,
  "clients/inactive": ({ sessions, connected }) => sessions - connected,
  "clients/maximum": ({ traffic }) => traffic.connectedMost,
  "clients/expired": ({ traffic }) => traffic.sessionsExpired,
  "subscriptions/count": ({ subscriptions }) => subscriptions,
  "shared_subscriptions/count": ({ sharedSubscriptions }) => sharedSubscriptions,
  "retained messages/count": ({ retainedMessages }) => retainedMessages,
  "messages/stored": STORED,
  "store/messages/count": STORED,
  "store/messages/bytes": ({ memory }) => memory.retained + memory.messages + memory.payloads,
  "heap/current": ({ memory }) => memory.total,
};

/** All names below `ROOT`. */
export const SYSTEM_TOPICS: readonly string[] = /* @__PURE__ */ names();

function names(): string[] {
  return [
    "version",
    "uptime",
    ...Object.keys(GAUGES),
    ...Object.keys(COUNTERS),
    ...Object.keys(LOADS).flatMap((name) => LOAD_MINUTES.map((minutes) => `load/${name}/${minutes}min`)),
  ];
}

/** One figure over time. */
interface Load {
  /** What it was when it was last looked at. */
  last: number;
  /** A minute's, averaged over each of `LOAD_MINUTES`; undefined before the first look. */
  averages: number[] | undefined;
}

/** The topics of one Server. */
export class SystemTopics implements Deadline {
  /** For the timers. */
  heapIndex: number = -1;
  /** For the timers. */
  heapTime = 0;
  readonly #turn: Turn;
  readonly #router: Router;
  readonly #host: SystemTopicsHost;
  readonly #intervalMs: number;
  readonly #version: string | undefined;
  readonly #whole: SystemTopicsOptions["whole"];
  /** ms since the epoch. */
  #begunAt: number | undefined;
  #lookedAt = 0;
  readonly #loads: Map<string, Load> = new Map();
  /** The texts that were shown last, by topic. */
  readonly #shown: Map<string, string> = new Map();

  constructor(
    turn: Turn,
    router: Router,
    host: SystemTopicsHost,
    { intervalMs = INTERVAL_MS, version, since, whole }: SystemTopicsOptions,
  ) {
    this.#turn = turn;
    this.#router = router;
    this.#host = host;
    this.#intervalMs = intervalMs;
    this.#version = version;
    this.#whole = whole;
    this.#begunAt = since;
  }

  /** There is a connection: the first one says since when there is a Server, if nothing else does. */
  begin(now: number): void {
    this.#begunAt ??= now;
  }

  /** A filter is subscribed to, whose retained messages come next. A filter that begins with a wildcard matches none of them [MQTT-4.7.2-1]. */
  subscribed(filter: string): void {
    if (!filter.startsWith("$SYS") || this.#shown.size > 0) return;
    const { now, timers } = this.#turn;
    const stats = this.#stats();
    if (stats === undefined) return timers.schedule(this, now + SOON_MS);
    for (const outgoing of this.#look(stats, now)) this.#router.show(outgoing);
    timers.schedule(this, now + this.#intervalMs);
  }

  /** Something reads what this filter matches that has sent no SUBSCRIBE: a tap, or a session of the store. */
  isReadBy(filter: string): void {
    const { now, timers } = this.#turn;
    if (filter.startsWith("$SYS") && this.heapIndex < 0) timers.schedule(this, now);
  }

  /** An interval is over. */
  due(now: number): void {
    if (!this.#isRead()) {
      for (const topic of this.#shown.keys()) this.#router.hide(topic);
      this.#shown.clear();
      return;
    }
    const stats = this.#stats();
    if (stats === undefined) return this.#turn.timers.schedule(this, now + SOON_MS);
    for (const outgoing of this.#look(stats, now)) {
      this.#router.show(outgoing);
      this.#host.publish(outgoing);
    }
    this.#turn.timers.schedule(this, now + this.#intervalMs);
  }

  #isRead(): boolean {
    return SYSTEM_TOPICS.some((name) => this.#router.isRead(ROOT + name));
  }

  /** How it is at present; undefined if that is not known yet. */
  #stats(): BrokerStats | undefined {
    const own = this.#host.stats();
    if (this.#whole === undefined) return own;
    const whole = this.#whole(own);
    if (whole !== undefined) this.#begunAt = whole.since;
    return whole?.stats;
  }

  /** Messages with what has changed. */
  *#look(stats: BrokerStats, now: number): Iterable<Outgoing> {
    for (const [name, text] of this.#texts(stats, now)) {
      const topic = ROOT + name;
      if (this.#shown.get(topic) === text) continue;
      this.#shown.set(topic, text);
      const { view } = ownMessage({ topic, payload: text, retain: true });
      yield { view, topic, publisher: undefined, expiresAt: expiryOf(view, now), message: undefined };
    }
  }

  *#texts(stats: BrokerStats, now: number): Iterable<readonly [name: string, text: string]> {
    const begunAt = this.#begunAt ?? now;
    if (this.#version !== undefined) yield ["version", this.#version];
    yield ["uptime", `${Math.floor((now - begunAt) / 1_000)} seconds`];
    for (const [name, figure] of Object.entries(GAUGES)) yield [name, `${figure(stats)}`];
    for (const [name, figure] of Object.entries(COUNTERS)) yield [name, `${figure(stats)}`];
    const passed = now - (this.#lookedAt || begunAt);
    for (const [name, figure] of Object.entries(LOADS)) {
      const averages = this.#averages(name, figure(stats), passed);
      for (let i = 0; i < averages.length; i++) {
        yield [`load/${name}/${LOAD_MINUTES[i]}min`, averages[i]!.toFixed(2)];
      }
    }
    this.#lookedAt = now;
  }

  /** The first look, and one behind a time in which there was no reader, takes the mean of that time into the averages. */
  #averages(name: string, total: number, passedMs: number): readonly number[] {
    const load = this.#loads.get(name) ?? { last: 0, averages: undefined };
    this.#loads.set(name, load);
    const perMinute = passedMs === 0 ? 0 : (total - load.last) * MINUTE_MS / passedMs;
    load.last = total;
    load.averages = LOAD_MINUTES.map((minutes, i) => {
      const weight = Math.exp(-passedMs / (minutes * MINUTE_MS));
      return perMinute + ((load.averages?.[i] ?? perMinute) - perMinute) * weight;
    });
    return load.averages;
  }
}
