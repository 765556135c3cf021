/**
 * What every transport must do: one suite, many subjects (a pair in memory, TCP on each runtime).
 * Knows the interface; refuses to know how the bytes travel.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import type { Transport, TransportHandler } from "../transport/transport.ts";
import { until } from "./patience.ts";

/** Two joined transports under test. */
export interface Joined {
  readonly left: Transport;
  readonly right: Transport;
  /** Lets things happen until `condition` holds; fails with `what` when it never does. */
  until(condition: () => boolean, what: string): Promise<void>;
  /** Closes what is still open. */
  done(): Promise<void>;
}

/** A handler that writes down what it is told. */
export class Recorder implements TransportHandler {
  readonly chunks: Uint8Array[] = [];
  length = 0;
  drains = 0;
  readonly closes: (Error | undefined)[] = [];
  /** What was told from inside a call to the transport, which must not happen. */
  readonly intrusions: string[] = [];
  #inside = 0;
  onReceived: (chunk: Uint8Array) => void = () => {};
  onDrained: () => void = () => {};

  readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
    transport.start(this);
  }

  received(chunk: Uint8Array): void {
    this.#note("received");
    this.chunks.push(chunk.slice());
    this.length += chunk.length;
    this.onReceived(chunk);
  }

  drained(): void {
    this.#note("drained");
    this.drains++;
    this.onDrained();
  }

  closed(error?: Error): void {
    this.#note("closed");
    this.closes.push(error);
  }

  /** Calls the transport, watching that it does not call back. */
  call<T>(action: (transport: Transport) => T): T {
    this.#inside++;
    try {
      return action(this.transport);
    } finally {
      this.#inside--;
    }
  }

  get bytes(): Uint8Array {
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const chunk of this.chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  #note(what: string): void {
    if (this.#inside > 0) this.intrusions.push(what);
    if (this.closes.length > 0) this.intrusions.push(`${what} after closed`);
  }
}

/** Bytes from which one can tell where a piece was lost, doubled or moved. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Writes all of `bytes` in pieces of `pieceBytes`, waiting for `drained()` as it must. */
export function pump(
  recorder: Recorder,
  bytes: Uint8Array,
  pieceBytes: (at: number) => number,
  then?: () => void,
): void {
  let at = 0;
  let piece = new Uint8Array();
  const go = () => {
    while (at < bytes.length) {
      if (piece.length === 0) piece = bytes.slice(at, at + Math.max(1, pieceBytes(at)));
      const taken = recorder.call((transport) => transport.write(piece));
      // What was taken is ours again: what we do with it now must not be seen by the peer.
      piece.fill(0, 0, taken);
      at += taken;
      piece = piece.subarray(taken);
      if (piece.length > 0) return;
    }
    recorder.onDrained = () => {};
    then?.();
  };
  recorder.onDrained = go;
  go();
}

/** No queue between two transports may grow beyond this while the reader sleeps: kernel buffers and our own. */
const TAKEN_BYTES_MAX = 64 * 1024 * 1024;

/** The suite for a pair that is made at once, whose bytes move without its help. */
export function pairContract(name: string, make: () => readonly [Transport, Transport]): void {
  transportContract(name, () => {
    const [left, right] = make();
    return Promise.resolve({
      left,
      right,
      until,
      done(): Promise<void> {
        left.abort();
        right.abort();
        return Promise.resolve();
      },
    });
  });
}

