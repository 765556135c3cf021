import { assert, assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { type Bench, sink } from "./bench.ts";
import { type Effort, measure } from "./measure.ts";

const BRIEF: Effort = { warmUpMs: 5, measureMs: 5, repetitionMs: 0.2 };

describe("measure()", () => {
  test("tells how long an operation takes", () => {
    const bench: Bench = {
      run(times) {
        let sum = 0;
        for (const end = performance.now() + times * 0.1; performance.now() < end;) sum++;
        return sum;
      },
    };
    const { nsMin, nsMedian, repetitions } = measure(bench, BRIEF);
    assert(nsMin >= 90_000 && nsMin < 1_000_000, `${nsMin} ns`);
    assert(nsMedian >= nsMin);
    assert(repetitions >= 15);
  });

  test("refuses work that has been left out", () => {
    assertThrows(() => measure({ run: () => 1 }, BRIEF), Error, "left out");
  });

  test("refuses a run that returns nothing", () => {
    const run = () => undefined as unknown as number;
    assertThrows(() => measure({ run }, BRIEF), Error, "no number");
  });

  test("resets before each run, and runs no more than it may", () => {
    let since = Infinity;
    let longest = 0;
    const bench: Bench = {
      most: 7,
      run(times) {
        assertEquals(since, 0, "it was not reset");
        since = times;
        longest = Math.max(longest, times);
        for (let i = 0; i < times * 100; i++) sink.value = { i };
        return times;
      },
      reset: () => void (since = 0),
    };
    measure(bench, BRIEF);
    assert(longest <= 7);
  });

  test("compares with a base that is run in turn", () => {
    const looping = (rounds: number): Bench => ({
      run(times) {
        let sum = 0;
        for (let i = 0; i < times * rounds; i++) sum = (sum * 31 + i) & 0xffff;
        return sum;
      },
    });
    const { ratio } = measure(looping(50_000), BRIEF, looping(1_000));
    assert(ratio! > 5, `${ratio}`);
    assertEquals(measure(looping(1_000), BRIEF).ratio, undefined);
  });

  test("does what is done together only together", () => {
    let odd = 0;
    const bench: Bench = {
      together: 64,
      most: 256,
      run(times) {
        if (times % 64 !== 0) odd++;
        for (let i = 0; i < times * 100; i++) sink.value = { i };
        return times;
      },
    };
    measure(bench, BRIEF);
    assertEquals(odd, 0);
  });
});
