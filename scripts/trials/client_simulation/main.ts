/**
 * `deno task simulate:client`: the simulations of the Client with many seeds on both runtimes:
 * --seeds 10000 --from 1 --runtime deno|bun. With --faults N faults are planted one after the other, and each must be found.
 *
 * Knows where the tests are; refuses to know what they do.
 * @module
 */
import { simulations } from "../simulations.ts";
import { FAULTS } from "./faults.ts";

await simulations({
  task: "simulate:client",
  tests: ["src/client/simulation_test.ts", "src/client_api/promises_test.ts"],
  seeds: "10000",
  portion: 500,
  variable: "PLUMB_CLIENT_SEED",
  faults: FAULTS,
  faultSeeds: 300,
});
