/**
 * §4.2 A transport that is used before its connection is there does what every transport does.
 * @module
 */
import { assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { describe, test } from "node:test";
import { until } from "../testing/patience.ts";
import { pattern, Recorder, transportContract, utf8 } from "../testing/transport_contract.ts";
import { KEPT_BYTES_MAX, LateTransport } from "./late.ts";
import { memoryPair } from "../transport/memory.ts";
import type { Transport } from "../transport/transport.ts";

/** A pair whose left end is opened by hand, or after so many turns. */
function latePair(turns?: number) {
  const pair = memoryPair({ capacityBytes: 128 * 1024 });
  let open = () => {};
  const opening = new Promise<Transport>((resolve) => open = () => resolve(pair.left));
  const left = new LateTransport("late", new Uint8Array(), opening);
  let isOver = false;
  const turn = () => {
    if (isOver) return;
    if (turns !== undefined && turns-- === 0) open();
    pair.deliver();
    setImmediate(turn);
  };
  turn();
  return { left, right: pair.right, open, over: () => void (isOver = true) };
}

for (const turns of [0, 3]) {
  transportContract(`late by ${turns} turns`, () => {
    const { left, right, over } = latePair(turns);
    return Promise.resolve({
      left,
      right,
      until,
      done(): Promise<void> {
        over();
        return Promise.resolve();
      },
    });
  });
}

describe("A late transport", () => {
  test("keeps so many bytes until its connection is there, and no more; then they arrive, and drained() is called", async () => {
    const { left, right, open, over } = latePair();
    const [writer, reader] = [new Recorder(left), new Recorder(right)];
    const bytes = pattern(KEPT_BYTES_MAX + 1000);
    assertEquals(writer.call((transport) => transport.write(bytes)), KEPT_BYTES_MAX);
    assertEquals(writer.call((transport) => transport.write(bytes)), 0);
    open();
    await until(() => writer.drains === 1, "there is room");
    assertEquals(writer.call((transport) => transport.write(bytes.subarray(KEPT_BYTES_MAX))), 1000);
    await until(() => reader.length === bytes.length, "all arrives");
    assertEquals(reader.bytes, bytes);
    over();
  });

  test("says its first words before all that is written", async () => {
    const pair = memoryPair();
    const left = new LateTransport("late", utf8("hello "), Promise.resolve(pair.left));
    const reader = new Recorder(pair.right);
    const writer = new Recorder(left);
    writer.call((transport) => transport.write(utf8("world")));
    writer.call((transport) => transport.close());
    await until(() => (pair.deliver(), writer.closes.length > 0), "it ends");
    assertEquals(reader.text, "hello world");
    assertEquals([...writer.closes, ...reader.closes], [undefined, undefined]);
  });

  test("ends with the reason why there is no connection, also if it is started later", async () => {
    const reason = new Error("nothing listens there");
    const early = new Recorder(new LateTransport("late", new Uint8Array(), Promise.reject(reason)));
    await until(() => early.closes.length > 0, "it ends");
    assertEquals(early.closes, [reason]);
    const transport = new LateTransport("late", new Uint8Array(), Promise.reject(reason));
    await Promise.resolve();
    await Promise.resolve();
    const late = new Recorder(transport);
    await until(() => late.closes.length > 0, "it ends");
    assertEquals(late.closes, [reason]);
  });

  test("aborted before its connection is there, it ends without an error, and the connection too", async () => {
    const { left, right, open, over } = latePair();
    const [writer, reader] = [new Recorder(left), new Recorder(right)];
    writer.call((transport) => transport.abort());
    assertEquals(writer.closes.length, 0);
    await until(() => writer.closes.length > 0, "it ends");
    open();
    await until(() => reader.closes.length > 0, "the other side ends");
    assertEquals(writer.closes, [undefined]);
    over();
  });
});
