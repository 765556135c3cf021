/** A set of Packet Identifiers against the one of the language. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { test } from "node:test";
import { IdentifierSet } from "./identifier_set.ts";

test("[MQTT-4.3.3-12] an identifier is there from the first add() to delete(), whatever is done with others", () => {
  const id = fc.oneof(fc.constantFrom(1, 2, 7, 8, 9, 65_534, 65_535), fc.integer({ min: 1, max: 65_535 }));
  fc.assert(fc.property(fc.array(fc.tuple(fc.boolean(), id)), (steps) => {
    const set = new IdentifierSet();
    const model = new Set<number>();
    for (const [isAdded, one] of steps) {
      if (isAdded) {
        set.add(one);
        model.add(one);
      } else {
        set.delete(one);
        model.delete(one);
      }
      assertEquals([set.size, set.has(one), set.has(one ^ 1)], [model.size, isAdded, model.has(one ^ 1)]);
    }
    assertEquals(set.all(), [...model].sort((a, b) => a - b));
  }));
});
