/**
 * A short form of `deno task client:cuts` on the runtime of the test.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import process from "node:process";
import { test } from "node:test";
import { serve } from "../../../src/server/serve.ts";
import { patient } from "../../../src/testing/patience.ts";
import { cutTrial } from "./cuts.ts";
import { killTrial } from "./kills.ts";

const command = [process.execPath, ...("Deno" in globalThis ? ["run", "-A", "--no-check"] : [])];

for (const qos of [1, 2] as const) {
  for (const level of [5, 4] as const) {
    test(`600 messages at QoS ${qos}, level ${level}, come through 12 cuts`, patient, async () => {
      await using server = await serve({ listen: ["mqtt://127.0.0.1:0"] });
      const port = Number(new URL(server.addresses[0]!).port);
      const got = await cutTrial({ port, level, qos, messages: 600, cuts: 12, seed: 3 });
      assertEquals([got.cuts, got.acknowledged], [12, 600]);
      if (qos === 2) assertEquals(got.again, 0);
    });
  }

  test(
    `messages at QoS ${qos} of a Client with a store outlive three ends of its process`,
    patient,
    async () => {
      await using server = await serve({ listen: ["mqtt://127.0.0.1:0"] });
      const got = await killTrial({ url: server.addresses[0]!, qos, kills: 3, seed: 5, command });
      assert(got.messages > 0);
      if (qos === 2) assertEquals(got.again, 0);
    },
  );
}
