import { assert, assertEquals } from "@std/assert";
import { test } from "node:test";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { compare } from "./compare.ts";
import { judge, SCENARIOS } from "./figures.ts";

test("The guard sees a broker that stands still at each chunk", async () => {
  const effort = { pairs: 3, messages: 3_200, warmUp: 3_200, slowUs: 2_000 };
  const all = await compare(OWN_RUNTIME, SCENARIOS, effort);
  assertEquals(all.length, SCENARIOS.length);
  for (const { scenario, ratio } of all) assert(judge(ratio) === "worse", `${scenario}: ${ratio}`);
});
