/**
 * Our broker under audit, on the runtime of the test: nothing against the standard, nothing lenient, nothing left open.
 * @module
 */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { AUDITED_BROKERS, type AuditedBroker, NO_OCCASION } from "../../scripts/lib/audited_brokers.ts";
import { serve } from "../../src/server/serve.ts";
import { audit, type Level, type ReportCase } from "../mod.ts";
import { patient } from "../../src/testing/patience.ts";

/** Slow machines are no fault of the broker's. */
const PATIENCE_MS = 60_000;

async function auditOne(
  broker: AuditedBroker,
  level: Level,
  only: readonly string[],
): Promise<readonly ReportCase[]> {
  const failures: unknown[] = [];
  const server = await serve({
    ...broker.options,
    listen: ["mqtt://127.0.0.1:0"],
    hooks: { failed: (error) => failures.push(error) },
  });
  try {
    const { declared } = broker;
    const options = { levels: [level], only, declared, patienceMs: PATIENCE_MS };
    const [found] = (await audit(server.addresses[0]!, options)).levels;
    assertEquals([found?.unreachable, found?.stopped, failures], [undefined, undefined, []]);
    return found!.cases;
  } finally {
    await server.close();
  }
}

describe("our broker", () => {
  for (const level of [5, 4] as const) {
    test(`keeps the standard at level ${level}, in every form`, patient, async () => {
      let left: string[] = [];
      for (const broker of AUDITED_BROKERS) {
        const cases = await auditOne(broker, level, left);
        const bad = cases.filter(({ verdict }) => verdict !== "pass" && verdict !== "unsupported");
        assertEquals(bad.map(({ id, verdict, reason }) => `${broker.name}: ${verdict} ${id}: ${reason}`), []);
        left = cases.filter(({ verdict }) => verdict === "unsupported").map(({ id }) => id)
          .filter((id) => !(id in NO_OCCASION));
        if (left.length === 0) break;
      }
      assertEquals(left, []);
    });
  }
});
