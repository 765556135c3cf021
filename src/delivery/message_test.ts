/** §3.3.2.3.3, §4.5 What a message counts for, and how long it still lives. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { messageBytes, secondsLeft } from "./message.ts";
import { PublishView } from "../codec/publish_view.ts";
import { frame, utf8 } from "../testing/frame.ts";

describe("secondsLeft()", () => {
  test("[MQTT-3.3.2-6] the interval less the whole seconds that have passed", () => {
    const left = [0, 1, 999, 1000, 1001, 9000, 9999, 10_000].map((waited) => secondsLeft(10_000, waited));
    assertEquals(left, [10, 10, 10, 9, 9, 1, 1, 0]);
  });

  test("[MQTT-3.3.2-6] never below 0, nor above the interval", () => {
    const any = fc.nat({ max: 0xffff_ffff });
    fc.assert(fc.property(any, any, any, (from, interval, waitedMs) => {
      const left = secondsLeft(from + interval * 1000, from + waitedMs);
      assertEquals(left, Math.max(0, interval - Math.floor(waitedMs / 1000)));
    }));
  });

  test("a message that does not expire has none", () => assertEquals(secondsLeft(Infinity, 5), 0));
});

describe("messageBytes()", () => {
  test("a message counts for its frame and something more", () => {
    const of = (payload: number) => {
      const bytes = frame(0x30, utf8("a"), new Uint8Array(payload));
      const view = new PublishView();
      view.aim(bytes, 0, bytes.length < 130 ? 2 : 3, bytes.length, false);
      return messageBytes({ view });
    };
    assertEquals(of(1000) - of(900), 100);
    assertEquals(of(0) > 5, true);
  });
});
