/**
 * Why a Client gets a message or does not, and packets as they pass.
 * Knows what is asked and how it is answered; refuses to know how it is found out.
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers";
import type { ExplainQuestion, ExplainStep, QoS, TracedPacket, TraceEnd } from "../../broker/mod.ts";
import { UsageError } from "../../codec/error.ts";
import { ApiError } from "../error.ts";
import { follow, type Seen } from "../followed.ts";
import type { Traced } from "../host.ts";
import { type Call, type Operation, Reply, serverOf } from "../operation.ts";
import { Pcap } from "../pcap.ts";
import { flag, integer, list, object, oneOf, orNull, type Schema, text } from "../schema.ts";
import { tracedJson } from "../traced.ts";

const STEP: Schema = object({
  what: text("what the step looks at"),
  result: oneOf(["yes", "no", "unknown", "note"], "no keeps the message from the Client, unknown may"),
  detail: text("for people"),
  rule: text("the statement of the standard, or the rule of this broker"),
  limit: text("the limit that decides"),
}, ["rule", "limit"]);

const EXPLANATION: Schema = object({
  gets: orNull(
    flag(),
    "whether the Client gets the message, at once or later; null if that cannot be foretold",
  ),
  because: text("the same in a sentence or two"),
  steps: list(STEP, "how that comes about, in the order in which the broker decides"),
  copies: list(
    object({
      how: oneOf(["sent", "waits"]),
      qos: oneOf([0, 1, 2]),
      retain: flag(),
      subscriptionIdentifiers: list(integer()),
      share: orNull(text(), "the filter of the Shared Subscription that it comes by"),
    }),
    "what the Client gets",
  ),
  receivers: orNull(integer(), "sessions that get a copy; null if there are too many to look at"),
  past: {
    ...object({
      heardAt: orNull(
        integer(),
        "when the last bytes came from the Client, ms since the epoch; null without a connection",
      ),
      unacknowledged: integer("messages of QoS 1 and 2 that were sent and are not acknowledged"),
      queued: integer("messages that wait"),
      drops: integer("messages that it did not get though it was to, since the session is in memory"),
      lastDrop: {
        ...object({ at: integer("ms since the epoch"), reason: text(), topic: text() }),
        type: ["object", "null"],
        description: "the last of them",
      },
      watchedSince: integer(
        "since when it is watched for what follows: the first question of the last minute, ms since the epoch",
      ),
      lastDelivery: {
        ...object({ at: integer("ms since the epoch"), topic: text(), qos: oneOf([0, 1, 2]) }),
        type: ["object", "null"],
        description: "the last message that was sent to its Client since then",
      },
      lastAcknowledgement: {
        ...object({ at: integer("ms since the epoch"), type: oneOf(["PUBACK", "PUBREC", "PUBCOMP"]) }),
        type: ["object", "null"],
        description: "the last acknowledgement of its Client since then",
      },
    }),
    type: ["object", "null"],
    description: "of the session of the Client; null without one",
  },
});

const TRACE: Schema = {
  ...object({
    client: text("a Client Identifier", { minLength: 1, maxLength: 65_535 }),
    topic: text("a Topic Filter: PUBLISH, its acknowledgements, and subscriptions", {
      minLength: 1,
      maxLength: 65_535,
    }),
    address: text("an IP address", { minLength: 1, maxLength: 100 }),
    seconds: integer("how long; default 10", { minimum: 1, maximum: 3_600 }),
    packets: integer("how many at most; default 1,000", { minimum: 1, maximum: 100_000 }),
    bytes: integer("bytes of packets at most; default 1 MiB", { minimum: 1, maximum: 64 * 1024 * 1024 }),
    payloadBytes: integer("bytes of each payload that are shown; default 256", {
      minimum: 0,
      maximum: 1024 * 1024,
    }),
  }, ["client", "topic", "address", "seconds", "packets", "bytes", "payloadBytes"]),
  description: "one of client, topic and address, and how much of it",
};

/** What the body of a trace says. */
interface Asked {
  readonly client?: string;
  readonly topic?: string;
  readonly address?: string;
  readonly seconds?: number;
  readonly packets?: number;
  readonly bytes?: number;
  readonly payloadBytes?: number;
}

/** Traces that are under way, by the broker that they are of. */
const UNDER_WAY: WeakMap<object, Set<object>> = new WeakMap();

