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
  "src/codec/writer.ts": ["KEEP_MAX = 1 << 20"],
  "src/codec/deframer.ts": ["FIRST_BYTES = 256"],
  "src/topic/values.ts": ["MANY = 64"],
  "src/delivery/message.ts": ["SLAB_BYTES = 1024", "SMALL_BYTES_MAX = SLAB_BYTES / 2"],
  "src/delivery/queue.ts": ["COMPACT_MIN = 64"],
  "src/engine/outbox.ts": [
    "SMALLEST_BYTES = 1024",
    "LARGEST_BYTES = 256 * 1024",
    "KEPT_BYTES_PER_BUCKET = 4 * 1024 * 1024",
    "const PIECE_BYTES = 64 * 1024",
  ],
  "src/broker/retained.ts": ["LARGE_PAYLOAD_BYTES: number = 16 * 1024"],
  "src/broker/known_topics.ts": ["NAME_BYTES_MAX = 256", "SUBSCRIBERS_PER_PLACE = 16"],
  "src/broker/run.ts": ["RUN_MAX = 1024", "OTHER_BYTES_KEPT_MAX = 256 * 1024"],
  "src/broker/alias.ts": ["KEPT_BYTES = 64 * 1024"],
  "src/broker/replay.ts": [
    "TURN_STEPS: number = 8_192",
    "SHARE_STEPS = 2_048",
    "MESSAGE_STEPS = 8",
    "BYTES_PER_STEP = 256",
    "AHEAD_BYTES = 256 * 1024",
  ],
  "src/broker/connection.ts": [
    "WRITE_NOW_BYTES = 64 * 1024",
    "CHUNKS_MAX = 128",
    "ANSWER_BYTES_MAX = 1024 * 1024",
  ],
  "src/broker/will.ts": ["message.payload.length + 256"],
};

/** Numbers of a hash: another hash spreads as well. */
const HASHES: Readonly<Record<string, readonly string[]>> = {
  "src/broker/changes.ts": ["BASIS = 0x811c_9dc5 | 0", "PRIME = 0x0100_0193"],
  "src/broker/known_topics.ts": [
    "Math.imul(hash ^ four, 0x21f0_aaad)",
    "hash ^= hash >>> 15",
    "Math.imul(hash ^ bytes[i]!, 0x0100_0193)",
    "Math.imul(hash, 0x9e37_79b1) >>> 10",
  ],
};

const OTHERS: readonly Equivalent[] = [];

/** By file, in the order of its text. */
export const EQUIVALENTS: readonly Equivalent[] = [
  ...entries(SIZES, { kind: "constant", reason: "a size that only the speed depends on" }),
  ...entries(HASHES, { reason: "another hash spreads as well" }),
  ...OTHERS,
];

function entries(
  texts: Readonly<Record<string, readonly string[]>>,
  rest: Omit<Equivalent, "file" | "find">,
): Equivalent[] {
  return Object.entries(texts).flatMap(([file, finds]) => finds.map((find) => ({ file, find, ...rest })));
}
