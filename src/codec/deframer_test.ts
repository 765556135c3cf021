/** §2.1 chunks of a stream: however a stream is cut, its frames are the same. @module */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { decode } from "./decode.ts";
import { Deframer, type FrameHandler } from "./deframer.ts";
import { encodePacket } from "./encode.ts";
import { malformed, PeerError } from "./error.ts";
import type { Packet } from "./packet.ts";
import { Reader } from "./reader.ts";
import { level, packet } from "../testing/arbitrary.ts";
import { bytesOf, frame } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

const ENOUGH = 1 << 20;

/** Keeps a copy of each frame; stops behind every frame whose number `stopsAt` names. */
class Frames implements FrameHandler {
  readonly all: Uint8Array[] = [];
  readonly bodies: number[] = [];
  /** Asked at each frame that is offered, with how many were taken before. */
  readonly #takes: (taken: number) => boolean;

  constructor(takes: (taken: number) => boolean = () => true) {
    this.#takes = takes;
  }

  frame(bytes: Uint8Array, at: number, body: number, end: number): boolean {
    if (!this.#takes(this.all.length)) return false;
    this.all.push(bytes.slice(at, end));
    this.bodies.push(body - at);
    return true;
  }
}

/** Cuts `stream` at those places, in any order, each given as a share of 1000. */
function cut(stream: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => Math.floor(stream.length * place / 1000)), stream.length].sort((
    a,
    b,
  ) => a - b);
  return at.slice(1).map((end, i) => stream.slice(at[i], end));
}

const packets = level.chain((level) =>
  fc.tuple(fc.constant(level), fc.array(packet(level), { maxLength: 6 }))
);
const cuts = fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 8 });

