/** §4.3.3 Open identifiers, against a set. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { Receiver } from "./receiver.ts";

const id = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 1, max: 0xffff }),
  fc.integer({ min: 1, max: 63 }).map((high) => high * 1024), // the same low bits
);

describe("Receiver", () => {
  test("it is a set of Packet Identifiers", () => {
    const ops = fc.array(fc.record({ id, isAdd: fc.boolean() }), { maxLength: 400 });
    fc.assert(fc.property(ops, (ops) => {
      const receiver = new Receiver();
      const model = new Set<number>();
      for (const { id, isAdd } of ops) {
        if (isAdd) {
          receiver.add(id);
          model.add(id);
        } else assertEquals(receiver.delete(id), model.delete(id));
        assertEquals([receiver.size, receiver.has(id)], [model.size, model.has(id)]);
      }
      assertEquals([...receiver].sort((a, b) => a - b), [...model].sort((a, b) => a - b));
    }));
  });

  test("it holds every identifier there is", () => {
    const receiver = new Receiver();
    for (let id = 1; id <= 0xffff; id++) receiver.add(id);
    assertEquals([receiver.size, receiver.has(1), receiver.has(0xffff)], [0xffff, true, true]);
    for (let id = 1; id <= 0xffff; id++) assertEquals(receiver.delete(id), true);
    assertEquals(receiver.size, 0);
  });

  test("identifiers with the same low bits, and many that crowd, are held as well as any", () => {
    for (const step of [1, 16, 256, 1_024, 4_096]) {
      const receiver = new Receiver();
      const model = new Set<number>();
      for (let low = 1; low < 40; low++) {
        for (let id = low; id <= 0xffff; id += step) {
          if (model.size < 5_000) model.add(id);
        }
      }
      for (const id of model) receiver.add(id);
      assertEquals([...receiver].sort((a, b) => a - b), [...model].sort((a, b) => a - b));
      let left = model.size;
      for (const id of model) {
        assertEquals([receiver.delete(id), receiver.has(id), receiver.size], [true, false, --left]);
      }
    }
  });
});
