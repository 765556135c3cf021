/** The digest of effects tells runs apart that differ in anything. @module */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { describe, test } from "node:test";
import { viewOf } from "../codec/publish_view.ts";
import { memoryPair } from "../transport/memory.ts";
import { Effects } from "./effects.ts";
import { digestOf } from "./simulations.ts";

function digest(act: (effects: Effects) => void): string {
  const effects = new Effects();
  act(effects);
  return effects.digest;
}

describe("A digest of effects", () => {
  const runs: readonly ((effects: Effects) => void)[] = [
    () => {},
    (effects) => effects.tell("a"),
    (effects) => effects.tell("b"),
    (effects) => effects.tell("a", undefined),
    (effects) => effects.tell("a", null),
    (effects) => effects.tell("a", "null"),
    (effects) => effects.tell("a", 1),
    (effects) => effects.tell("a", "1"),
    (effects) => effects.tell("a", 1, 2),
    (effects) => effects.tell("a", 2, 1),
    (effects) => effects.tell("a", 12),
    (effects) => effects.tell("a", Uint8Array.of(1, 2)),
    (effects) => effects.tell("a", Uint8Array.of(2, 1)),
    (effects) => effects.tell("a", Uint8Array.of(1), Uint8Array.of(2)),
    (effects) => effects.tell("a", { x: 1, y: [2] }),
    (effects) => effects.tell("a", { x: 1, y: 2 }),
    (effects) => effects.tell("a", { x: { y: 1 } }),
    (effects) => effects.tell("a", new RangeError("1")),
    (effects) => effects.tell("a", viewOf(Uint8Array.of(0x30, 4, 0, 1, 0x74, 0x31), false)),
    (effects) => effects.tell("a", viewOf(Uint8Array.of(0x30, 4, 0, 1, 0x74, 0x32), false)),
    (effects) => {
      effects.tell("a");
      effects.tell("b");
    },
    (effects) => {
      effects.tell("b");
      effects.tell("a");
    },
  ];

  test("is the same for the same, and differs with each value and its place", () => {
    const all = runs.map(digest);
    assertEquals(runs.map(digest), all);
    assertEquals(new Set(all).size, runs.length);
  });

  test("has what an engine does with a transport, and which calls a store gets", () => {
    const { left, right, deliver } = memoryPair();
    const got: string[] = [];
    right.start({ received: (chunk) => void got.push(chunk.join()), drained() {}, closed() {} });
    const effects = new Effects();
    const watched = effects.transport(left);
    watched.start({ received() {}, drained() {}, closed() {} });
    assertEquals(watched.write(Uint8Array.of(1, 2)), 2);
    const before = effects.digest;
    watched.pause();
    watched.resume();
    watched.close();
    assertEquals(effects.count, 5);
    assertNotEquals(effects.digest, before);
    deliver();
    assertEquals(got, ["1,2"]);
    const store = new class {
      readonly #kept: number[] = [];
      put(key: number): number {
        return this.#kept.push(key);
      }
    }();
    assertEquals(effects.calls(store).put(7), 1);
    assertEquals(effects.count, 6);
  });

  test("of a simulation is that of its seed", () => {
    const [first, again, other] = [digestOf("client", 1), digestOf("client", 1), digestOf("client", 2)];
    assertEquals(first, again);
    assertNotEquals(first, other);
    const lines: string[] = [];
    assertEquals(digestOf("client", 1, (line) => lines.push(line)), first);
    assert(lines.at(-1)!.startsWith(first));
  });
});
