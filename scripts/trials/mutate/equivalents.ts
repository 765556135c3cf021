/**
 * The changes of the core that no test can notice, or none should.
 * Knows why; refuses to know how they were found. `deno task mutate` fails when a text is no longer there.
 * @module
 */
import type { Equivalent } from "./equivalence.ts";

/** How much is done, kept or copied at a time: one more or less changes the speed, and nothing that a peer or an owner sees. */
const SIZES: Readonly<Record<string, readonly string[]>> = {
  "src/codec/copy.ts": ["LOOP_BYTES_MAX = 24"],
  "src/codec/utf8.ts": ["SHORT = 32"],
  "src/codec/writer.ts": ["KEEP_MAX = 1 << 20", "constructor(capacity = 256)"],
  "src/codec/deframer.ts": ["FIRST_BYTES = 256"],
  "src/topic/edges.ts": ["hashes.length / 8 && hashes.length > LEAST", "LEAST = 16"],
  "src/topic/slabs.ts": ["SLABS_MAX = 2 ** (32 - UNIT_BITS) - 1"],
  "src/topic/values.ts": ["MANY = 64"],
  "src/delivery/message.ts": [
    "MESSAGE_OVERHEAD_BYTES: number = 1024",
    "const SLAB_BYTES = 1024",
    "SHARED_FRAME_BYTES_MAX = SLAB_BYTES / 2",
    "SHARED_PAYLOAD_BYTES: number = 16 * 1024",
    "payload.length + 256",
  ],
  "src/delivery/queue.ts": ["COMPACT_MIN = 64"],
  "src/client/journal.ts": ["payload.length + 256"],
  "src/engine/link.ts": ["WRITE_NOW_BYTES = 64 * 1024"],
  "src/engine/outbox.ts": [
    "SMALLEST_BYTES = 1024",
    "LARGEST_BYTES = 256 * 1024",
    "KEPT_BYTES_PER_BUCKET = 4 * 1024 * 1024",
    "const PIECE_BYTES = 16 * 1024",
  ],
  "src/broker/retained.ts": ["RETAINED_OVERHEAD_BYTES: number = 256"],
  "src/broker/known_topics.ts": ["NAME_BYTES_MAX = 256", "SUBSCRIBERS_PER_PLACE = 16"],
  "src/broker/batch.ts": ["UNALIASED_BYTES = 64 * 1024"],
  "src/broker/frames.ts": ["GROWTH_BYTES_MAX = 7", "FRAMES_MAX = 1024", "KEPT_BYTES_MAX = 256 * 1024"],
  "src/broker/retained_deliveries.ts": [
    "TURN_STEPS: number = 8_192",
    "SHARE_STEPS = 2_048",
    "MESSAGE_STEPS = 8",
    "BYTES_PER_STEP = 256",
    "AHEAD_BYTES = 256 * 1024",
  ],
  "src/broker/connection.ts": ["ANSWER_BYTES_MAX = 1024 * 1024"],
  "src/broker/turn.ts": ["CHUNKS_MAX = 128", "were written last. */\n  #chunks = 0;", "this.#chunks = 0;"],
};

/** Numbers of a hash. */
const HASHES: Readonly<Record<string, readonly string[]>> = {
  "src/topic/hash.ts": [
    "Math.imul(hash ^ unit, 0x0100_0193)",
    "Math.imul(hash ^ four, 0x21f0_aaad)",
    "hash ^= hash >>> 15",
    "Math.imul(hash ^ (hash >>> 16), 0x21f0_aaad)",
    "Math.imul(hash ^ (hash >>> 15), 0x735a_2d97)",
    "return hash ^ (hash >>> 15)",
  ],
  "src/topic/name_tree.ts": [
    "Math.imul(level ^ Math.imul(parent + 1, 0x9e37_79b1), 0x85eb_ca6b)",
    "Math.imul(hash ^ (hash >>> 15), 0xc2b2_ae35)",
    "return hash ^ (hash >>> 16)",
  ],
  "src/topic/changes.ts": ["BASIS = 0x811c_9dc5 | 0", "PRIME = 0x0100_0193"],
  "src/broker/known_topics.ts": [
    "Math.imul(hash, 0x9e37_79b1) >>> 10",
    "Math.imul(hash ^ four, 0x21f0_aaad)",
    "hash ^= hash >>> 15",
    "Math.imul(hash ^ bytes[i]!, 0x0100_0193)",
  ],
};

