/** One Client, from its first connection to its end, against our broker under virtual time. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { Reader, World } from "../testing/client_world.ts";
import { isFinal } from "./engine.ts";
import { ConnectionError, RefusedError } from "./error.ts";

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

test("isFinal() gives up where another attempt changes nothing: the first CONNACK, and a session that was taken over", () => {
  const finalOf = (packet: string, wasConnected: boolean) =>
    Array.from({ length: 256 }, (_, code) => code).filter((code) =>
      isFinal(new RefusedError(packet, code), wasConnected)
    );
  // §3.2.2.3 of MQTT 3.1.1 has codes to 5, §3.2.2.2 of 5.0 those from 0x80 on.
  const codes = [1, 2, 4, 5, 0x84, 0x85, 0x86, 0x87, 0x8a, 0x8c, 0x90, 0x95, 0x99, 0x9a, 0x9b];
  assertEquals(finalOf("CONNACK", false), codes);
  assertEquals(finalOf("CONNACK", true), []);
  assertEquals(finalOf("DISCONNECT", false), [0x8e]);
  assertEquals(finalOf("DISCONNECT", true), [0x8e]);
  assertEquals(isFinal(new ConnectionError("refused"), false), false);
});
