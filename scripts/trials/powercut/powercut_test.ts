/** A few power cuts on the runtime that runs this: at `fsync` nothing is lost, and at `os` the loss is seen. @module */
import { assert, assertEquals } from "@std/assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { whatIsMissing } from "./strace.ts";
import { type CutTally, runTrial, type TrialOptions } from "./trial.ts";

const missing = whatIsMissing();
/** The gate's machine has strace: there nothing may be skipped. */
const required = process.env["PLUMB_REQUIRE_STRACE"] === "1";
/** A busy machine needs this long. */
const patient = { ...(missing !== undefined && { skip: missing }), timeout: 240_000 };
if (missing !== undefined) console.log(`Nothing is recorded, and no power is cut: ${missing}`);

async function cut(
  options: Omit<TrialOptions, "runtime" | "seed" | "wrong" | "folder">,
): Promise<{ tally: CutTally; wrong: string[] }> {
  const wrong: string[] = [];
  const folder = mkdtempSync(join(tmpdir(), "plumb-powercut-test-"));
  try {
    const tally = await runTrial({
      runtime: OWN_RUNTIME,
      seed: 7,
      folder,
      problemsMax: 1,
      wrong: (text) => wrong.push(text),
      ...options,
    });
    return { tally, wrong };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("strace can record here", { skip: missing !== undefined && !required }, () => {
  assertEquals(missing, undefined, "PLUMB_REQUIRE_STRACE=1 asks for it");
});

describe("a power cut", () => {
  test("takes nothing that a broker at fsync acknowledged", patient, async () => {
    const { tally, wrong } = await cut({ cuts: 8, cutsEach: 8, durability: "fsync" });
    assertEquals(wrong, []);
    assertEquals([tally.cuts, tally.lost, tally.doubled], [8, 0, 0]);
  });
  test("takes something of a broker at os, and this is seen", patient, async () => {
    const { tally, wrong } = await cut({
      cuts: 100,
      durability: "os",
      enough: ({ lossyCuts }) => lossyCuts > 0,
    });
    assertEquals(wrong, []);
    assert(tally.lossyCuts > 0, JSON.stringify(tally));
  });
});
