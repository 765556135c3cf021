/**
 * `deno task simulate:members`: the simulation of members of a cluster with many seeds on both runtimes: --seeds 3000 --from 1 --runtime
 * deno|bun. With --faults faults are planted one after the other, and each must be found.
 *
 * Knows where the tests are; refuses to know what they do.
 * @module
 */
import { simulations } from "../simulations.ts";
import { FAULTS } from "./faults.ts";

await simulations({
  task: "simulate:members",
  tests: ["src/cluster/member_simulation_test.ts"],
  seeds: "3000",
  portion: 500,
  variable: "PLUMB_MEMBERS_SEED",
  faults: FAULTS,
  faultSeeds: 300,
});