const OTHERS: readonly Equivalent[] = [
  {
    file: "src/codec/copy.ts",
    find: "until - from <= LOOP_BYTES_MAX",
    kind: "operator",
    reason: "both ways copy the same bytes",
  },
  {
    file: "src/codec/copy.ts",
    find: "from === 0 && until === source.length",
    reason: "a view of all of it is as good",
  },
  {
    file: "src/codec/publish_template.ts",
    find: "(view.packetIdAt >= 0) === (stamp",
    replace: "(view.packetIdAt > 0) === (stamp",
    reason: "no identifier stands at the beginning of a frame",
  },
  ...["hash ^ (hash >>> 16)", "Math.imul(hash ^ (hash >>> 15)", "return hash ^ (hash >>> 15)"].map((
    find,
  ) => ({
    file: "src/topic/hash.ts",
    find,
    replace: find.replace(">>>", "<<"),
    reason: "another hash spreads as well",
  })),
  {
    file: "src/topic/hash.ts",
    find: "bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 | bytes[i + 3]! << 24",
    reason: "another hash; whoever finds compares byte by byte",
  },
  {
    file: "src/topic/name_tree.ts",
    find: "hash ^ (hash >>> 15)",
    replace: "hash ^ (hash << 15)",
    reason: "another hash spreads as well",
  },
  {
    file: "src/topic/tree.ts",
    find: "const end = endOf(topic, 0);",
    replace: "const end = endOf(topic, (-1));",
    reason: "a search from -1 is one from 0",
  },
  {
    file: "src/delivery/exchange.ts",
    find: "if (code >= 0x80) {",
    replace: "if (code >= 0x7f) {",
    reason: "0x7F is no Reason Code",
  },
  {
    file: "src/broker/acknowledge.ts",
    find: "type === PacketType.PUBREC && code < 0x80",
    replace: "type === PacketType.PUBREC && code < 0x7f",
    reason: "0x7F is no Reason Code",
  },
  {
    file: "src/broker/acknowledge.ts",
    find: "if (code < 0x80) refuseRelease",
    replace: "if (code < 0x7f) refuseRelease",
    reason: "0x7F is no Reason Code",
  },
  {
    file: "src/broker/acknowledge.ts",
    find: "if (code >= 0x80) observer.drop",
    replace: "if (code >= 0x7f) observer.drop",
    reason: "0x7F is no Reason Code",
  },
  {
    file: "src/broker/known_topics.ts",
    find: "new Uint8Array(3 * NAME_BYTES_MAX)",
    replace: "new Uint8Array(4 * NAME_BYTES_MAX)",
    reason: "more room than is needed",
  },
  {
    file: "src/broker/known_topics.ts",
    find: "bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 | bytes[i + 3]! << 24",
    reason: "another hash; names are compared byte by byte",
  },
  ...["this.#ledger.topics = 0;", "topic.match = undefined;"].map((before) => ({
    file: "src/broker/known_topics.ts",
    find: `${before}\n    this.#remembered = 0;`,
    replace: `${before}\n    this.#remembered = 1;`,
    reason: "when matches are forgotten, to one",
  })),
  {
    file: "src/broker/match.ts",
    find: "return { ...NOTHING, targets: [found[0]], isEmpty: false };",
    kind: "exit left out",
    reason: "what is behind it does the same for any number",
  },
  {
    file: "src/delivery/sender.ts",
    find: "this.#open * 2 >= this.#mask + 1 &&",
    kind: "constant",
    reason: "when it grows: before it is full in any case",
  },
  {
    file: "src/broker/connect.ts",
    find: "delivery?.released ?? 0",
    reason: "without a delivery the session does not come back",
  },
  {
    file: "src/broker/retained.ts",
    find: "if (!asks || (flags & PUBLISHER) === 0) return undefined;",
    replace: "if (!asks && (flags & PUBLISHER) === 0) return undefined;",
    reason: "who does not ask does not look; a publisher without a name is nobody's session",
  },
  {
    file: "src/broker/deliver.ts",
    find: "this.#nextOrder = last + 1;",
    replace: "this.#nextOrder = last + 2;",
    reason: "orders need only ascend",
  },
  {
    file: "src/broker/batch.ts",
    find: "const out = most > bytes.length",
    replace: "const out = most >= bytes.length",
    reason: "which buffer it is written to",
  },
  {
    file: "src/broker/batch.ts",
    find: "if (count === this.#most",
    replace: "if (count !== this.#most",
    reason: "every frame is a batch of its own: slower, and the same bytes",
  },
  {
    file: "src/broker/batch.ts",
    find: "if (connection === undefined && (qos === 0 || !session.persists)) return;",
    kind: "exit left out",
    reason: "each message alone finds the same: slower",
  },
  {
    file: "src/broker/batch.ts",
    find: "#first = 0;",
    kind: "constant",
    reason: "set when a batch begins",
  },
  ...["  }\n}\n\n/** Frames as they", "  }\n}\n\n/** The length of"].map((behind) => ({
    file: "src/broker/frames.ts",
    find: `this.bytes.length > KEPT_BYTES_MAX) this.bytes = EMPTY;\n${behind}`,
    replace: `this.bytes.length >= KEPT_BYTES_MAX) this.bytes = EMPTY;\n${behind}`,
    reason: "a size that only the speed depends on",
  })),
  {
    file: "src/broker/frames.ts",
    find: "this.bytes.length < behind + size",
    replace: "this.bytes.length <= behind + size",
    reason: "another buffer of the same size",
  },
  ...["src/broker/restore.ts", "src/broker/journal.ts"].flatMap((file) =>
    ["{ heapIndex: -2, heapTime: 0,", "{ heapIndex: -1, heapTime: 1,", "{ heapIndex: -1, heapTime: (-1),"]
      .map((
        replace,
      ) => ({
        file,
        find: "{ heapIndex: -1, heapTime: 0,",
        replace,
        reason: "any index below 0 says that it is in no heap, and its time is set when it comes into one",
      }))
  ),
  ...["if (this.#questions.length === (-1)) return NO_QUESTIONS;", "if (this.#questions.length === 0) ;"].map(
    (
      replace,
    ) => ({
      file: "src/broker/turn.ts",
      find: "if (this.#questions.length === 0) return NO_QUESTIONS;",
      replace,
      reason: "another list that is as empty",
    }),
  ),
  {
    file: "src/broker/retained_deliveries.ts",
    find: "if (!retained.has(node)) return 0;",
    replace: "if (!retained.has(node)) return 1;",
    reason: "a byte more or less in a count of steps",
  },
  {
    file: "src/broker/turn.ts",
    find: "#now = 0;\n",
    kind: "constant",
    reason: "each input says its time before it is asked for",
  },
  ...["aliasesMax >= 0 ?", "aliasesMax > (-1) ?"].map((replace) => ({
    file: "src/engine/outflow.ts",
    find: "aliasesMax > 0 ?",
    replace,
    reason: "without aliases no map is asked for",
  })),
  {
    file: "src/broker/journal.ts",
    find: "NOTHING_SAFE = -1",
    replace: "NOTHING_SAFE = -2",
    reason: "no number of facts either",
  },
  {
    file: "src/engine/outflow.ts",
    find: "alias ?? (aliases",
    replace: "alias || (aliases",
    reason: "no alias is 0",
  },
  {
    file: "src/broker/sessions.ts",
    find: "now + will.will.delaySeconds * 1000",
    replace: "now + (will.will.delaySeconds / 1000)",
    reason: "asked whether it is due now: only a delay of 0 is",
  },
  {
    file: "src/topic/tree.ts",
    find: "code === HASH ? code : 0",
    replace: "code === HASH ? code : 1",
    reason: "a number that none of the three kinds has",
  },
  {
    file: "src/delivery/exchange.ts",
    find: "REPEATED: 3,",
    replace: "REPEATED: 4,",
    reason: "outcomes only have to differ",
  },
  {
    file: "src/engine/topic_aliases.ts",
    find: "topics.length < alias",
    replace: "topics.length <= alias",
    reason: "the place that is added is written next",
  },
  {
    file: "src/client/subscriptions.ts",
    find: "if (this.#known.size >= this.#knownTopicsMax) this.#known.clear();",
    reason:
      "which subscriptions a topic has is found again: only memory and speed depend on how many are remembered",
  },
  {
    file: "src/broker/observer.ts",
    find: `const HOOKS: Readonly<Record<keyof BrokerHooks, true>> = {
  connected: true,
  disconnected: true,
  refused: true,
  subscribed: true,
  unsubscribed: true,
  revoked: true,
  published: true,
  delivered: true,
  dropped: true,
  denied: true,
  discarded: true,
  limited: true,
  tolerated: true,
  sessionEnded: true,
  storeFailed: true,
  storeRecovered: true,
  failed: true,
};`,
    reason: "the names count, not what stands behind them",
  },
];

/** By file, in the order of its text. */
export const EQUIVALENTS: readonly Equivalent[] = [
  ...entries(SIZES, { kind: "constant", reason: "a size that only the speed depends on" }),
  ...entries(HASHES, { kind: "constant", reason: "another hash spreads as well" }),
  ...OTHERS,
];

function entries(
  texts: Readonly<Record<string, readonly string[]>>,
  rest: Omit<Equivalent, "file" | "find">,
): Equivalent[] {
  return Object.entries(texts).flatMap(([file, finds]) => finds.map((find) => ({ file, find, ...rest })));
}
