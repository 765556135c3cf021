/** The bytes of a Client on their way, against a plain array of them. @module */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { Outbox } from "./outbox.ts";
import { TakingSink } from "../testing/taking_sink.ts";

type Op =
  | { op: "append"; isRoom: boolean; bytes: number }
  | { op: "limit"; ahead: number }
  | { op: "truncate"; back: number }
  | { op: "flush"; plan: number[] };

/** Sizes on both sides of those at which the buffer grows and is given up. */
const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 60 }) },
  { weight: 3, arbitrary: fc.integer({ min: 900, max: 5000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 100_000, max: 300_000 }) },
);
const ops: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ op: fc.constant("append" as const), isRoom: fc.boolean(), bytes: size }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        op: fc.constant("limit" as const),
        ahead: fc.oneof(fc.nat({ max: 9000 }), fc.constant(Infinity)),
      }),
    },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("truncate" as const), back: size }) },
    {
      weight: 3,
      arbitrary: fc.record({
        op: fc.constant("flush" as const),
        plan: fc.array(fc.nat({ max: 3000 }), { maxLength: 2 }),
      }),
    },
  ),
  { maxLength: 30 },
);

/** Bytes that differ from their neighbours, wherever they stand in the stream. */
function stream(from: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => (from + i) * 31 + ((from + i) >> 8));
}

describe("Outbox of a Client", () => {
  test("gives each byte once and in order, none behind its limit and none that was dropped", () => {
    fc.assert(fc.property(ops, (all) => {
      const outbox = new Outbox();
      const sink = new TakingSink();
      const waiting: number[] = [];
      let taken = 0;
      let limit = Infinity;
      let made = 0;
      for (const one of all) {
        if (one.op === "append") {
          const bytes = stream(made, one.bytes);
          made += one.bytes;
          if (!one.isRoom) {
            const padded = new Uint8Array(one.bytes + 5).fill(0xee);
            padded.set(bytes, 2);
            outbox.append(padded, 2, 2 + one.bytes);
          } else {
            const at = outbox.room(one.bytes);
            outbox.buffer.set(bytes, at);
          }
          for (const byte of bytes) waiting.push(byte);
        } else if (one.op === "limit") outbox.limit = limit = taken + one.ahead;
        else if (one.op === "truncate") {
          const count = Math.min(one.back, waiting.length);
          outbox.truncate(taken + waiting.length - count);
          waiting.length -= count;
        } else {
          sink.plan.push(...one.plan);
          sink.taken.length = 0;
          const allowed = Math.max(0, Math.min(waiting.length, limit - taken));
          const isAll = outbox.flush(sink);
          assertEquals(isAll, sink.taken.length === allowed);
          assertEquals(sink.taken, waiting.splice(0, sink.taken.length));
          taken += sink.taken.length;
          sink.plan.length = 0;
        }
        assertEquals([outbox.size, outbox.position], [waiting.length, taken + waiting.length]);
      }
    }));
  });

  test("keeps no large buffer once it is empty", () => {
    const outbox = new Outbox();
    outbox.room(1_000_000);
    outbox.flush(new TakingSink());
    assert(outbox.buffer.length <= 4096);
    outbox.room(100_000);
    const { buffer } = outbox;
    outbox.flush(new TakingSink());
    assertEquals(outbox.buffer, buffer); // one of middle size is used again
  });

  test("a backlog of half the buffer and more is not moved with each piece that leaves", () => {
    const outbox = new Outbox();
    const buffers = new Set<Uint8Array>();
    const slow = { write: (chunk: Uint8Array) => Math.min(chunk.length, 100) };
    for (let i = 0; i < 10_000; i++) {
      outbox.room(200);
      outbox.flush(slow);
      buffers.add(outbox.buffer);
    }
    assertEquals(outbox.size, 1_000_000);
    assert(buffers.size < 20);
  });
});
