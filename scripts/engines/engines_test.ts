/**
 * The core in QuickJS, which has the language and nothing else: its own tests pass there, and a seed of the simulations brings about the same
 * effects as on the engine of this runtime: V8 on Deno, JavaScriptCore on Bun.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { patient } from "../../src/testing/patience.ts";
import { digestOf, SIMULATIONS } from "../../src/testing/simulations.ts";
import { onlyOn } from "../lib/broker_process.ts";
import { digests } from "./engines.ts";
import { filesOf, SUITES, testInQuickJs } from "./suites.ts";

/** Of each simulation; `deno task engines` has a thousand, and all tests of the core. */
const SEEDS = { from: 1, count: 4 };
/** Of each property. */
const NUM_RUNS = 10;
/** Tests that are done in seconds there. */
const QUICK = ["src/codec/", "src/delivery/", "src/broker/store_contract_test.ts"];

describe("QuickJS without any Web API", () => {
  for (const at of QUICK) {
    // The same bytes run in the same engine, whichever runtime starts it.
    test(`passes the tests of ${at}`, { ...patient, ...onlyOn("deno") }, async () => {
      const files = Object.keys(SUITES).flatMap(filesOf).filter((file) => file.startsWith(at));
      const { passed, failures } = await testInQuickJs([...new Set(files)], NUM_RUNS);
      assertEquals(failures, []);
      assert(passed > 20, `only ${passed} tests`);
    });
  }

  for (const name of Object.keys(SIMULATIONS)) {
    test(`does what this engine does, effect by effect: simulation of ${name}`, patient, async () => {
      const expected = Array.from({ length: SEEDS.count }, (_, i) => digestOf(name, SEEDS.from + i));
      assertEquals(await digests(undefined, name, SEEDS), expected);
      assert(expected.every((digest) => Number(digest.split(" ")[1]) > 50), `hardly an effect: ${expected}`);
    });
  }
});
