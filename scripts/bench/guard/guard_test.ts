import { assert, assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { pathOf } from "../../lib/tree.ts";
import { compare } from "./compare.ts";
import { judge, type Ratios, SCENARIOS } from "./figures.ts";

test("The guard sees a broker that stands still at each chunk", async () => {
  const ratios = JSON.parse(readFileSync(pathOf("scripts/bench/guard/ratios.json"), "utf8")) as Ratios;
  const effort = { pairs: 3, messages: 3_200, warmUp: 3_200, slowUs: 2_000 };
  const all = await compare(OWN_RUNTIME, SCENARIOS, effort);
  assertEquals(all.length, SCENARIOS.length);
  for (const { scenario, ratio } of all) {
    assert(judge(ratio, ratios[OWN_RUNTIME]?.[scenario]) === "worse", `${scenario}: ${ratio}`);
  }
});
