/**
 * The soak for a few seconds, without an owner and with one that decides and stores slowly.
 * @module
 */
import { assertEquals } from "@std/assert";
import { test } from "node:test";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { soak } from "./soak.ts";
import { patient, WAIT_MS } from "../../../src/testing/patience.ts";

test(
  "canaries get every message while others misbehave, and nothing is left in the end",
  patient,
  async () => {
    const common = { runtime: OWN_RUNTIME, seconds: 2, width: 20, limitMs: WAIT_MS, sessionExpirySeconds: 2 };
    const results = await Promise.all([
      soak({ ...common, seed: 20_251 }),
      soak({ ...common, seed: 20_252, slowMs: 3 }),
    ]);
    for (const { problems, summary } of results) assertEquals(problems, [], summary.join("\n"));
  },
);