/** Both. */
export const explainOperations: readonly Operation[] = [
  {
    method: "get",
    path: "/explain",
    id: "explain",
    among: "merged",
    about: "Why a Client would get, or not get, a message that were published now; nothing is published",
    query: {
      client: text("Client Identifier of the receiver", { maxLength: 65_535 }),
      topic: text("Topic Name of the message", { maxLength: 65_535 }),
      publisher: text("Client Identifier of the publisher; without it the Server publishes", {
        maxLength: 65_535,
      }),
      qos: { ...oneOf([0, 1, 2], "of the message"), default: 0 },
      retain: { ...flag("of the message"), default: false },
      payloadBytes: integer("bytes of its payload", { maximum: 16 * 1024 * 1024, default: 0 }),
      expiry: integer("its Message Expiry Interval, s; none if left out", { maximum: 0xffff_ffff }),
    },
    needs: ["client", "topic"],
    answer: EXPLANATION,
    run(call) {
      const { expiry, ...given } = call.given as unknown as ExplainQuestion & { expiry?: number; qos: QoS };
      const { copies, receivers = null, past = null, steps, ...answer } = usable(() =>
        serverOf(call).explain({ ...given, expirySeconds: expiry }, call.now)
      );
      const seen = past === null ? undefined : follow(serverOf(call), given.client, call.now);
      return {
        ...answer,
        copies: copies.map(({ share = null, ...copy }) => ({ ...copy, share })),
        receivers,
        steps: seen === undefined ? steps : [...steps, stepOf(seen, call.now)],
        past: past && seen && {
          ...past,
          heardAt: past.heardAt ?? null,
          lastDrop: past.lastDrop ?? null,
          watchedSince: seen.since,
          lastDelivery: seen.delivery ?? null,
          lastAcknowledgement: seen.acknowledgement ?? null,
        },
      };
    },
  },
  {
    method: "post",
    path: "/trace",
    id: "trace",
    among: "merged",
    about:
      "Packets as they pass, of one Client, topic or address, until a bound is reached or the request ends. Each line is a packet, but the first, which says what is traced, and the last, which says why it has ended; of several workers each packet has the number of its own. Passwords and Authentication Data have asterisks instead. A pcap file is for Wireshark",
    query: { format: { ...oneOf(["ndjson", "pcap"]), default: "ndjson" } },
    body: TRACE,
    type: "application/x-ndjson",
    run(call) {
      const isPcap = call.given["format"] === "pcap";
      return new Reply(packetsOf(call, call.body as Asked, isPcap ? new PcapLines() : new JsonLines()), {
        ...isPcap && { "content-type": "application/vnd.tcpdump.pcap" },
      });
    },
  },
];

/** What was seen of the Client while it is asked about. */
function stepOf({ since, delivery, acknowledgement }: Seen, now: number): ExplainStep {
  const ago = (at: number) => `${Math.round((now - at) / 100) / 10} s ago`;
  const detail = since === now
    ? "It is watched from now on: ask again within a minute to see its last delivery and acknowledgement"
    : `It is watched for ${Math.round((now - since) / 100) / 10} s: ${
      delivery === undefined
        ? "nothing was sent to it"
        : `the last message was sent ${ago(delivery.at)} on ${JSON.stringify(delivery.topic)}`
    }; ${
      acknowledgement === undefined
        ? "it acknowledged nothing"
        : `it acknowledged ${ago(acknowledgement.at)} (${acknowledgement.type})`
    }`;
  return { what: "last", result: "note", detail };
}

/** A question that is none is the fault of the one who asks. */
function usable<T>(ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    if (error instanceof UsageError) throw new ApiError("bad-request", error.message);
    throw error;
  }
}

/** How packets are written. */
interface Lines {
  begin(asked: Asked): Uint8Array;
  packet(packet: TracedPacket): Uint8Array;
  end(why: TraceEnd, packets: number): Uint8Array;
}

class JsonLines implements Lines {
  readonly #encoder: TextEncoder = new TextEncoder();

  #line(value: object): Uint8Array {
    return this.#encoder.encode(`${JSON.stringify(value)}\n`);
  }

  begin(asked: Asked): Uint8Array {
    return this.#line({ begun: asked });
  }

  packet(packet: TracedPacket): Uint8Array {
    return this.#line(tracedJson(packet));
  }

  end(why: TraceEnd, packets: number): Uint8Array {
    return this.#line({ ended: why, packets });
  }
}

class PcapLines extends Pcap implements Lines {
  end(): Uint8Array {
    return new Uint8Array(0);
  }
}

/** The lines of a trace, from its beginning to its end. */
async function* packetsOf(call: Call, asked: Asked, lines: Lines): AsyncGenerator<Uint8Array, void> {
  const { seconds = 10, packets, bytes, payloadBytes, ...which } = asked;
  const server = serverOf(call);
  const { apiTracesMax } = call.host.numbers;
  const underWay = UNDER_WAY.get(server) ?? new Set();
  UNDER_WAY.set(server, underWay);
  if (underWay.size >= apiTracesMax) {
    throw new ApiError(
      "too-many",
      `${underWay.size} traces are under way, as many as may be (api-traces-max)`,
    );
  }
  const waiting: Uint8Array[] = [];
  let ended: TraceEnd | undefined;
  let wake = (): void => {};
  const events = {
    seen(packet: TracedPacket): void {
      waiting.push(lines.packet(packet));
      wake();
    },
    ended(why: TraceEnd): void {
      ended = why;
      wake();
    },
  };
  const options = { ...which, packetsMax: packets, bytesMax: bytes, payloadBytesMax: payloadBytes };
  const traced: Traced = usable(() =>
    server.trace({ ...options, milliseconds: seconds * 1000 }, events, call.now)
  );
  underWay.add(traced);
  const timer = setTimeout(() => traced.end("time"), seconds * 1000);
  const gone = () => traced.end("stopped");
  call.signal.addEventListener("abort", gone);
  if (call.signal.aborted) gone();
  try {
    yield lines.begin(asked);
    for (;;) {
      for (const line of waiting.splice(0)) yield line;
      if (ended !== undefined && waiting.length === 0) break;
      if (waiting.length === 0) await new Promise<void>((resolve) => wake = resolve);
    }
    yield lines.end(ended, traced.packets);
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener("abort", gone);
    traced.end("stopped");
    underWay.delete(traced);
  }
}
