/**
 * Attacks on a broker that is closed to strangers, on the runtime that the test runs on: after each the healthy go on, nobody has come
 * in, nobody has seen what is not theirs, and memory is bounded. Nothing here depends on how long something takes.
 * @module
 */
import { after, before, describe, test } from "node:test";
import { patient } from "../../../src/testing/patience.ts";
import { OWN_RUNTIME } from "../../lib/broker_process.ts";
import { attack, CASES, STRANGERS_MAX } from "./attack.ts";
import { Scene } from "./scene.ts";

/** What none of these holds for good, and what garbage a busy runtime has at most beside it, MiB. */
const GROWTH_MIB = 250;

describe("a broker that is closed to strangers", () => {
  let scene: Scene | undefined;
  before(async () => scene = await Scene.start(OWN_RUNTIME, STRANGERS_MAX.ci));
  after(() => scene?.close());

  for (const one of CASES) {
    const [count] = one.counts;
    test(`stays so: ${count} ${one.title}`, patient, async () => {
      const { roundTrips, worstMs, rssMib, text } = await attack(scene!, one, count, GROWTH_MIB);
      const memory = rssMib && `; ${rssMib.before} MiB, at most ${rssMib.peak}, after it ${rssMib.after}`;
      console.log(
        `${one.id}: ${roundTrips} round trips, at most ${worstMs.toFixed(0)} ms${memory ?? ""}; ${text}`,
      );
    });
  }
});
