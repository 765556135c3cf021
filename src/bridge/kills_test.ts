/** A bridge that is cut and killed anywhere: at any chunk of either link, under virtual time. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { QoS } from "../codec/packet.ts";
import { BridgeScene } from "../testing/bridge_scene.ts";
import { patient } from "../testing/patience.ts";

const MESSAGES = 60;

interface Plan {
  readonly seed: number;
  readonly level: 5 | 4;
  readonly qos: QoS;
  readonly isKept: boolean;
}

/** Messages both ways while links are cut and, with a store, the process of the bridge is killed; what has come. */
async function trial(
  { seed, level, qos, isKept }: Plan,
): Promise<{ here: number[]; there: number[]; faults: number }> {
  const numbers = { messagesMax: 1 + seed % 9, receiveMaximum: 1 + seed % 7 };
  const all = new BridgeScene(
    { topics: [{ filter: "#", direction: "both", qos: 2 }], level, numbers, state: "off" },
    { seed, isKept, here: { limits: { inFlightMax: 3 + seed % 5 } } },
  );
  const { random } = all;
  await all.start();
  await all.loop.advance(1_000);
  const [here, there] = [await all.texts(all.here, "in"), await all.texts(all.there, "out")];
  let faults = 0;
  let fuse = 1 + random() % 40;
  let isKilled = false;
  all.onStep = (link) => {
    if (--fuse > 0) return;
    fuse = 1 + random() % 60;
    faults++;
    // After the step, not in the midst of it: a killed process runs nothing more.
    if (isKept && random() % 2 === 0) {
      isKilled = true;
      all.kill();
    } else all.cut(link);
  };
  for (let i = 0; i < MESSAGES; i++) {
    all.here.publish({ topic: "out", payload: `${i}`, qos });
    all.there.publish({ topic: "in", payload: `${i}`, qos });
    if (random() % 4 === 0) await all.loop.advance(random() % 300);
    if (isKilled) {
      isKilled = false;
      await all.start();
    }
  }
  all.onStep = () => {};
  if (isKilled) await all.start();
  await all.loop.advance(300_000);
  const numbersOf = (texts: readonly string[]) => texts.map((text) => Number(text.split("=")[1]));
  const outcome = { here: numbersOf(here), there: numbersOf(there), faults };
  await all.close();
  return outcome;
}

const WANTED = Array.from({ length: MESSAGES }, (_, i) => i);

describe("a bridge that is cut and killed anywhere", () => {
  for (const level of [5, 4] as const) {
    test(`at level ${level} carries each QoS 2 message once, and all in order`, patient, async () => {
      let faults = 0;
      for (let seed = 1; seed <= 60; seed++) {
        const { here, there, faults: some } = await trial({ seed, level, qos: 2, isKept: true });
        faults += some;
        assertEquals([here, there], [WANTED, WANTED], `seed ${seed}`);
      }
      assertEquals(faults > 300, true, `${faults} faults`);
    });

    test(`at level ${level} does so without a store while its process lives`, patient, async () => {
      for (let seed = 1; seed <= 30; seed++) {
        const { here, there } = await trial({ seed, level, qos: 2, isKept: false });
        assertEquals([here, there], [WANTED, WANTED], `seed ${seed}`);
      }
    });

    test(`at level ${level} loses no QoS 1 message, with a store and without`, patient, async () => {
      for (let seed = 1; seed <= 60; seed++) {
        const { here, there } = await trial({ seed, level, qos: 1, isKept: seed % 2 === 0 });
        const firsts = (numbers: readonly number[]) => [...new Set(numbers)];
        assertEquals([firsts(here), firsts(there)], [WANTED, WANTED], `seed ${seed}`);
      }
    });
  }
});
