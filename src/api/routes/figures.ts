/**
 * Figures of the broker and of its process.
 * Knows their shape; refuses to know how they are counted.
 * @module
 */
import { type Operation, serverOf } from "../operation.ts";
import { counts, flag, integer, list, number, object, text } from "../schema.ts";

const TRAFFIC = {
  type: "object",
  additionalProperties: { type: "number" },
  description: "what has gone through, since the start",
};

const HISTOGRAM = object({
  counts: list(integer(), "in the bucket of each bound, and above the last one"),
  sum: number("all times together, s"),
});

/** The figures. */
export const figureOperations: readonly Operation[] = [{
  method: "get",
  path: "/figures",
  id: "figures",
  about: "Counts since the start, and gauges",
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
    queuedMessages: integer("that wait in sessions"),
    retainedDeliveries: integer("topics at which retained messages on their way stand"),
    traffic: TRAFFIC,
    memory: { ...TRAFFIC, description: "bytes that are held, for memory-bytes-max" },
    facts: integer("recorded for the store, since the start"),
    commits: integer("that made facts safe, since the start"),
    failedCommits: integer("since the start"),
    deadlines: integer("for which something falls due"),
    isFailing: flag("the store cannot make facts safe at present"),
    isUnsafe: flag("facts are recorded that are not safe yet"),
    process: object({
      version: text(),
      since: integer("the start of the program, ms since the epoch"),
      residentBytes: integer(),
      heapBytes: integer(),
      cpuSeconds: number("used since the start"),
    }),
    latencies: object({
      bounds: list(number("s"), "upper bounds of all buckets"),
      publishToWrite: HISTOGRAM,
      commit: HISTOGRAM,
      authenticate: HISTOGRAM,
      authorize: HISTOGRAM,
      pageIn: HISTOGRAM,
      loopLag: HISTOGRAM,
    }),
    now: integer("ms since the epoch"),
  }),
  run(call) {
    const server = serverOf(call);
    const latencies = server.latencies();
    return { ...server.broker.stats, process: call.host.process(), latencies, now: call.now };
  },
}];
