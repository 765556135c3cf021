/** Our Client under audit, on the runtime of the test: nothing against the standard, nothing lenient, nothing left open. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { auditClient } from "../../conformance/mod.ts";
import { auditedClient } from "../cli/client/audited_client.ts";
import { patient } from "../testing/patience.ts";

describe("our Client", () => {
  for (const level of [5, 4] as const) {
    for (const webSocket of [false, true]) {
      test(
        `keeps the standard at level ${level} over ${webSocket ? "WebSocket" : "TCP"}`,
        patient,
        async () => {
          const options = { levels: [level], patienceMs: 1_200, atOnce: 24, webSocket };
          const [found] = (await auditClient(auditedClient, options)).levels;
          assertEquals([found?.unreachable, found?.stopped], [undefined, undefined]);
          const bad = found!.cases.filter(({ id, verdict }) =>
            verdict !== "pass" && (webSocket || !id.startsWith("client/6.0.0/")) // §6 is about WebSocket alone
          );
          assertEquals(bad.map(({ id, verdict, reason }) => `${verdict} ${id}: ${reason}`), []);
        },
      );
    }
  }
});
