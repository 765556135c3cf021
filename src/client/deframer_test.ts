/** The frames of a Server's stream, against the deframer of the codec. @module */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { Deframer as Model } from "../codec/deframer.ts";
import { malformed, PeerError } from "../codec/error.ts";
import { Deframer, type FrameHandler } from "./deframer.ts";

const FRAME_MAX = 700;

/** What became of a stream: its frames, then the rule that was broken, if one was. */
type Told = string[];

/** A first byte that no packet has. */
function begun(first: number): void {
  if (first === 0) throw malformed("2.1.2/reserved-type");
}

function told(bytes: Uint8Array, at: number, body: number, end: number): string {
  return `${body - at}:${[...bytes.subarray(at, end)]}`;
}

/** Runs `feed`, and tells of the fault that it throws. */
function faulty(all: Told, feed: () => void): boolean {
  try {
    feed();
    return false;
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    all.push(`${error.rule} ${error.code}`);
    return true;
  }
}

function byModel(chunks: readonly Uint8Array[]): Told {
  const all: Told = [];
  const model = new Model(FRAME_MAX);
  const handler = {
    frame: (bytes: Uint8Array, at: number, body: number, end: number) => {
      all.push(told(bytes, at, body, end));
      return true;
    },
    begun: (bytes: Uint8Array, at: number) => begun(bytes[at]!),
  };
  for (const chunk of chunks) if (faulty(all, () => model.receive(chunk, handler))) break;
  return all;
}

/** A frame, sometimes too large, over-long or with a first byte that no packet has. */
const frame: fc.Arbitrary<number[]> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.tuple(fc.integer({ min: 1, max: 255 }), fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 600 })))
      .map(([first, length]) => [first, ...lengthOf(length), ...new Array(length).fill(length & 255)]),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<number[]>(
      [0, 0],
      [0x30, 0x80, 0],
      [0, 0x80, 0],
      [0x30, 0xff, 0xff, 0x7f, 1],
      [0x30, 0xff, 0xff, 0xff, 0xff, 1],
      [0x30, 0x80, 0x80, 0x80, 0],
    ),
  },
);

function lengthOf(length: number): number[] {
  return length < 128 ? [length] : [length & 127 | 128, length >> 7];
}

const chunks: fc.Arbitrary<Uint8Array[]> = fc.tuple(
  fc.array(frame, { maxLength: 12 }),
  fc.array(fc.oneof(fc.nat({ max: 8 }), fc.nat({ max: 900 })), { maxLength: 40 }),
).map(([frames, sizes]) => {
  const stream = Uint8Array.from(frames.flat());
  const cut: Uint8Array[] = [];
  let at = 0;
  for (const size of [...sizes, stream.length]) {
    if (size > 0 && at < stream.length) cut.push(stream.slice(at, at + size));
    at += size;
  }
  return cut;
});

describe("Deframer of a Client", () => {
  test("[1.5.5/fifth-byte] [MQTT-1.5.5-1] [2.1.4/too-large] finds the frames and faults of any stream, however it is cut and stopped", () => {
    fc.assert(
      fc.property(
        chunks,
        fc.array(fc.constantFrom("go", "stop", "stop and go"), { maxLength: 40 }),
        (cut, plan) => {
          const all: Told = [];
          const steps = [...plan];
          let isStopped = false;
          const handler: FrameHandler = {
            frame(bytes, at, body, end) {
              assertEquals(isStopped, false);
              all.push(told(bytes, at, body, end));
              const step = steps.shift() ?? "go";
              if (step === "go") return;
              deframer.stop();
              if (step === "stop") isStopped = true;
              else deframer.resume();
            },
            begun,
          };
          const deframer = new Deframer(FRAME_MAX, handler);
          const goOn = () => {
            while (isStopped) {
              isStopped = false;
              deframer.resume();
            }
          };
          for (const [i, chunk] of cut.entries()) {
            const isOver = faulty(all, () => {
              deframer.receive(chunk);
              if (i % 3 === 0) goOn(); // else more comes while it is stopped
            });
            if (isOver) break;
          }
          if (isStopped) faulty(all, goOn);
          assertEquals(all, byModel(cut));
        },
      ),
    );
  });

  test("keeps nothing after discard(), also in the middle of a frame", () => {
    let frames = 0;
    const deframer = new Deframer(FRAME_MAX, {
      frame() {
        if (++frames === 2) deframer.discard();
      },
      begun() {},
    });
    const ping = Uint8Array.of(0xd0, 0, 0xd0);
    deframer.receive(ping);
    deframer.receive(Uint8Array.of(0, 0xd0, 0, 0xd0));
    deframer.resume();
    deframer.receive(ping);
    assertEquals(frames, 2);
  });
});