/** The suite. */
export function transportContract(name: string, open: () => Promise<Joined>): void {
  async function joined(
    body: (left: Recorder, right: Recorder, join: Joined) => Promise<void>,
  ): Promise<void> {
    const join = await open();
    const left = new Recorder(join.left);
    const right = new Recorder(join.right);
    try {
      await body(left, right, join);
      assertEquals(
        [...left.intrusions, ...right.intrusions],
        [],
        "a transport called back at a wrong moment",
      );
    } finally {
      await join.done();
    }
  }

  describe(`Transport: ${name}`, () => {
    test("bytes arrive once and in order, however they are cut, both ways at once", () =>
      joined(async (left, right, { until }) => {
        const there = pattern(3_000_000, 1);
        const back = pattern(2_000_000, 2);
        pump(left, there, (at) => 1 + (at * 7919) % 300_000);
        pump(right, back, (at) => 1 + (at * 104_729) % 70_000);
        await until(() => right.length >= there.length && left.length >= back.length, "all bytes arrive");
        assert(equal(right.bytes, there), "left to right");
        assert(equal(left.bytes, back), "right to left");
      }));

    test("many small writes arrive once and in order", () =>
      joined(async (left, right, { until }) => {
        const bytes = pattern(20_000);
        pump(left, bytes, (at) => 1 + at % 23);
        await until(() => right.length >= bytes.length, "all bytes arrive");
        assert(equal(right.bytes, bytes));
      }));

    test("a reader that pauses makes write() short, and drained() comes when it reads again", () =>
      joined(async (left, right, { until }) => {
        right.call((transport) => transport.pause());
        const piece = pattern(256 * 1024);
        let taken = 0;
        let short = 0;
        left.onDrained = () => short = 0;
        // A short write may be followed by drained() until the kernel's buffers are full too.
        await until(() => {
          while (short === 0 && taken <= TAKEN_BYTES_MAX) {
            const rest = piece.subarray(taken % piece.length);
            const count = left.call((transport) => transport.write(rest));
            taken += count;
            if (count < rest.length) short = 1;
          }
          return short++ > 200;
        }, "write() stays short");
        assert(taken <= TAKEN_BYTES_MAX, "no end of what write() takes");
        const drains = left.drains;
        right.call((transport) => transport.resume());
        await until(
          () => right.length === taken && left.drains > drains,
          "all bytes arrive and drained() is called",
        );
        const expected = new Uint8Array(taken);
        for (let at = 0; at < taken; at += piece.length) expected.set(piece.subarray(0, taken - at), at);
        assert(equal(right.bytes, expected));
      }));

    test("what write() did not take is forgotten: other bytes may follow, and fewer", () =>
      joined(async (left, right, { until }) => {
        right.call((transport) => transport.pause());
        const first = new Uint8Array(1024 * 1024).fill(1);
        let taken = 0;
        let short = 0;
        left.onDrained = () => short = 0;
        await until(() => {
          while (short === 0 && taken <= TAKEN_BYTES_MAX) {
            const count = left.call((transport) => transport.write(first));
            taken += count;
            if (count < first.length) short = 1;
          }
          return short++ > 200;
        }, "write() stays short");
        let drained = false;
        left.onDrained = () => drained = true;
        right.call((transport) => transport.resume());
        await until(() => drained, "drained() is called");
        const other = new Uint8Array(100).fill(2);
        pump(left, other, () => other.length);
        await until(() => right.length >= taken + other.length, "all bytes arrive");
        const { bytes } = right;
        assertEquals(bytes.length, taken + other.length);
        assert(bytes.every((byte, i) => byte === (i < taken ? 1 : 2)), "nothing comes that was not taken");
      }));

    test("close() ends both halves: closed() once on each side, without error, and write() takes nothing more", () =>
      joined(async (left, right, { until }) => {
        left.call((transport) => transport.write(utf8("last words")));
        left.call((transport) => transport.close());
        assertEquals(left.call((transport) => transport.write(utf8("too late"))), 0);
        await until(() => left.closes.length > 0 && right.closes.length > 0, "both sides end");
        assertEquals(left.closes, [undefined]);
        assertEquals(right.closes, [undefined]);
        assertEquals(right.text, "last words");
        for (const side of [left, right]) {
          side.call((transport) => {
            transport.close();
            transport.abort();
            transport.pause();
            transport.resume();
            assertEquals(transport.write(utf8("too late")), 0);
          });
        }
        await turns(5, until);
        assertEquals([left.closes.length, right.closes.length], [1, 1]);
      }));

    test("close() delivers our last bytes though much of what the peer sent is still unread", () =>
      joined(async (left, right, { until }) => {
        left.call((transport) => transport.pause());
        pump(right, pattern(1_000_000), () => 50_000);
        await turns(20, until);
        const seen = left.length;
        const last = pattern(100_000, 3);
        pump(left, last, () => last.length, () => left.call((transport) => transport.close()));
        await until(() => left.closes.length > 0 && right.closes.length > 0, "both sides end");
        assert(equal(right.bytes, last), "the peer reads all of it");
        assertEquals([...left.closes, ...right.closes], [undefined, undefined]);
        assert(left.length >= seen && left.length < 1_000_000, "nothing is received after close()");
      }));

    test("after close() what arrives is thrown away", () =>
      joined(async (left, right, { until }) => {
        left.call((transport) => transport.close());
        right.call((transport) => transport.write(pattern(1000)));
        await until(() => left.closes.length > 0 && right.closes.length > 0, "both sides end");
        assertEquals(left.length, 0);
      }));

    test("both sides may close at the same time", () =>
      joined(async (left, right, { until }) => {
        left.call((transport) => transport.close());
        right.call((transport) => transport.close());
        await until(() => left.closes.length > 0 && right.closes.length > 0, "both sides end");
        assertEquals([...left.closes, ...right.closes], [undefined, undefined]);
      }));

    test("abort() ends both sides at once, with no error on ours, and not from inside the call", () =>
      joined(async (left, right, { until }) => {
        left.call((transport) => transport.abort());
        assertEquals(left.closes.length, 0);
        assertEquals(left.call((transport) => transport.write(utf8("too late"))), 0);
        await until(() => left.closes.length > 0 && right.closes.length > 0, "both sides end");
        assertEquals(left.closes, [undefined]);
        assertEquals(right.closes.length, 1);
      }));

    test("abort() ends a connection whose peer reads nothing", () =>
      joined(async (left, right, { until }) => {
        right.call((transport) => transport.pause());
        const piece = pattern(1024 * 1024);
        for (let i = 0; i < 16; i++) {
          if (left.call((transport) => transport.write(piece)) < piece.length) break;
        }
        left.call((transport) => transport.abort());
        await until(() => left.closes.length > 0, "our side ends");
        right.call((transport) => transport.resume());
        await until(() => right.closes.length > 0, "their side ends");
      }));

    test("abort() after close() does not wait for the peer", () =>
      joined(async (left, right, { until }) => {
        right.call((transport) => transport.pause());
        left.call((transport) => transport.close());
        left.call((transport) => transport.abort());
        await until(() => left.closes.length > 0, "our side ends");
        assertEquals(left.closes, [undefined]);
        right.call((transport) => transport.resume());
        await until(() => right.closes.length > 0, "their side ends");
      }));

    test("from inside received() one may write, pause, close and abort", () =>
      joined(async (left, right, { until }) => {
        right.onReceived = (chunk) =>
          right.call((transport) => {
            transport.pause();
            transport.write(chunk);
            transport.resume();
            transport.close();
          });
        left.onReceived = () => left.call((transport) => transport.abort());
        left.call((transport) => transport.write(utf8("ping")));
        await until(() => left.closes.length > 0 && right.closes.length > 0, "both sides end");
        assertEquals(left.text, "ping");
        assertEquals(left.closes, [undefined]);
      }));

    test("a paused transport receives no more soon, and the rest after resume()", () =>
      joined(async (left, right, { until }) => {
        const bytes = pattern(600_000);
        right.onReceived = () => right.call((transport) => transport.pause());
        pump(left, bytes, () => 1000);
        await until(() => right.length > 0, "something arrives");
        await turns(50, until);
        const seen = right.length;
        assert(seen < bytes.length, `${seen} bytes came though it was paused`);
        right.onReceived = () => {};
        right.call((transport) => transport.resume());
        await until(() => right.length >= bytes.length, "the rest arrives");
        assert(equal(right.bytes, bytes));
      }));
  });
}

/** UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

/** Lets the world turn a few times, for what must not happen. */
async function turns(count: number, until: Joined["until"]): Promise<void> {
  let turned = 0;
  await until(() => turned++ >= count, "time goes on");
}
