/**
 * §6 WebSocket over the pair in memory: the contract of all transports, cut at every byte, and RFC 6455 frame by frame.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import fc from "fast-check";

import { type Joined, Recorder, transportContract, utf8 } from "../testing/transport_contract.ts";
import type { Rule } from "../codec/error.ts";
import { type MemoryOptions, memoryPair } from "./memory.ts";
import type { Transport } from "./transport.ts";
import { WebSocketTransport } from "./websocket.ts";
import { WebSocketError } from "./websocket_frames.ts";

/** Masking keys that repeat from run to run. */
function keys(seed = 1): () => number {
  let state = seed;
  return () => (state = Math.imul(state, 1664525) + 1013904223 | 0);
}

function joined(options?: MemoryOptions): () => Promise<Joined> {
  return () => {
    const { left, right, step } = memoryPair(options);
    return Promise.resolve({
      left: new WebSocketTransport(left, { key: keys() }),
      right: new WebSocketTransport(right),
      until(condition: () => boolean, what: string): Promise<void> {
        for (let idle = 0; idle < 1000;) {
          if (condition()) return Promise.resolve();
          idle = step() ? 0 : idle + 1;
        }
        return Promise.reject(new Error(`Nothing more happens, but it never came to this: ${what}`));
      },
      done: () => Promise.resolve(),
    });
  };
}

transportContract("WebSocket in memory", joined({ capacityBytes: 100_000 }));
transportContract(
  "WebSocket in memory, cut small",
  joined({ capacityBytes: 5000, chunkBytes: (waiting) => 1 + waiting % 997 }),
);

/** One frame, as a peer that keeps to nothing may send it. */
interface RawFrame {
  readonly opcode: number;
  readonly payload: Uint8Array;
  readonly isFinal?: boolean;
  readonly reserved?: number;
  /** Masked with it; not masked if left out. */
  readonly key?: number;
  /** Bytes of the extended length, in place of the fewest. */
  readonly lengthBytes?: 0 | 2 | 8;
}

/** Written after RFC 6455 §5.2, byte by byte, and by nothing of what is tested. */
function raw({ opcode, payload, isFinal = true, reserved = 0, key, lengthBytes }: RawFrame): number[] {
  const { length } = payload;
  const extended = lengthBytes ?? (length < 126 ? 0 : length < 65_536 ? 2 : 8);
  const short = extended === 0 ? length : extended === 2 ? 126 : 127;
  const long = [...Array(extended).keys()].map((i) =>
    Math.floor(length / 2 ** (8 * (extended - 1 - i))) % 256
  );
  const mask = key === undefined ? [] : [key >>> 24, key >>> 16 & 255, key >>> 8 & 255, key & 255];
  return [
    (isFinal ? 0x80 : 0) | reserved << 4 | opcode,
    (key === undefined ? 0 : 0x80) | short,
    ...long,
    ...mask,
    ...payload.map((byte, i) => key === undefined ? byte : byte ^ mask[i % 4]!),
  ];
}

/** The frames in these bytes, whole ones only. */
function parsed(bytes: Uint8Array): RawFrame[] {
  const frames: RawFrame[] = [];
  for (let at = 0; at < bytes.length;) {
    const short = bytes[at + 1]! & 0x7f;
    const extended = short < 126 ? 0 : short === 126 ? 2 : 8;
    const number = (from: number, count: number) =>
      bytes.subarray(from, from + count).reduce((sum, byte) => sum * 256 + byte, 0);
    const length = extended === 0 ? short : number(at + 2, extended);
    const isMasked = bytes[at + 1]! >= 0x80;
    const begin = at + 2 + extended + (isMasked ? 4 : 0);
    const mask = bytes.subarray(begin - 4, begin);
    const payload = bytes.slice(begin, begin + length).map((byte, i) =>
      isMasked ? byte ^ mask[i % 4]! : byte
    );
    frames.push({
      opcode: bytes[at]! & 0x0f,
      isFinal: bytes[at]! >= 0x80,
      payload,
      ...isMasked && { key: number(begin - 4, 4) },
    });
    at = begin + length;
  }
  return frames;
}

