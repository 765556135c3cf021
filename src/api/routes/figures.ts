/**
 * Figures of the broker and of its process.
 * Knows their shape; refuses to know how they are counted.
 * @module
 */
import { BUCKET_BOUNDS } from "../../server/histogram.ts";
import type { BridgeSample } from "../../server/open_metrics.ts";
import { ApiError } from "../error.ts";
import type { Operation } from "../operation.ts";
import { counts, flag, integer, list, number, object, orNull, type Schema, text } from "../schema.ts";

/** Numbers by name, which come to be more. */
function numbers(description: string): Schema {
  return { type: "object", additionalProperties: { type: "number" }, description };
}

const HISTOGRAM: Schema = object({
  counts: list(number("times"), "how often: up to each of bounds, and above the last one"),
  sum: number("all times together, s"),
});

const BUSY: Schema = object({
  name: text("a Client Identifier, or the first two levels of topics; cut behind 128 characters"),
  messages: number("PUBLISH packets that are known of since it is among the busiest"),
  perSecond: number("the same of each second, over the last minutes"),
});

const BRIDGE: Schema = object({
  name: text(),
  isConnected: flag(),
  reconnects: integer("connections so far, but the first"),
  sent: integer("messages that the other broker has"),
  received: integer("messages that this one has from there"),
  queuedOut: integer("messages that wait to be sent"),
  queuedIn: integer("messages that came and are not in this broker yet"),
  dropped: integer("messages that did not arrive, in both directions"),
});

const HOOKS: Schema = object({
  waiting: integer("events that wait"),
  called: integer("events that hooks were called with, since the start, as all that follows"),
  dropped: integer("events that found no room"),
  lost: integer("events that were in the thread when it ended"),
  faults: integer("exceptions, promises that were rejected or late, computations that took too long"),
  seconds: number("how long hooks have computed, s"),
  calls: integer("of hooks: publish(), disconnect()"),
  restarts: integer("of their thread"),
  isRunning: flag(),
});

const WEBHOOK: Schema = object({
  waiting: integer("events that wait"),
  delivered: integer("events that the service has taken, since the start, as all that follows"),
  dropped: integer("events that found no room"),
  deadLetters: integer("events that the service has refused for good"),
  requests: integer("failed attempts among them"),
  failedRequests: integer(),
  isFailing: flag(),
});

const WORKER: Schema = object({
  number: integer("from 1"),
  isUp: flag("it takes Clients, and answers; of one that does not, nothing else is known"),
  since: orNull(integer(), "its start, ms since the epoch"),
  connected: orNull(integer(), "Clients"),
  sessions: orNull(integer()),
  residentBytes: orNull(integer()),
  cpuSeconds: orNull(number("used since its start")),
  loopLag: orNull(HISTOGRAM),
});

/** What is shown of a bridge: its address is none of it. */
function bridgeView(bridge: BridgeSample): BridgeSample {
  const { name, isConnected, reconnects, sent, received, queuedOut, queuedIn, dropped } = bridge;
  return { name, isConnected, reconnects, sent, received, queuedOut, queuedIn, dropped };
}

/** The figures. */
export const figureOperations: readonly Operation[] = [{
  method: "get",
  path: "/figures",
  id: "figures",
  among: "merged",
  about: "Counts since the start, gauges, and how long things take; times are measured while somebody asks",
  answer: object({
    received: integer("PUBLISH packets from Clients, since the start"),
    dropped: integer("copies that did not reach a session, since the start"),
    limits: counts("how often each limit was reached, since the start"),
    refusals: counts("what was refused, by rule, since the start"),
    connections: integer("that are not over, with or without an accepted CONNECT"),
    connected: integer("Clients"),
    sessions: integer("of connected and disconnected Clients"),
    subscriptions: integer("of all sessions"),
    sharedSubscriptions: integer("each counted once"),
    retainedMessages: integer(),
    retainedBytes: integer("that they count for in retained-bytes-max"),
    queuedMessages: integer("QoS 1 and 2, waiting in sessions"),
    retainedDeliveries: integer("topics at which retained messages on their way stand"),
    traffic: numbers("what has gone through, since the start"),
    memory: numbers("bytes that are held, for memory-bytes-max"),
    facts: integer("recorded for the store, since the start"),
    commits: integer("of facts that are safe, since the start"),
    failedCommits: integer("since the start"),
    deadlines: integer("for which something falls due"),
    isFailing: flag("the store cannot make facts safe at present"),
    isUnsafe: flag("facts are recorded that are not safe yet"),
    process: object({
      version: text(),
      since: integer("the start of the program, ms since the epoch"),
      residentBytes: integer(),
      heapBytes: integer("of JavaScript, in use"),
      cpuSeconds: number("used since the start"),
    }),
    listeners: list(object({
      url: text("as it is asked for"),
      connections: integer("that are not over"),
      accepted: integer("since the start"),
    })),
    latencies: {
      type: "object",
      description: "histograms, since they were asked for first",
      properties: { bounds: list(number("s"), "the upper bounds of all of them, s") },
      required: ["bounds"],
      additionalProperties: HISTOGRAM,
    },
    store: object({
      batches: integer("of facts that were given to it, since the start"),
      bytes: integer("of these"),
      fileBytes: integer("of its file"),
    }),
    bridges: list(BRIDGE),
    hooks: HOOKS,
    webhook: WEBHOOK,
    busiest: object({ clients: list(BUSY, "that publish"), prefixes: list(BUSY, "of topics") }),
    workers: list(
      WORKER,
      "the processes that are the broker, if there are several; all else is theirs together",
    ),
    now: integer("ms since the epoch"),
  }, ["store", "busiest", "hooks", "webhook", "workers"]),
  run({ host, now }) {
    const figures = host.figures();
    if (figures === undefined) {
      throw new ApiError("not-running", "The broker does not take Clients: it starts or stops");
    }
    const { stats, latencies, process, listeners, store, busiest, bridges = [], rules } = figures;
    return {
      ...stats,
      process,
      listeners,
      latencies: { bounds: BUCKET_BOUNDS, ...latencies },
      store,
      bridges: bridges.map(bridgeView),
      ...rules,
      busiest,
      now,
    };
  },
}];
