/**
 * `deno task simulate:nodes`: the simulation of several nodes with many seeds on both runtimes: --seeds 2000 --from 1 --runtime deno|bun.
 * With --faults faults are planted one after the other, and each must be found by the seeds that CI runs.
 *
 * Knows where the tests are; refuses to know what they do.
 * @module
 */
import { simulations } from "../simulations.ts";
import { FAULTS } from "./faults.ts";

await simulations({
  task: "simulate:nodes",
  tests: ["src/nodes/simulation_test.ts"],
  seeds: "2000",
  portion: 100,
  variable: "PLUMB_NODES_SEED",
  faults: FAULTS,
  faultSeeds: undefined,
});
