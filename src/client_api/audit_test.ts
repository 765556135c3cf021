/** Our Client under audit, on the runtime of the test: nothing against the standard, nothing lenient, nothing left open. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { auditClient } from "../../conformance/mod.ts";
import { auditedClient } from "../../scripts/lib/audited_client.ts";
import { patient } from "../testing/patience.ts";

describe("our Client", () => {
  for (const level of [5, 4] as const) {
    test(`keeps the standard at level ${level}`, patient, async () => {
      const report = await auditClient(auditedClient, { levels: [level], patienceMs: 1_200, atOnce: 24 });
      const [found] = report.levels;
      assertEquals([found?.unreachable, found?.stopped], [undefined, undefined]);
      const bad = found!.cases.filter(({ verdict }) => verdict !== "pass");
      assertEquals(bad.map(({ id, verdict, reason }) => `${verdict} ${id}: ${reason}`), []);
    });
  }
});
