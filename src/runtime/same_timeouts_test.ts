/** Timeouts of one length: each comes in its order and once, and none that was let go. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { patient, until } from "../testing/patience.ts";
import { sameTimeouts } from "./same_timeouts.ts";

describe("timeouts of one length", () => {
  test("come in their order, not before their time, and not where they were let go", patient, async () => {
    const timeouts = sameTimeouts(30);
    const over: string[] = [];
    const waiting = (name: string) => ({ timedOut: () => void over.push(name) });
    const [first, gone, last] = [waiting("first"), waiting("let go"), waiting("last")];
    const began = performance.now();
    timeouts.add(first);
    timeouts.add(gone);
    timeouts.delete(gone);
    await until(() => over.length === 1, "the first");
    assert(performance.now() - began >= 29);
    timeouts.add(last);
    await until(() => over.length === 2, "the last, for which the timer is set anew");
    assertEquals(over, ["first", "last"]);
    timeouts.delete(first); // which does nothing any more
  });

  test("of other lengths do not wait for each other", patient, async () => {
    const over: number[] = [];
    for (const ms of [100_000, 10, 20]) sameTimeouts(ms).add({ timedOut: () => void over.push(ms) });
    await until(() => over.length === 2, "the two that are short");
    assertEquals(over, [10, 20]);
  });
});
