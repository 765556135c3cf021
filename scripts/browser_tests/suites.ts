/**
 * The tests that every engine can run, by the rows of the matrix that they stand in.
 * Knows how they are loaded and told where chance begins; refuses to know what they test.
 * @module
 */
import fc from "fast-check";
import process from "node:process";
import { type RegisteredTest, takeTests } from "./runner.ts";
import type { Row } from "./report.ts";

/** A row that is our own tests, bundled as they are. */
export type Suite = Exclude<Row, "audit of broker" | "audit of client">;

/** All of them. */
export const SUITES: readonly Suite[] = [
  "codec properties",
  "broker simulation",
  "client simulation",
  "transport contract",
  "store contract",
];

const LOADERS: Readonly<Record<Suite, () => Promise<unknown>>> = {
  "codec properties": () => import("./suites/codec.ts"),
  "broker simulation": () => import("./suites/broker_simulation.ts"),
  "client simulation": () => import("./suites/client_simulation.ts"),
  "transport contract": () => import("./suites/transport.ts"),
  "store contract": () => import("./suites/store.ts"),
};

/** Where chance begins, and how long it goes on. */
export interface Chance {
  /** Of fast-check, and the first seed of the Client's simulation. */
  readonly seed: number;
  /** Seeds of the Client's simulation, each with two Servers, and of the broker's, of which there are 40. */
  readonly seeds: number;
}

/** Loads a suite, once in a program: its files register their tests when they are loaded. */
export async function loadSuite(suite: Suite, { seed, seeds }: Chance): Promise<RegisteredTest[]> {
  fc.configureGlobal({ seed });
  process.env["PLUMB_CLIENT_SEED"] = String(seed);
  process.env["PLUMB_CLIENT_SEEDS"] = String(seeds);
  takeTests();
  await LOADERS[suite]();
  const tests = takeTests();
  return suite === "broker simulation" ? tests.slice(0, seeds) : tests;
}

/** What was run, in a few words. */
export function noteOf(suite: Suite, { seed, seeds }: Chance): string {
  switch (suite) {
    case "codec properties":
      return "every property with 100 packets or more";
    case "broker simulation":
      return `${Math.min(seeds, 40)} seeds from 0`;
    case "client simulation":
      return `${seeds} seeds from ${seed}, against our broker and a Server that does whatever it may`;
    case "transport contract":
      return "in memory, in one process, MessagePort";
    case "store contract":
      return "indexedDB" in globalThis ? "broker: memory and IndexedDB; Client: IndexedDB" : "broker: memory";
  }
}
