/**
 * The pair in memory: the contract of all transports, and what only a pair can promise.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { type Joined, Recorder, transportContract, utf8 } from "../testing/transport_contract.ts";
import { type MemoryOptions, memoryPair } from "./mod.ts";

/** A pair whose time passes while a test waits. */
function joined(options?: MemoryOptions): () => Promise<Joined> {
  return () => {
    const { left, right, step } = memoryPair(options);
    return Promise.resolve({
      left,
      right,
      until(condition: () => boolean, what: string): Promise<void> {
        for (let idle = 0; idle < 1000;) {
          if (condition()) return Promise.resolve();
          idle = step() ? 0 : idle + 1;
        }
        return Promise.reject(new Error(`Nothing more happens, but it never came to this: ${what}`));
      },
      done: () => Promise.resolve(),
    });
  };
}

transportContract("in memory", joined({ capacityBytes: 100_000 }));
transportContract(
  "in memory, cut small",
  joined({ capacityBytes: 5000, chunkBytes: (waiting) => 1 + waiting % 997 }),
);

describe("memoryPair()", () => {
  test("moves nothing by itself", () => {
    const { left, right, step, deliver } = memoryPair();
    const there = new Recorder(right);
    new Recorder(left);
    assertEquals(left.write(utf8("a")), 1);
    assertEquals(left.write(utf8("b")), 1);
    assertEquals(there.text, "");
    assert(step());
    assertEquals(there.text, "a");
    assertEquals(deliver(), 1);
    assertEquals(there.text, "ab");
    assertEquals(step(), false);
  });

  test("deliver() calls the turn before the first step and after each", () => {
    const { left, right, deliver } = memoryPair();
    new Recorder(left);
    new Recorder(right);
    left.write(utf8("a"));
    left.write(utf8("b"));
    let turns = 0;
    assertEquals(deliver(() => turns++), 2);
    assertEquals(turns, 3);
  });

  test("keeps what arrives before start()", () => {
    const { left, right, deliver } = memoryPair();
    left.write(utf8("early"));
    left.close();
    deliver();
    const there = new Recorder(right);
    new Recorder(left);
    deliver();
    assertEquals(there.text, "early");
    assertEquals(there.closes, [undefined]);
  });

  test("an unlimited pair takes every write whole", () => {
    const { left } = memoryPair();
    assertEquals(left.write(new Uint8Array(10_000_000)), 10_000_000);
  });

  test("the chunk is the callee's only during the call", () => {
    const { left, right, deliver } = memoryPair();
    let kept = new Uint8Array();
    right.start({ received: (chunk) => kept = chunk as Uint8Array<ArrayBuffer>, drained() {}, closed() {} });
    left.write(utf8("secret"));
    deliver();
    assertEquals(kept, new Uint8Array(6).fill(0xdd));
  });

  test("abort() loses what is under way and tells the peer of a reset", () => {
    const { left, right, deliver } = memoryPair();
    const [ours, theirs] = [new Recorder(left), new Recorder(right)];
    left.write(utf8("lost"));
    left.abort();
    deliver();
    assertEquals(theirs.text, "");
    assertEquals(theirs.closes.map((error) => error?.message), ["Connection reset by peer"]);
    assertEquals(ours.closes, [undefined]);
  });
});
