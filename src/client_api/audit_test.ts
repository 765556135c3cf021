/** Our Client under audit, on the runtime of the test: nothing against the standard, nothing lenient, nothing left open. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { auditClient, type ClientAuditOptions } from "../../conformance/mod.ts";
import { auditedClient } from "../cli/client/audited_client.ts";
import { patient } from "../testing/patience.ts";
import { CERT, KEY } from "../testing/tls.ts";

const tls = { cert: CERT, key: KEY };
/** Beside §6: how it begins and ends, long packets and short ones, every QoS, what is sent again. */
const only = ["3.1", "3.14", "4.3", "4.4", "4.6"];

/** Over TLS only a part: the bytes above it are the same. */
const WAYS: Readonly<Record<string, ClientAuditOptions>> = {
  TCP: {},
  WebSocket: { webSocket: true },
  TLS: { tls, only },
  "WebSocket and TLS": { webSocket: true, tls, only: ["6", ...only] },
};

describe("our Client", () => {
  for (const level of [5, 4] as const) {
    for (const [way, over] of Object.entries(WAYS)) {
      test(`keeps the standard at level ${level} over ${way}`, patient, async () => {
        const options = { levels: [level], patienceMs: 1_200, atOnce: 24, ...over };
        const [found] = (await auditClient(auditedClient, options)).levels;
        assertEquals([found?.unreachable, found?.stopped], [undefined, undefined]);
        const bad = found!.cases.filter(({ id, verdict }) =>
          verdict !== "pass" && (over.webSocket || !id.startsWith("client/6.0.0/")) // §6 is about WebSocket alone
        );
        assertEquals(bad.map(({ id, verdict, reason }) => `${verdict} ${id}: ${reason}`), []);
      });
    }
  }
});
