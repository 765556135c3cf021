/** First in, first out, against an array. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { Queue } from "./queue.ts";

type Step = { op: "push" | "shift"; times: number } | { op: "extract"; by: number; rest: number } | {
  op: "clear";
};

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant("push" as const), times: fc.integer({ min: 1, max: 90 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant("shift" as const), times: fc.integer({ min: 1, max: 90 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant("extract" as const),
      by: fc.integer({ min: 1, max: 5 }),
      rest: fc.nat({ max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ op: "clear" as const }) },
);

describe("Queue", () => {
  test("it is an array that is pushed, shifted and filtered", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const queue = new Queue<number>();
        let model: number[] = [];
        let next = 0;
        for (const step of steps) {
          if (step.op === "push") {
            for (let i = 0; i < step.times; i++) {
              queue.push(next);
              model.push(next++);
            }
          } else if (step.op === "shift") {
            for (let i = 0; i < step.times; i++) assertEquals(queue.shift(), model.shift());
          } else if (step.op === "extract") {
            const isOut = (item: number) => item % step.by === step.rest;
            assertEquals(queue.extract(isOut), model.filter(isOut));
            model = model.filter((item) => !isOut(item));
          } else {
            assertEquals(queue.clear(), model);
            model = [];
          }
          assertEquals(queue.length, model.length);
          assertEquals(queue.peek(), model[0]);
        }
        assertEquals(queue.clear(), model);
      }),
      { numRuns: 300 },
    );
  });

  test("an empty one gives undefined, also when it was full", () => {
    const queue = new Queue<number>();
    assertEquals([queue.peek(), queue.shift(), queue.length], [undefined, undefined, 0]);
    queue.push(1);
    assertEquals([queue.peek(), queue.shift(), queue.shift(), queue.length], [1, 1, undefined, 0]);
  });
});