describe("Deframer", () => {
  test("any chunking gives the same packets", () => {
    fc.assert(
      fc.property(packets, cuts, ([level, packets], places) => {
        const stream = bytesOf(...packets.map((packet) => encodePacket(packet, level)));
        const found: Packet[] = [];
        const reader = new Reader();
        const handler: FrameHandler = {
          frame(bytes, at, body, end): boolean {
            found.push(structuredClone(decode(reader.aim(bytes, body, end), bytes[at]!, level)));
            return true;
          },
        };
        const deframer = new Deframer(ENOUGH);
        for (const chunk of cut(stream, places)) {
          deframer.receive(chunk, handler);
          chunk.fill(0xff); // the chunk is the caller's again
        }
        assertEquals(found, packets);
        assertEquals(deframer.held, 0);
      }),
      { numRuns: 500 },
    );
  });

  test("byte by byte is a chunking too", () => {
    const frames = [
      frame(0xc0),
      frame(0x30, new Uint8Array(127)),
      frame(0x30, new Uint8Array(20_000).fill(7)),
      frame(0xd0),
    ];
    const handler = new Frames();
    const deframer = new Deframer(ENOUGH);
    for (const byte of bytesOf(...frames)) deframer.receive(Uint8Array.of(byte), handler);
    assertEquals(handler.all, frames);
    assertEquals(handler.bodies, [2, 2, 4, 2]);
  });

  test("stopping behind any frame, and refusing any for a while, loses and repeats nothing", () => {
    fc.assert(
      fc.property(
        packets,
        cuts,
        fc.array(fc.constantFrom("take", "stop", "refuse"), { maxLength: 12 }),
        ([level, packets], places, answers) => {
          const frames = packets.map((packet) => encodePacket(packet, level));
          let offers = 0;
          const handler = new Frames(() => {
            const answer = answers[offers++];
            if (answer === "stop") deframer.stop();
            return answer !== "refuse";
          });
          const deframer = new Deframer(ENOUGH);
          for (const chunk of cut(bytesOf(...frames), places)) deframer.receive(chunk, handler);
          for (let round = 0; round <= frames.length + answers.length; round++) deframer.resume(handler);
          assertEquals(handler.all, frames);
          assertEquals(deframer.held, 0);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("what is discarded is gone, and so is what arrives later", () => {
    const handler = new Frames(() => {
      deframer.discard();
      return true;
    });
    const deframer = new Deframer(ENOUGH);
    deframer.receive(Uint8Array.of(0xc0, 0, 0xd0, 0, 0xe0), handler);
    deframer.receive(Uint8Array.of(0, 0xc0, 0), handler);
    deframer.resume(handler);
    assertEquals([handler.all.length, deframer.held], [1, 0]);
  });

  test("any stream gives frames or a PeerError, and the same with any chunking", () => {
    const run = (chunks: readonly Uint8Array[]): unknown => {
      const handler = new Frames();
      try {
        const deframer = new Deframer(100);
        for (const chunk of chunks) deframer.receive(chunk, handler);
      } catch (error) {
        assert(error instanceof PeerError, `${error}`);
        return [handler.all, error.rule];
      }
      return [handler.all];
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), cuts, (stream, places) => {
        assertEquals(run(cut(stream, places)), run([stream]));
      }),
      { numRuns: 500 },
    );
  });

  test("[2.1.4/too-large] a frame above the Maximum Packet Size is refused before its body arrives", () => {
    const deframer = new Deframer(100);
    const handler = new Frames();
    deframer.receive(frame(0x30, new Uint8Array(98)), handler);
    assertEquals(handler.all.length, 1);
    assertRefused(() => deframer.receive(Uint8Array.of(0x30, 99), handler), "2.1.4/too-large", 0x95);
    const other = new Deframer(10_000);
    other.receive(Uint8Array.of(0x30, 0xff), handler);
    other.receive(Uint8Array.of(0xff), handler); // as long as the length is unknown it may be malformed
    assertRefused(() => other.receive(Uint8Array.of(0x7f), handler), "2.1.4/too-large", 0x95);
  });

  test("[2.1.4/too-large] frames of exactly the Maximum Packet Size are taken, wherever they stand in a chunk", () => {
    const one = frame(0x30, new Uint8Array(8));
    const frames = new Frames();
    new Deframer(10).receive(bytesOf(one, one, one), frames);
    assertEquals(frames.all, [one, one, one]);
  });

  test("[1.5.5/fifth-byte] a Remaining Length of five bytes is refused, also byte by byte", () => {
    const bytes = Uint8Array.of(0x30, 0x80, 0x80, 0x80, 0x80, 0x01);
    assertRefused(() => new Deframer(Infinity).receive(bytes, new Frames()), "1.5.5/fifth-byte", 0x81);
    const deframer = new Deframer(Infinity);
    const error = assertThrows(() => {
      for (const byte of bytes) deframer.receive(Uint8Array.of(byte), new Frames());
    }, PeerError);
    assertEquals(error.rule, "1.5.5/fifth-byte");
  });

  test("an incomplete frame is shown to the handler with each chunk, and what it throws is the refusal", () => {
    const shown: (readonly number[])[] = [];
    const taken = new Frames();
    const handler: FrameHandler = {
      frame: (...frame) => taken.frame(...frame),
      begun(bytes, at, body, until): void {
        shown.push([bytes[at]!, body === 0 ? 0 : body - at, until - at]);
        if (bytes[at] === 0x36) throw malformed("MQTT-3.3.1-4", "QoS 3");
      },
    };
    const deframer = new Deframer(ENOUGH);
    const large = frame(0x30, new Uint8Array(200));
    const stream = bytesOf([0xc0, 0], large, [0xc0, 0], [0x30]);
    for (const [from, until] of [[0, 3], [3, 4], [4, 5], [5, 100], [100, stream.length]] as const) {
      deframer.receive(stream.slice(from, until), handler);
    }
    assertEquals(shown, [[0x30, 0, 1], [0x30, 0, 2], [0x30, 3, 3], [0x30, 3, 98], [0x30, 0, 1]]);
    assertEquals(taken.all, [Uint8Array.of(0xc0, 0), large, Uint8Array.of(0xc0, 0)]);
    for (
      const chunk of [[0x36], [0x36, 200, 200, 200, 200], [0x36, 0x80, 0], [0x36, 0xff, 0xff, 0xff, 0x7f]]
    ) {
      assertRefused(() => new Deframer(100).receive(Uint8Array.from(chunk), handler), "MQTT-3.3.1-4", 0x81);
    }
  });

  test("[MQTT-1.5.5-1] an over-long Remaining Length is refused", () => {
    const bytes = Uint8Array.of(0xc0, 0x80, 0x00);
    assertRefused(() => new Deframer(ENOUGH).receive(bytes, new Frames()), "MQTT-1.5.5-1", 0x81);
  });
});
