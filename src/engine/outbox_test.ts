/** Bytes on their way against a plain array of them. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { BufferPool, Outbox } from "./outbox.ts";
import { TakingSink } from "../testing/taking_sink.ts";

type Op =
  | { op: "append" | "room" | "share"; bytes: number }
  | { op: "limit"; ahead: number }
  | { op: "truncate"; back: number }
  | { op: "flush"; plan: number[] };

/** Sizes on both sides of those at which buffers grow, are given back and become pieces. */
const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 60 }) },
  { weight: 3, arbitrary: fc.integer({ min: 900, max: 5000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 30_000, max: 140_000 }) },
);
const ops: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ op: fc.constantFrom("append" as const, "room" as const), bytes: size }),
    },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("share" as const), bytes: size }) },
    {
      weight: 1,
      arbitrary: fc.record({
        op: fc.constant("limit" as const),
        ahead: fc.oneof(fc.nat({ max: 9000 }), fc.constant(Infinity)),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        op: fc.constant("truncate" as const),
        back: fc.oneof(fc.constantFrom(0, Infinity), size),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        op: fc.constant("flush" as const),
        plan: fc.array(fc.nat({ max: 3000 }), { maxLength: 3 }),
      }),
    },
  ),
  { maxLength: 30 },
);

/** Bytes that differ from their neighbours, wherever they stand in the stream. */
function stream(from: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => (from + i) * 31 + ((from + i) >> 8));
}

function put(outbox: Outbox, op: "append" | "room" | "share", bytes: Uint8Array): void {
  if (op === "share") return outbox.share(bytes);
  if (op === "append") {
    const padded = new Uint8Array(bytes.length + 5).fill(0xee);
    padded.set(bytes, 2);
    const at = outbox.append(padded, 2, 2 + bytes.length);
    assertEquals(outbox.buffer[at], bytes[0]);
  } else {
    const at = outbox.room(bytes.length);
    outbox.buffer.set(bytes, at);
  }
}

interface State {
  readonly sink: TakingSink;
  /** All that was written and not dropped again. */
  readonly expected: number[];
  limit: number;
}

