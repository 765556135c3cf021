/** A few power cuts on the runtime that runs this: at `fsync` nothing is lost, and at `os` the loss is seen. @module */
import { assert, assertEquals } from "@std/assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { STORE_FILE } from "../../../src/store/mod.ts";
import { Dice } from "../soak/dice.ts";
import { Disk } from "./disk.ts";
import { Recording } from "./recording.ts";
import { whatIsMissing } from "./strace.ts";
import { type CutTally, MEMORY, runTrial, type TrialOptions } from "./trial.ts";
import { TEST_MS } from "../../../src/testing/patience.ts";

const missing = whatIsMissing();
/** The gate's machine has strace: there nothing may be skipped. */
const required = process.env["PLUMB_REQUIRE_STRACE"] === "1";
const patient = { ...(missing !== undefined && { skip: missing }), timeout: TEST_MS };
if (missing !== undefined) console.log(`Nothing is recorded, and no power is cut: ${missing}`);

/** Gives `body` a folder, and fails if it says that something was wrong. */
async function inFolder<T>(body: (folder: string, wrong: (text: string) => void) => Promise<T>): Promise<T> {
  const all: string[] = [];
  const folder = mkdtempSync(join(MEMORY ?? tmpdir(), "plumb-powercut-test-"));
  try {
    return await body(folder, (text) => all.push(text));
  } finally {
    rmSync(folder, { recursive: true });
    assertEquals(all, []);
  }
}

function cut(options: Pick<TrialOptions, "cuts" | "cutsEach" | "durability" | "enough">): Promise<CutTally> {
  return inFolder((folder, wrong) =>
    runTrial({ runtime: OWN_RUNTIME, seed: 7, lives: 2, folder, problemsMax: 1, wrong, ...options })
  );
}

test("strace can record here", { skip: missing !== undefined && !required }, () => {
  assertEquals(missing, undefined, "PLUMB_REQUIRE_STRACE=1 asks for it");
});

describe("a power cut", () => {
  test("leaves the data directory that a broker made before it listened", patient, async () => {
    await inFolder(async (folder, wrong) => {
      const options = {
        runtime: OWN_RUNTIME,
        seed: 7,
        durability: "fsync",
        folder,
        lives: 1,
        wrong,
      } as const;
      const { timeline } = (await Recording.make(options))!;
      const disk = new Disk();
      for (const op of timeline.ops) if (op.at < timeline.lives[0]!.listeningAt) disk.apply(op);
      assert(disk.afterCut("nothing", new Dice(7)).has(`data/${STORE_FILE}`));
    });
  });
  test("takes nothing that a broker at fsync acknowledged", patient, async () => {
    const tally = await cut({ cuts: 6, cutsEach: 6, durability: "fsync" });
    assertEquals([tally.cuts, tally.lost, tally.doubled], [6, 0, 0]);
  });
  test("takes something of a broker at os, and this is seen", patient, async () => {
    const tally = await cut({ cuts: 100, durability: "os", enough: ({ lossyCuts }) => lossyCuts > 0 });
    assert(tally.lossyCuts > 0, JSON.stringify(tally));
  });
});
