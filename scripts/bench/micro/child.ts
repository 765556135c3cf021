/**
 * Measures the cases it is told to, on the runtime it runs on; one JSON a line.
 * Knows the cases; refuses to know what is made of the figures. Run by `main.ts`.
 * @module
 */
import process from "node:process";
import { BATCH_CASES } from "./batch_cases.ts";
import type { MicroCase } from "./bench.ts";
import { CODEC_CASES } from "./codec_cases.ts";
import { EXCHANGE_CASES } from "./exchange_cases.ts";
import { FAN_OUT_CASES } from "./fan_out_cases.ts";
import { EFFORT, type Figures, measure } from "./measure.ts";
import { SESSION_CASES } from "./session_cases.ts";
import { TOPIC_CASES } from "./topic_cases.ts";

/** What a child writes. */
export type MicroLine =
  | ({ readonly name: string } & Figures)
  | { readonly name: string; readonly wrong: string };

/** Every case, in the order of the tables. */
export const CASES: readonly MicroCase[] = [
  ...CODEC_CASES,
  ...BATCH_CASES,
  ...FAN_OUT_CASES,
  ...EXCHANGE_CASES,
  ...SESSION_CASES,
  ...TOPIC_CASES, // last: a large tree makes every collection of garbage slow
];

if (import.meta.main) {
  const only = process.argv[2] ?? "";
  for (const { name, make, base } of CASES) {
    if (!name.includes(only)) continue;
    let line: MicroLine;
    try {
      line = { name, ...measure(make(), EFFORT, base?.()) };
    } catch (error) {
      line = { name, wrong: error instanceof Error ? error.stack ?? error.message : String(error) };
    }
    process.stdout.write(JSON.stringify(line) + "\n");
  }
}
