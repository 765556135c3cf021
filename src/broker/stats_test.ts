/** What a broker says of itself at one moment. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { Pair } from "../testing/pair.ts";

describe("stats", () => {
  test("count what there is, and what has come and was dropped since the start", () => {
    const pair = new Pair();
    const nothing = {
      received: 0,
      dropped: 0,
      connections: 0,
      connected: 0,
      sessions: 0,
      subscriptions: 0,
      retainedMessages: 0,
      retainedBytes: 0,
    };
    assertEquals(pair.broker.stats, nothing);
    const properties = { sessionExpiryInterval: 60 };
    const away = pair.connect({ clientId: "away", cleanStart: false, properties });
    away.subscribe("a/#", "$share/g/b");
    away.disconnect();
    const one = pair.connect({ clientId: "one" });
    one.subscribe("a/+", "$share/g/b");
    pair.open();
    one.publish({ topic: "r", payload: "kept", retain: true });
    const { retainedBytes, ...counts } = pair.broker.stats;
    assertEquals(counts, {
      received: 1,
      dropped: 0,
      connections: 2,
      connected: 1,
      sessions: 2,
      subscriptions: 3,
      retainedMessages: 1,
    });
    assert(retainedBytes > 4);
    one.publish({ topic: "r", retain: true });
    one.disconnect();
    pair.advance(60_000);
    assertEquals(pair.broker.stats, { ...nothing, received: 2 });
  });
});
