/** Events that wait: counts, bytes, order. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { BoundedQueue } from "./queue.ts";

function filled(items: number, itemsMax: number, bytesMax: number, bytes = 10): BoundedQueue<number> {
  const queue = new BoundedQueue<number>(itemsMax, bytesMax);
  for (let i = 0; i < items; i++) if (queue.hasRoom(bytes)) queue.push(i, bytes);
  return queue;
}

describe("a bounded queue", () => {
  test("gives its items in their order, no more of them than are wanted, and no more bytes", () => {
    const queue = filled(10, 100, 1_000);
    assertEquals(queue.take(3, 1_000).items, [0, 1, 2]);
    assertEquals(queue.take(100, 25).items, [3, 4]);
    assertEquals(queue.take(100, 1).items, [5], "one is given whatever its size");
    assertEquals(queue.take(100, 1_000).items, [6, 7, 8, 9]);
    assertEquals(queue.take(100, 1_000).items, []);
  });

  test("counts what it has no room for, in items and in bytes", () => {
    assertEquals(filled(10, 4, 1_000).dropped, 6);
    assertEquals(filled(10, 100, 45).dropped, 6);
  });

  test("takes an item that is too large for it while it is empty", () => {
    const queue = filled(2, 100, 5);
    assertEquals([queue.count, queue.dropped], [1, 1]);
  });

  test("has the room of taken items again once they are settled, and once only", () => {
    const queue = filled(4, 4, 1_000);
    const { settled } = queue.take(4, 1_000);
    assertEquals([queue.count, queue.waiting, queue.bytes], [4, 0, 40]);
    assert(!queue.hasRoom(1));
    settled();
    settled();
    assertEquals([queue.count, queue.bytes], [0, 0]);
    assert(queue.hasRoom(1));
  });
});