/** A WebSocket and the bare end of the transport below it. */
function scene(options: { role?: "server" | "client"; memory?: MemoryOptions } = {}) {
  const pair = memoryPair(options.memory);
  const socket = new WebSocketTransport(pair.left, options.role === "client" ? { key: keys() } : {});
  const user = new Recorder(socket);
  const peer = new Recorder(pair.right);
  const send = (...frames: RawFrame[]): void => {
    peer.transport.write(Uint8Array.from(frames.flatMap(raw)));
    pair.deliver();
  };
  return { pair, socket, user, peer, send };
}

const KEY = 0x1234_5678;
const data = (payload: string, more: Partial<RawFrame> = {}): RawFrame => ({
  opcode: 2,
  payload: utf8(payload),
  key: KEY,
  ...more,
});
const closeFrame = (...bytes: number[]): RawFrame => ({
  opcode: 8,
  payload: Uint8Array.from(bytes),
  key: KEY,
});

describe("§6 what a WebSocket receives", () => {
  test("[MQTT-6.0.0-2] messages in any number of frames, cut anywhere, with Pings between, are one stream of bytes", () => {
    const frame = fc.record({
      payload: fc.uint8Array({ maxLength: 300 }),
      pieces: fc.integer({ min: 1, max: 4 }),
      ping: fc.boolean(),
      key: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    });
    fc.assert(
      fc.property(
        fc.array(frame),
        fc.integer({ min: 1, max: 400 }),
        fc.boolean(),
        (frames, cut, isClient) => {
          const { user, pair, peer } = scene({
            role: isClient ? "client" : "server",
            memory: { chunkBytes: () => cut },
          });
          const bytes: number[] = [];
          const sent: number[] = [];
          for (const { payload, pieces, ping, key } of frames) {
            const masked = isClient ? {} : { key };
            for (let i = 0; i < pieces; i++) {
              const part = payload.subarray(
                Math.floor(payload.length * i / pieces),
                Math.floor(payload.length * (i + 1) / pieces),
              );
              bytes.push(
                ...raw({ opcode: i === 0 ? 2 : 0, payload: part, isFinal: i === pieces - 1, ...masked }),
              );
              if (ping) bytes.push(...raw({ opcode: 9, payload: Uint8Array.of(i), ...masked }));
            }
            sent.push(...payload);
          }
          peer.transport.write(Uint8Array.from(bytes));
          pair.deliver();
          assertEquals([...user.bytes], sent);
          assertEquals(user.closes, []);
        },
      ),
    );
  });

  test("all frames of one chunk arrive in one call", () => {
    const { user, send } = scene();
    send(
      data("one "),
      data("two ", { isFinal: false }),
      { opcode: 9, payload: utf8("?"), key: KEY },
      data("three", { opcode: 0 }),
    );
    assertEquals(user.chunks.length, 1);
    assertEquals(user.text, "one two three");
  });

  test("a frame of 200,000 bytes arrives as it comes, not at its end", () => {
    const { user, peer, pair } = scene();
    const bytes = Uint8Array.from(raw({ opcode: 2, payload: new Uint8Array(200_000).fill(7), key: KEY }));
    peer.transport.write(bytes.subarray(0, 1000));
    pair.deliver();
    assertEquals(user.length, 1000 - 14);
    peer.transport.write(bytes.subarray(1000));
    pair.deliver();
    assertEquals(user.length, 200_000);
    assert(user.bytes.every((byte) => byte === 7));
  });

  const wrong: readonly (readonly [what: string, frames: readonly RawFrame[], code: number, rule: Rule])[] = [
    ["a text frame [MQTT-6.0.0-1]", [data("x", { opcode: 1 })], 1003, "MQTT-6.0.0-1"],
    ["a frame that is not masked", [{ opcode: 2, payload: utf8("x") }], 1002, "policy/websocket-frame"],
    ["reserved bits", [data("x", { reserved: 4 })], 1002, "policy/websocket-frame"],
    ["a reserved data opcode", [data("x", { opcode: 3 })], 1002, "policy/websocket-frame"],
    ["a reserved control opcode", [data("x", { opcode: 11 })], 1002, "policy/websocket-frame"],
    ["a fragmented Ping", [data("x", { opcode: 9, isFinal: false })], 1002, "policy/websocket-frame"],
    [
      "a Ping of 126 bytes",
      [{ opcode: 9, payload: new Uint8Array(126), key: KEY }],
      1002,
      "policy/websocket-frame",
    ],
    ["a continuation of nothing", [data("x", { opcode: 0 })], 1002, "policy/websocket-frame"],
    [
      "a message inside another one",
      [data("x", { isFinal: false }), data("y")],
      1002,
      "policy/websocket-frame",
    ],
    ["a length of 16 bits that fits 7", [data("x", { lengthBytes: 2 })], 1002, "policy/websocket-frame"],
    [
      "a length of 64 bits that fits 16",
      [data("x".repeat(200), { lengthBytes: 8 })],
      1002,
      "policy/websocket-frame",
    ],
    ["a Close frame of one byte", [closeFrame(3)], 1002, "policy/websocket-frame"],
    ["a Close frame with code 1005", [closeFrame(3, 237)], 1002, "policy/websocket-frame"],
    ["a Close frame with code 999", [closeFrame(3, 231)], 1002, "policy/websocket-frame"],
    ["a Close frame whose reason is not UTF-8", [closeFrame(3, 232, 0xff)], 1007, "policy/websocket-frame"],
  ];
  for (const [what, frames, code, rule] of wrong) {
    test(`${what} ends it with ${code}, behind what came before`, () => {
      const { user, peer, send } = scene();
      send(data("before"), ...frames);
      assertEquals(user.text.startsWith("before"), true);
      assertEquals(user.text.length <= "before".length + 1, true);
      const [ending] = parsed(peer.bytes);
      assertEquals([ending?.opcode, [...ending!.payload]], [8, [code >> 8, code & 255]]);
      assertEquals(user.closes.map((error) => error instanceof WebSocketError && error.rule), [rule]);
    });
  }

  test("a length with its highest bit ends it with 1002", () => {
    const { user, peer, pair } = scene();
    peer.transport.write(Uint8Array.of(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4));
    pair.deliver();
    assertEquals(user.closes.length, 1);
  });

  test("a masked frame of a Server ends a Client's WebSocket", () => {
    const { user, send } = scene({ role: "client" });
    send(data("x"));
    assertEquals(user.closes.length, 1);
  });

  test("the last Ping is answered by its payload, though the peer reads nothing meanwhile", () => {
    const { peer, pair, send } = scene({ memory: { capacityBytes: 1_000_000 } });
    for (let i = 0; i < 100; i++) {
      peer.transport.write(Uint8Array.from(raw({ opcode: 9, payload: utf8(`ping ${i}`), key: KEY })));
    }
    pair.deliver();
    const pongs = parsed(peer.bytes).filter(({ opcode }) => opcode === 10);
    assertEquals(new TextDecoder().decode(pongs.at(-1)!.payload), "ping 99");
    send(data("x"));
  });
});

