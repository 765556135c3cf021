/**
 * §4 Several Clients at random against the model of what must arrive. Each seed is a test of its own, and does the same
 * at each run.
 * @module
 */
import { assert } from "@std/assert";
import { describe, test } from "node:test";
import { simulateBroker } from "../testing/broker_simulation.ts";

const SEEDS = 40;

describe("[MQTT-4.3.1-1] [MQTT-4.3.2-3] [MQTT-4.3.3-10] [MQTT-4.4.0-1] [MQTT-4.5.0-1] [MQTT-4.6.0-5] [MQTT-4.6.0-6] [MQTT-4.8.2-4] at most once, at least once, exactly once, in order, and nothing is left", () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    test(`seed ${seed}`, () => {
      const { deliveries, expected } = simulateBroker(seed);
      assert(deliveries > 50 && expected > 50, `only ${deliveries} deliveries of ${expected}`);
    });
  }
});
