/**
 * §4 Several nodes and their Clients at random: links that are slow and are cut, nodes that start anew, Clients that move. Whatever happens,
 * they are one Server: what was acknowledged arrives, once where it must, in order, and nothing is left.
 * @module
 */
import { assert } from "@std/assert";
import process from "node:process";
import { describe, test } from "node:test";
import { simulateNodes } from "../testing/nodes_simulation.ts";
import { patient } from "../testing/patience.ts";

/** Seeds of one run of the tests; `PLUMB_NODES_SEEDS` of the environment for more. */
const SEEDS = Number(process.env["PLUMB_NODES_SEEDS"] ?? 12);
const FROM = Number(process.env["PLUMB_NODES_SEED"] ?? 1);

describe("[MQTT-3.1.4-3] [MQTT-4.3.2-3] [MQTT-4.3.3-10] [MQTT-4.6.0-5] [MQTT-4.8.2-4] several nodes are one Server", () => {
  for (const keeps of [true, false]) {
    test(keeps ? "whose stores outlive its nodes" : "that lives in memory", patient, () => {
      let [deliveries, expected] = [0, 0];
      for (let seed = FROM; seed < FROM + SEEDS; seed++) {
        try {
          const done = simulateNodes(seed, { keeps });
          deliveries += done.deliveries;
          expected += done.expected;
        } catch (error) {
          throw new Error(`seed ${seed}: ${(error as Error).stack}`, { cause: error });
        }
      }
      assert(
        deliveries > 50 * SEEDS && expected > 20 * SEEDS,
        `only ${deliveries} deliveries of ${expected}`,
      );
    });
  }
});