describe("§6 what a WebSocket sends", () => {
  test("each write() is one binary frame, a Client's masked, however little the transport below takes", () => {
    const chunk = fc.uint8Array({ minLength: 1, maxLength: 400 });
    fc.assert(
      fc.property(
        fc.array(chunk),
        fc.integer({ min: 1, max: 20 }),
        fc.boolean(),
        (chunks, capacityBytes, isClient) => {
          const { peer, user, pair } = scene({
            role: isClient ? "client" : "server",
            memory: { capacityBytes },
          });
          for (const one of chunks) {
            for (let at = 0, idle = 0; at < one.length && idle < 10_000; idle++) {
              at += user.call((socket) => socket.write(one.subarray(at)));
              pair.step();
            }
          }
          pair.deliver();
          const frames = parsed(peer.bytes);
          assertEquals(frames.flatMap(({ payload }) => [...payload]), chunks.flatMap((one) => [...one]));
          assert(
            frames.every(({ opcode, isFinal, key }) =>
              opcode === 2 && isFinal && (key !== undefined) === isClient
            ),
          );
          assertEquals(user.intrusions, []);
        },
      ),
    );
  });

  test("one write() of any length is one frame", () => {
    for (const length of [1, 125, 126, 16_384, 16_385, 65_535, 65_536, 300_000]) {
      for (const role of ["server", "client"] as const) {
        const { peer, user, pair } = scene({ role });
        const bytes = Uint8Array.from({ length }, (_, i) => i * 7);
        assertEquals(user.transport.write(bytes), length);
        pair.deliver();
        const frames = parsed(peer.bytes);
        assertEquals(frames.length, 1);
        assertEquals(frames[0]!.payload, bytes);
      }
    }
  });

  test("close() says 1000 and ends when the peer has said Close too", () => {
    const { socket, user, peer, pair, send } = scene();
    socket.write(utf8("last words"));
    socket.close();
    pair.deliver();
    assertEquals(parsed(peer.bytes).map(({ opcode }) => opcode), [2, 8]);
    assertEquals(user.closes, []);
    send(data("too late"), closeFrame(3, 232));
    assertEquals(peer.closes, [undefined]);
    assertEquals(user.text, "");
    assertEquals(user.closes, [undefined]);
  });

  test("a Close frame of the peer is answered by its code, and is the end of the stream", () => {
    const { user, peer, send, pair } = scene();
    send(data("x"), closeFrame(15, 161, 0x68));
    assertEquals(user.text, "x");
    assertEquals(user.closes, [undefined]);
    assertEquals(parsed(peer.bytes).map(({ opcode, payload }) => [opcode, ...payload]), [[8, 15, 161]]);
    pair.deliver();
    assertEquals(peer.closes, [undefined]);
  });

  test("the answer to a Close frame goes out though the transport below is full, and then it is closed", () => {
    for (const last of [closeFrame(3, 232), data("x", { opcode: 1 })]) {
      const { socket, user, peer, pair } = scene({ memory: { capacityBytes: 10 } });
      peer.transport.pause();
      socket.write(utf8("eight by")); // with its header all that there is room for
      peer.transport.write(Uint8Array.from(raw(last)));
      pair.deliver();
      assertEquals(user.closes.length, 1);
      peer.transport.resume();
      pair.deliver();
      assertEquals(parsed(peer.bytes).map(({ opcode }) => opcode), [2, 8]);
      assertEquals(peer.closes, [undefined]);
    }
  });

  test("a peer that sends on without end after our Close frame is cut off", () => {
    const { socket, user, peer, pair } = scene();
    socket.close();
    pair.deliver();
    const frame = Uint8Array.from(raw({ opcode: 2, payload: new Uint8Array(60_000), key: KEY }));
    for (let i = 0; i < 20 && user.closes.length === 0; i++) {
      peer.transport.write(frame);
      pair.deliver();
    }
    assertEquals(user.closes, [undefined]);
    assertEquals(user.length, 0);
  });

  test("keepAlive() sends a Ping where nothing was sent since the last call, and nothing inside a frame", () => {
    const { socket, peer, pair } = scene();
    const opcodes = () => parsed(peer.bytes).map(({ opcode }) => opcode);
    socket.keepAlive();
    pair.deliver();
    assertEquals(opcodes(), [9]);
    socket.write(utf8("x"));
    socket.keepAlive();
    pair.deliver();
    assertEquals(opcodes(), [9, 2]);
    socket.keepAlive();
    pair.deliver();
    assertEquals(opcodes(), [9, 2, 9]);
  });

  test("what the peer leaves open after it broke a rule is ended by keepAlive()", () => {
    const calls: string[] = [];
    const below: Transport = {
      label: "stub",
      start() {},
      write: (chunk) => chunk.length,
      pause() {},
      resume() {},
      close: () => void calls.push("close"),
      abort: () => void calls.push("abort"),
    };
    const socket = new WebSocketTransport(below);
    const user = new Recorder(socket);
    socket.received(Uint8Array.from(raw(data("x", { opcode: 1 }))));
    assertEquals(user.closes.length, 1);
    socket.keepAlive();
    assertEquals(calls, ["close"]);
    socket.keepAlive();
    assertEquals(calls, ["close", "abort"]);
  });
});