describe("Outbox", () => {
  test("what is appended, made room for and shared leaves in order, once, not beyond the limit, and not if it is dropped", () => {
    fc.assert(
      fc.property(fc.array(ops, { minLength: 1, maxLength: 3 }), (all) => {
        const pool = new BufferPool(); // shared: what one gives back another takes, dirty
        const outboxes = all.map(() => new Outbox(pool));
        const longest = Math.max(...all.map((ops) => ops.length));
        const states = all.map((): State => ({ sink: new TakingSink(), expected: [], limit: Infinity }));
        for (let i = 0; i < longest; i++) {
          for (const [j, ops] of all.entries()) {
            if (i < ops.length) perform(outboxes[j]!, states[j]!, ops[i]!, i);
          }
        }
        for (const [j, outbox] of outboxes.entries()) {
          outbox.limit = Infinity;
          states[j]!.sink.plan.length = 0;
          assertEquals(outbox.flush(states[j]!.sink), true);
          assertEquals([outbox.size, outbox.ready], [0, false]);
          assertEquals(Uint8Array.from(states[j]!.sink.taken), Uint8Array.from(states[j]!.expected));
        }
      }),
      { numRuns: 60 },
    );
  });

  function perform(outbox: Outbox, state: State, op: Op, salt: number): void {
    const { sink, expected } = state;
    if (op.op === "limit") {
      state.limit = op.ahead === Infinity ? Infinity : sink.taken.length + op.ahead;
      outbox.limit = state.limit;
    } else if (op.op === "flush") {
      sink.plan.splice(0, Infinity, ...op.plan);
      const before = sink.taken.length;
      const leaves = Math.max(0, Math.min(expected.length, state.limit) - before);
      const all = outbox.flush(sink);
      assertEquals(all, sink.taken.length - before === leaves);
      assertEquals(sink.taken.length <= Math.max(before, state.limit), true);
    } else if (op.op === "truncate") {
      const position = Math.max(sink.taken.length, expected.length - op.back);
      outbox.truncate(position);
      expected.length = position;
    } else {
      const bytes = stream(expected.length + salt, op.bytes);
      put(outbox, op.op, bytes);
      for (const byte of bytes) expected.push(byte);
    }
    assertEquals(outbox.position, expected.length);
    assertEquals(outbox.size, expected.length - sink.taken.length);
    assertEquals(outbox.ready, outbox.size > 0 && state.limit > sink.taken.length);
  }

  test("shared bytes are handed on as they are, without a copy", () => {
    const outbox = new Outbox(new BufferPool());
    const shared = stream(3, 40_000);
    outbox.append(stream(0, 3), 0, 3);
    outbox.share(shared);
    outbox.append(stream(40_003, 2), 0, 2);
    const chunks: Uint8Array[] = [];
    assertEquals(outbox.flush({ write: (chunk) => chunks.push(chunk) && chunk.length }), true);
    assertEquals(chunks.map((chunk) => chunk.length), [3, 40_000, 2]);
    assertEquals(chunks[1]!.buffer === shared.buffer, true);
  });

  test("truncate() leaves shared bytes as they are for the others who have them", () => {
    const pool = new BufferPool();
    const [one, other] = [new Outbox(pool), new Outbox(pool)];
    const shared = stream(0, 40_000);
    for (const outbox of [one, other]) outbox.share(shared);
    one.append(stream(40_000, 5), 0, 5);
    one.truncate(10);
    one.append(stream(7, 3), 0, 3);
    const sinks = [one, other].map((outbox) => {
      const sink = new TakingSink();
      outbox.flush(sink);
      return Uint8Array.from(sink.taken);
    });
    assertEquals(sinks, [Uint8Array.from([...stream(0, 10), ...stream(7, 3)]), stream(0, 40_000)]);
  });

  test("a turn's small packets are one write", () => {
    const outbox = new Outbox(new BufferPool());
    for (let i = 0; i < 500; i++) outbox.append(stream(i * 4, 4), 0, 4);
    const sink = new TakingSink();
    outbox.flush(sink);
    assertEquals([sink.writes, Uint8Array.from(sink.taken)], [1, stream(0, 2000)]);
  });

  test("so are a few small packets and a run that is longer than they, and a long backlog is in large pieces", () => {
    const outbox = new Outbox(new BufferPool());
    const sink = new TakingSink();
    outbox.append(new Uint8Array(1_000), 0, 1_000);
    outbox.append(new Uint8Array(20_000), 0, 20_000);
    outbox.flush(sink);
    assertEquals([sink.writes, sink.taken.length], [1, 21_000]);
    for (let i = 0; i < 1_000; i++) outbox.append(new Uint8Array(100), 0, 100);
    outbox.flush(sink);
    assertEquals([sink.writes <= 8, sink.taken.length], [true, 121_000]);
  });

  test("an outbox with nothing to send holds no buffer", () => {
    const pool = new BufferPool();
    const outbox = new Outbox(pool);
    outbox.append(stream(0, 10), 0, 10);
    const buffer = outbox.buffer;
    outbox.flush(new TakingSink());
    assertEquals(outbox.buffer.length, 0);
    assertEquals(pool.take(10) === buffer, true);
  });

  test("clear() drops what is not taken and gives the buffer back", () => {
    const pool = new BufferPool();
    const outbox = new Outbox(pool);
    outbox.append(stream(0, 10), 0, 10);
    const buffer = outbox.buffer;
    outbox.clear();
    outbox.share(stream(0, 20_000));
    outbox.clear();
    assertEquals([outbox.size, outbox.ready, pool.take(1) === buffer], [0, false, true]);
    const sink = new TakingSink();
    assertEquals([outbox.flush(sink), sink.writes], [true, 0]);
  });
});

describe("BufferPool", () => {
  test("a buffer is at least as large as asked for, of a power of two, and comes back", () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 300_000 }), (bytes) => {
      const pool = new BufferPool();
      const buffer = pool.take(bytes);
      assertEquals(buffer.length >= bytes && buffer.length < Math.max(1025, 2 * bytes), true);
      assertEquals(buffer.length & (buffer.length - 1), 0);
      assertEquals(pool.take(bytes) === buffer, false);
      pool.give(buffer);
      assertEquals(pool.take(bytes) === buffer, buffer.length <= 256 * 1024);
    }));
  });

  test("it keeps no more than 4 MiB of a size, and that much", () => {
    for (const [bytes, kept] of [[1, 4096], [200_000, 16]] as const) {
      const pool = new BufferPool();
      const all = new Set(Array.from({ length: kept + 10 }, () => pool.take(bytes)));
      for (const buffer of all) pool.give(buffer);
      const again = Array.from(all, () => pool.take(bytes));
      assertEquals(again.filter((buffer) => all.has(buffer)).length, kept);
    }
  });
});
