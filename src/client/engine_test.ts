/** One Client, from its first connection to its end, against our broker under virtual time. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { Reader, World } from "../testing/client_world.ts";

describe("a Client", () => {
  for (const level of [5, 4, 3] as const) {
    test(`publishes and receives at every QoS at level ${level}`, () => {
      const world = new World(undefined, { engine: { level } }).start();
      assertEquals(world.connects.map((one) => [one.level, one.sessionPresent]), [[level, false]]);
      const reader = new Reader();
      const subscribed = world.subscribe("a/+", reader);
      world.settle();
      assertEquals([subscribed.times, subscribed.code], [1, 2]);
      const outcomes = ([0, 1, 2] as const).map((qos) =>
        world.publish({ topic: "a/b", payload: `m${qos}`, qos })
      );
      world.settle();
      assertEquals(outcomes.map(({ times, code }) => [times, code]), [[1, 0], [1, 0], [1, 0]]);
      assertEquals(reader.texts, ["m0", "m1", "m2"]);
      assert(world.engine.outbound.isIdle);
      world.engine.close(world.now, 1_000);
      world.settle();
      assertEquals(world.closedWith, { error: undefined });
      assertEquals(world.server.broker.stats.connected, 0);
    });
  }
});
