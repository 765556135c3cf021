/**
 * The tests that QuickJS runs as they are, by the rows of the matrix of engines.
 * Knows which files need more than the language; refuses to know what they test.
 * @module
 */
import { filesUnder } from "../lib/tree.ts";
import { testEntry } from "./bundle.ts";
import { inQuickJs } from "./engines.ts";

/** They read files, open sockets, measure time, or compare with a package that needs `node:buffer`. */
const NEED_A_RUNTIME = new Set([
  "src/codec/mqtt_packet_test.ts",
  "src/codec/property_test.ts",
  "src/codec/reason_code_test.ts",
  "src/transport/ip_address_test.ts",
  "src/transport/ws_test.ts",
]);

/** Where the tests of each row are. */
export const SUITES: Readonly<Record<string, readonly string[]>> = {
  "codec properties": ["src/codec", "src/topic", "src/delivery"],
  "transport contract": ["src/transport"],
  "store contract": ["src/broker/store_contract_test.ts"],
};

/** Those of the rest of the core, which have no row; the broker's take the better part of an hour. */
export const REST: Readonly<Record<string, readonly string[]>> = {
  "engine and client": ["src/engine", "src/client"],
  "broker": ["src/broker"],
};

/** The files of a suite that a bare engine can run; simulations are run seed by seed elsewhere. */
export function filesOf(suite: string): string[] {
  const all = (SUITES[suite] ?? REST[suite])!.flatMap((at) =>
    at.endsWith(".ts") ? [at] : filesUnder(at, "_test.ts")
  );
  return all.filter((file) => !NEED_A_RUNTIME.has(file) && !file.endsWith("/simulation_test.ts"));
}

/** How tests came out. */
export interface Tested {
  readonly passed: number;
  /** Each with what is wrong. */
  readonly failures: readonly string[];
}

/** Runs tests in QuickJS; a property is tried `numRuns` times at most. */
export async function testInQuickJs(files: readonly string[], numRuns: number): Promise<Tested> {
  return await inQuickJs(testEntry(files, numRuns), (js) => {
    const failures: string[] = [];
    const count = Number(js.evaluate("engine.count()"));
    for (let at = 0; at < count; at++) {
      const told = js.evaluate(`engine.run(${at})`);
      if (told.includes("\n")) failures.push(told);
    }
    return { passed: count - failures.length, failures };
  });
}
