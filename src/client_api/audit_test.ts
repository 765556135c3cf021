/** Our Client under audit, on the runtime of the test: nothing against the standard, nothing lenient, nothing left open. @module */
import { assert, assertEquals } from "@std/assert";
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
        const failed = await failuresOf(options);
        // A busy machine may be slower than that: alone, and with time, each of them must pass.
        const ids = failed.map(({ id }) => id);
        const left = ids.length === 0 ? [] : await failuresOf({
          ...options,
          only: ids,
          patienceMs: 20_000,
          atOnce: 1,
        });
        assertEquals(left.map(({ id, verdict, reason }) => `${verdict} ${id}: ${reason}`), []);
      });
    }
  }
});

/** The cases that did not pass. */
async function failuresOf(options: ClientAuditOptions) {
  const [found] = (await auditClient(auditedClient, options)).levels;
  assertEquals([found?.unreachable, found?.stopped], [undefined, undefined]);
  assert(found!.cases.length > 0, "no case ran");
  return found!.cases.filter(({ id, verdict }) =>
    verdict !== "pass" && (options.webSocket || !id.startsWith("client/6.0.0/")) // §6 is about WebSocket alone
  );
}
