/**
 * Our broker under audit, on the runtime of the test: nothing against the standard, nothing lenient, nothing left open.
 * Over TLS and WebSocket only a part is audited here; `deno task audit:transports` does all of it.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { AUDITED_BROKERS } from "../../scripts/lib/audited_brokers.ts";
import { auditOwn, mayBeLeft, type Scheme } from "../../scripts/lib/own_audit.ts";
import { patient } from "../../src/testing/patience.ts";
import type { ReportCase } from "../mod.ts";

/** Beside §6: long packets and short ones, every QoS, ends that are expected and ends that are not. */
const SAMPLE = ["6", "3.1.2.11.4", "3.12", "3.14", "4.3.3", "4.6", "4.13"];

function assertGood(cases: readonly ReportCase[], where: string): void {
  const bad = cases.filter(({ verdict }) => verdict !== "pass" && verdict !== "unsupported");
  assertEquals(bad.map(({ id, verdict, reason }) => `${where}: ${verdict} ${id}: ${reason}`), []);
}

describe("our broker", () => {
  for (const level of [5, 4] as const) {
    test(`keeps the standard at level ${level}, in every form`, patient, async () => {
      let left: string[] = [];
      for (const broker of AUDITED_BROKERS) {
        const { cases } = await auditOwn(broker, "mqtt", level, { only: left });
        assertGood(cases, broker.name);
        left = cases.filter(({ id, verdict }) => verdict === "unsupported" && !mayBeLeft(id, "mqtt"))
          .map(({ id }) => id);
        if (left.length === 0) break;
      }
      assertEquals(left, []);
    });

    for (const scheme of ["mqtts", "ws", "wss"] as const satisfies readonly Scheme[]) {
      test(`keeps it at level ${level} over ${scheme}://`, patient, async () => {
        const only = level === 4 ? SAMPLE.filter((section) => section !== "3.1.2.11.4") : SAMPLE;
        const { cases } = await auditOwn(AUDITED_BROKERS[0]!, scheme, level, { only });
        assertGood(cases, scheme);
        const ofWebSocket = cases.filter(({ section }) => section === "6.0.0");
        const expected = scheme === "mqtts" ? "unsupported" : "pass";
        assert(ofWebSocket.length > 10);
        assertEquals(ofWebSocket.filter(({ verdict }) => verdict !== expected).map(({ id }) => id), []);
      });
    }
  }
});
