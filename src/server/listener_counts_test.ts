/** The connections of each listener. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { ListenerCounts } from "./listener_counts.ts";

describe("the connections of listeners", () => {
  test("are counted by URL, and a listener that is closed goes with its last one", () => {
    const counts = new ListenerCounts();
    counts.listen(["mqtt://a:1", "ws://a:2"]);
    const over = counts.accepted("mqtt://a:1");
    counts.accepted("mqtt://a:1")();
    assertEquals(counts.stats, [
      { url: "mqtt://a:1", connections: 1, accepted: 2 },
      { url: "ws://a:2", connections: 0, accepted: 0 },
    ]);
    counts.listen(["mqtts://a:3"]);
    assertEquals(counts.stats.map(({ url }) => url), ["mqtt://a:1", "mqtts://a:3"]);
    over();
    counts.listen(["mqtts://a:3"]);
    assertEquals(counts.stats.map(({ url }) => url), ["mqtts://a:3"]);
  });
});
