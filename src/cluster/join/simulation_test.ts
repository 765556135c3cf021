/**
 * §4 Whole clusters at random: processes are killed, machines stand still and lose their power, their disks, the bus and the streams, whole and one
 * way. Whatever happens, they are one Server: what was acknowledged arrives, in order, and nothing is left.
 * @module
 */
import { assert } from "@std/assert";
import process from "node:process";
import { describe, test } from "node:test";
import { simulateCluster } from "../../testing/cluster_simulation.ts";
import { patient } from "../../testing/patience.ts";

/** Seeds of one run of the tests; `PLUMB_CLUSTER_SEEDS` of the environment for more. */
const SEEDS = Number(process.env["PLUMB_CLUSTER_SEEDS"] ?? 12);
const FROM = Number(process.env["PLUMB_CLUSTER_SEED"] ?? 1);
/** Of one test: whoever plants faults takes a test that has no end for one that fails. */
const PORTION = 4;

describe("[MQTT-3.1.4-3] [MQTT-4.3.2-3] [MQTT-4.3.3-10] [MQTT-4.6.0-5] [MQTT-4.8.2-4] a cluster is one Server", () => {
  for (let first = FROM; first < FROM + SEEDS; first += PORTION) {
    const end = Math.min(first + PORTION, FROM + SEEDS);
    test(`seeds ${first} to ${end - 1}`, patient, async () => {
      let [acknowledged, faults] = [0, 0];
      for (let seed = first; seed < end; seed++) {
        try {
          const done = await simulateCluster(seed);
          acknowledged += done.acknowledged;
          faults += done.faults;
        } catch (error) {
          throw new Error(`seed ${seed}: ${(error as Error).stack}`, { cause: error });
        }
      }
      const seeds = end - first;
      assert(
        acknowledged > 10 * seeds && faults > 3 * seeds,
        `only ${acknowledged} messages, ${faults} faults`,
      );
    });
  }
});
