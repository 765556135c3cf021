/** A few real deaths on the runtime that runs this: a store that keeps its word passes, and one that does not is caught. @module */
import { assert, assertEquals } from "@std/assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { type MatrixOptions, runMatrix, type Tally } from "./matrix.ts";
import { patient } from "../../../src/testing/patience.ts";

/** Runs a matrix; gives what was wrong besides. */
async function crash(
  options: Omit<MatrixOptions, "runtime" | "seed" | "wrong">,
): Promise<{ tally: Tally; wrong: string[] }> {
  const wrong: string[] = [];
  const folder = mkdtempSync(join(tmpdir(), "plumb-crash-test-"));
  try {
    const tally = await runMatrix({
      runtime: OWN_RUNTIME,
      seed: 7,
      folder,
      failuresMax: 1,
      wrong: (text) => wrong.push(text),
      ...options,
    });
    return { tally, wrong };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function assertFound(wrong: readonly string[], text: string): void {
  assert(wrong.some((one) => one.includes(text)), wrong.join("\n") || "Nothing was wrong");
}

describe("a broker that is killed", () => {
  test("loses and doubles nothing", patient, async () => {
    for (let [acknowledged, deliveredQos2] = [0, 0]; acknowledged < 20 || deliveredQos2 < 20;) {
      const { tally, wrong } = await crash({ rounds: 6, kinds: ["time", "operation"] });
      assertEquals(wrong, []);
      assertEquals(tally.kills, 6);
      acknowledged += tally.acknowledged; // a life is short, and a busy machine does little in it
      deliveredQos2 += tally.deliveredQos2;
    }
  });
  test("is caught if it keeps everything in memory", patient, async () => {
    const { wrong } = await crash({ rounds: 150, kinds: ["time"], memory: true });
    assertFound(wrong, "Session Present is 0, but its session was acknowledged");
  });
  test("is caught if it forgets a single kind of fact", patient, async () => {
    const { wrong } = await crash({
      rounds: 150,
      kinds: ["time"],
      forget: "INSERT OR REPLACE INTO retained",
    });
    assertFound(wrong, "as its retained message");
  });
});
