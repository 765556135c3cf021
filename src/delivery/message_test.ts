/** §3.3.2.3.3, §4.5 What a message counts for, and how long it still lives. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { FrameKeeper, messageBytes, secondsLeft } from "./message.ts";
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

describe("FrameKeeper", () => {
  test("what is kept stays as it was, whatever its size and whoever came before", () => {
    const keeper = new FrameKeeper();
    const expected: Uint8Array[] = [];
    const kept: PublishView[] = [];
    for (let i = 0; i < 200; i++) {
      const bytes = frame(0x30, utf8(`t/${i}`), new Uint8Array((i * 37) % 700).fill(i));
      const chunk = Uint8Array.of(1, 2, 3, ...bytes, 4);
      const view = new PublishView();
      view.aim(chunk, 3, bytes.length < 130 ? 5 : 6, chunk.length - 1, false);
      kept.push(keeper.keep(view));
      expected.push(bytes);
      chunk.fill(0xff);
    }
    for (const [i, { bytes, at, end, topicAt, topicEnd, payloadAt }] of kept.entries()) {
      assertEquals(bytes.slice(at, end), expected[i]);
      assertEquals(new TextDecoder().decode(bytes.subarray(topicAt, topicEnd)), `t/${i}`);
      assertEquals(end - payloadAt, (i * 37) % 700);
    }
  });

  test("one small frame holds back no more bytes than a message is counted for", () => {
    const keeper = new FrameKeeper();
    const bytes = frame(0x30, utf8("a"), [1]);
    const view = new PublishView();
    view.aim(bytes, 0, 2, bytes.length, false);
    const kept = keeper.keep(view);
    assertEquals(kept.bytes.buffer.byteLength <= messageBytes({ view: kept }), true);
  });
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
