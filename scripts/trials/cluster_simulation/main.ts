/**
 * `deno task simulate:cluster`: the simulation of a whole cluster with many seeds on both runtimes: --seeds 2000 --from 1 --runtime deno|bun.
 * With --faults faults are planted one after the other, and each must be found.
 *
 * Knows where the tests are; refuses to know what they do.
 * @module
 */
import { simulations } from "../simulations.ts";
import { FAULTS } from "./faults.ts";

await simulations({
  task: "simulate:cluster",
  tests: ["src/cluster/join/simulation_test.ts"],
  seeds: "2000",
  portion: 100,
  variable: "PLUMB_CLUSTER_SEED",
  faults: FAULTS,
  faultSeeds: 100,
});
