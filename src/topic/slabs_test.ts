/** Runs of bytes in slabs: they stay what they are, and holes do not grow without end. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { Slabs } from "./slabs.ts";

/** Slabs whose runs belong to numbers and say so: each is filled with a byte of its owner's. */
class Scene {
  readonly places: Map<number, number> = new Map();
  readonly slabs: Slabs = new Slabs((owner, place) => this.places.set(owner, place));
  /** Bytes of all runs. */
  bytes = 0;

  add(owner: number, length: number): void {
    this.places.set(owner, this.slabs.add(owner, length));
    this.#fill(owner);
    this.bytes += length;
  }

  #fill(owner: number): void {
    const place = this.places.get(owner)!;
    const start = this.slabs.start(place);
    this.slabs.bytes(place).fill(owner & 255, start, start + this.slabs.length(place));
  }

  remove(owner: number): void {
    const place = this.places.get(owner)!;
    this.bytes -= this.slabs.length(place);
    this.places.delete(owner);
    this.slabs.remove(place);
  }

  resize(owner: number, length: number): void {
    const place = this.places.get(owner)!;
    const before = this.slabs.length(place);
    if (!this.slabs.resize(place, length)) {
      this.remove(owner);
      return this.add(owner, length);
    }
    this.bytes += length - before;
    this.#fill(owner);
  }

  assertWhole(lengths: ReadonlyMap<number, number>): void {
    assertEquals([...this.places.keys()].sort(), [...lengths.keys()].sort());
    for (const [owner, place] of this.places) {
      const start = this.slabs.start(place);
      assertEquals(this.slabs.length(place), lengths.get(owner));
      const run = this.slabs.bytes(place).subarray(start, start + this.slabs.length(place));
      assertEquals(run.every((byte) => byte === (owner & 255)), true, `run of ${owner}`);
    }
  }
}

const SLAB_BYTES = 65_536;
const length = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 300 }) },
  { weight: 2, arbitrary: fc.nat({ max: 16_400 }) },
  { weight: 1, arbitrary: fc.nat({ max: 200_000 }) },
);

describe("Slabs", () => {
  test("every run keeps its bytes, whatever others do", () => {
    const step = fc.record({ owner: fc.nat({ max: 60 }), length, remove: fc.boolean() });
    fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 300 }), (steps) => {
      const scene = new Scene();
      const lengths = new Map<number, number>();
      for (const { owner, length, remove } of steps) {
        if (!lengths.has(owner)) scene.add(owner, length);
        else if (remove) scene.remove(owner);
        else scene.resize(owner, length);
        if (lengths.has(owner) && remove) lengths.delete(owner);
        else lengths.set(owner, length);
      }
      scene.assertWhole(lengths);
    }));
  });

  test("one survivor of each buffer does not hold it back", () => {
    const scene = new Scene();
    const left = new Map<number, number>();
    for (let i = 0; i < 100_000; i++) scene.add(i, 80);
    const full = scene.slabs.capacity;
    for (let i = 0; i < 100_000; i++) {
      if (i % 700 === 0) left.set(i, 80);
      else scene.remove(i);
    }
    assertEquals(full > 8_000_000, true);
    assertEquals(
      scene.slabs.capacity <= 2 * left.size * 88 + 3 * SLAB_BYTES,
      true,
      `${scene.slabs.capacity}`,
    );
    scene.assertWhole(left);
  });

  test("nor does one of a buffer that had more holes than that before it was full", () => {
    const scene = new Scene();
    const left = new Map<number, number>();
    for (let i = 0; i < 100_000; i++) {
      scene.add(i, 80);
      if (i % 10 === 0) left.set(i, 80);
      else scene.remove(i);
    }
    assertEquals(
      scene.slabs.capacity <= 2 * left.size * 88 + 3 * SLAB_BYTES,
      true,
      `${scene.slabs.capacity}`,
    );
    scene.assertWhole(left);
  });

  test("all that is removed is given back, but for two buffers", () => {
    const scene = new Scene();
    for (let i = 0; i < 3_000; i++) scene.add(i, i % 20 === 0 ? 20_000 : 60);
    for (let i = 0; i < 3_000; i++) scene.remove(i);
    assertEquals(scene.slabs.capacity <= 2 * SLAB_BYTES, true, `${scene.slabs.capacity}`);
  });

  test("a million changes of length stay within twice what there is", () => {
    const scene = new Scene();
    const lengths = new Map<number, number>();
    for (let i = 0; i < 5_000; i++) {
      scene.add(i, 40);
      lengths.set(i, 40);
    }
    let seed = 7;
    for (let i = 0; i < 1_000_000; i++) {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      const owner = seed % 5_000;
      const length = 20 + (seed >>> 13) % 90;
      scene.resize(owner, length);
      lengths.set(owner, length);
    }
    const most = 2 * (scene.bytes + 5_000 * 16) + 3 * SLAB_BYTES;
    assertEquals(scene.slabs.capacity <= most, true, `${scene.slabs.capacity} of ${most}`);
    scene.assertWhole(lengths);
  });
});
