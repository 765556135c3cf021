/** The memory that outboxes hold, and what a connection that ends may drop of it. @module */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { BufferPool, Outbox } from "./outbox.ts";

const KIB = 1024;
const ALL = { write: (chunk: Uint8Array) => chunk.length };
const NOTHING = { write: () => 0 };

type Op = { kind: "append" | "share"; bytes: number } | { kind: "flush" | "truncate"; bytes: number };

const ops: fc.Arbitrary<Op[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(
      "append" as const,
      "append" as const,
      "share" as const,
      "flush" as const,
      "truncate" as const,
    ),
    bytes: fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 20_000, max: 150_000 })),
  }),
  { maxLength: 30 },
);

function apply(outbox: Outbox, payload: Uint8Array, { kind, bytes }: Op): void {
  if (kind === "append") outbox.append(new Uint8Array(bytes), 0, bytes);
  else if (kind === "share") outbox.share(payload.subarray(0, Math.min(bytes, payload.length)));
  else if (kind === "truncate") outbox.truncate(outbox.position - Math.min(bytes, outbox.size));
  else {
    let left = bytes;
    outbox.flush({
      write: (chunk) => {
        const taken = Math.min(left, chunk.length);
        left -= taken;
        return taken;
      },
    });
  }
}

describe("the memory of outboxes", () => {
  test("is at least what waits, and comes free with it", () => {
    fc.assert(fc.property(fc.array(ops, { minLength: 1, maxLength: 3 }), (all) => {
      const pool = new BufferPool();
      const payload = new Uint8Array(160_000);
      const outboxes = all.map(() => new Outbox(pool));
      all.forEach((some, i) => {
        for (const op of some) {
          apply(outboxes[i]!, payload, op);
          const { size, heldBytes, sharedBytes } = outboxes[i]!;
          assert(heldBytes + sharedBytes >= size);
          assert(size > 0 || heldBytes + sharedBytes <= 256 * KIB, "nothing waits");
        }
      });
      const pieces = outboxes.reduce((sum, { sharedPieces }) => sum + sharedPieces, 0);
      assertEquals(pool.holders, pieces);
      assertEquals(pool.payloadBytes, pieces > 0 ? payload.length : 0, "however often it is shared");
      assertEquals(pool.sharedBytes, outboxes.reduce((sum, { sharedBytes }) => sum + sharedBytes, 0));
      for (const [i, outbox] of outboxes.entries()) {
        if (i % 2 === 0) outbox.clear();
        else outbox.flush(ALL);
        assertEquals([outbox.heldBytes, outbox.sharedBytes, outbox.sharedPieces], [0, 0, 0]);
      }
      assertEquals([pool.holders, pool.payloadBytes, pool.sharedBytes], [0, 0, 0]);
    }));
  });

  test("cut() leaves whole packets: what has been begun, and the payload that belongs to it", () => {
    const pool = new BufferPool();
    const outbox = new Outbox(pool);
    for (let i = 0; i < 300; i++) outbox.append(new Uint8Array(1_000).fill(1), 0, 1_000);
    outbox.flush({ write: (chunk) => Math.min(chunk.length, 10) });
    outbox.cut();
    assert(
      outbox.size > 990 && outbox.position % 1_000 === 0 && outbox.size < 200_000,
      `${outbox.size} are left`,
    );
    outbox.clear();

    const payload = new Uint8Array(20_000);
    for (let i = 0; i < 10; i++) {
      outbox.append(new Uint8Array(5), 0, 5);
      outbox.share(payload.subarray());
    }
    const begun = outbox.position - outbox.size;
    outbox.flush(NOTHING);
    outbox.cut();
    assertEquals(outbox.position - begun, 20_005);
    outbox.flush({ write: (chunk) => Math.min(chunk.length, 100) });
    outbox.append(new Uint8Array(7), 0, 7);
    outbox.cut();
    assertEquals(outbox.position - begun, 20_005, "what stands behind the payload is a packet of its own");
    outbox.flush(ALL);
    assertEquals([outbox.size, pool.holders], [0, 0]);
    outbox.cut();
  });

  test("buffers that are given back are counted, until the pool is emptied", () => {
    const pool = new BufferPool();
    const outbox = new Outbox(pool);
    assertEquals(pool.keptBytes, 0);
    outbox.append(new Uint8Array(3_000), 0, 3_000);
    assertEquals([pool.keptBytes, outbox.heldBytes], [0, 4 * KIB]);
    outbox.flush(ALL);
    assertEquals([pool.keptBytes, outbox.heldBytes], [4 * KIB, 0]);
    pool.empty();
    assertEquals(pool.keptBytes, 0);
  });
});
