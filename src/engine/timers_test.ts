/** Deadlines against a sorted list. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { type Deadline, Timers } from "./timers.ts";

/** A deadline that says when it was called. */
class Probe implements Deadline {
  heapIndex = -1;
  heapTime = 0;
  readonly name: number;
  readonly called: (name: number, now: number) => void;

  constructor(name: number, called: (name: number, now: number) => void) {
    this.name = name;
    this.called = called;
  }

  due(now: number): void {
    this.called(this.name, now);
  }
}

type Op = { op: "schedule"; who: number; at: number } | { op: "cancel"; who: number } | {
  op: "run";
  by: number;
};

const who = fc.nat({ max: 15 });
const ops: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        op: fc.constant("schedule" as const),
        who,
        at: fc.oneof({ weight: 9, arbitrary: fc.nat({ max: 50 }) }, {
          weight: 1,
          arbitrary: fc.constant(Infinity),
        }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("cancel" as const), who }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("run" as const), by: fc.nat({ max: 12 }) }) },
  ),
  { maxLength: 120 },
);

describe("Timers", () => {
  test("whatever is scheduled, moved and cancelled, the due ones are called once, the earliest first", () => {
    fc.assert(
      fc.property(ops, (ops) => {
        const timers = new Timers();
        const calls: number[] = [];
        const probes = Array.from({ length: 16 }, (_, name) => new Probe(name, (name) => calls.push(name)));
        const model = new Map<number, number>();
        let now = 0;
        for (const op of ops) {
          if (op.op === "schedule") {
            timers.schedule(probes[op.who]!, now + op.at);
            if (op.at === Infinity) model.delete(op.who);
            else model.set(op.who, now + op.at);
          } else if (op.op === "cancel") {
            timers.cancel(probes[op.who]!);
            model.delete(op.who);
          } else {
            now += op.by;
            calls.length = 0;
            timers.run(now);
            const due = [...model].filter(([, at]) => at <= now);
            assertEquals([...calls].sort(), due.map(([name]) => name).sort());
            assertEquals(
              calls.map((name) => model.get(name)!),
              due.map(([, at]) => at).sort((a, b) => a - b),
            );
            for (const name of calls) model.delete(name);
          }
          assertEquals(timers.size, model.size);
          assertEquals(timers.next(), Math.min(Infinity, ...model.values()));
        }
      }),
      { numRuns: 300 },
    );
  });

  test("who is called may schedule itself and cancel others", () => {
    const timers = new Timers();
    const calls: [number, number][] = [];
    const second = new Probe(2, (name, now) => calls.push([name, now]));
    const third = new Probe(3, (name, now) => calls.push([name, now]));
    const first: Probe = new Probe(1, (name, now) => {
      calls.push([name, now]);
      timers.cancel(second);
      timers.schedule(first, now + 5);
      timers.schedule(third, now);
    });
    timers.schedule(second, 20);
    timers.schedule(first, 10);
    timers.run(20);
    assertEquals(calls, [[1, 20], [3, 20]]);
    assertEquals([timers.size, timers.next()], [1, 25]);
    timers.run(24);
    assertEquals(calls.length, 2);
    timers.run(25);
    assertEquals(calls.slice(2), [[1, 25], [3, 25]]);
  });
});
