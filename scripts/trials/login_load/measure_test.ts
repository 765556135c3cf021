/** What `deno task login:load` does, for a moment and without a bound on any time. @module */
import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { troublesOf } from "../../../src/bench/report.ts";
import { patient } from "../../../src/testing/patience.ts";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { CHEAP } from "../../lib/password_line.ts";
import { measureLoginLoad } from "./measure.ts";

test("Clients log in with passwords while messages flow, and none is lost", patient, async () => {
  const { report: { sides, latencyRatio }, logins } = await measureLoginLoad({
    runtime: OWN_RUNTIME,
    rounds: 2,
    load: { rate: 1_000, seconds: 0.5, warmup: 0.1 },
    threads: 1,
    loginsPerSecond: 50,
    cost: CHEAP,
  });
  assertEquals(sides.flatMap((side) => troublesOf(side)), []);
  assert((latencyRatio?.p99.median ?? 0) > 0);
  assertEquals(logins.length, 2);
  for (const { asked, times, busy, others } of logins) {
    assert(asked > 0 && times.length > 0);
    // A machine that is busy with other work makes logins wait, and those that wait too long are told so.
    assertEquals([times.length + busy, [...others]], [asked, []]);
  }
});
