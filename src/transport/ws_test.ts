/**
 * §6 Our framing against that of npm's ws: what one writes the other reads, and what one refuses the other refuses too.
 * On Bun the package is found by its path, since `import "ws"` gives Bun's own there.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { patient } from "../testing/patience.ts";
import { Recorder } from "../testing/transport_contract.ts";
import { memoryPair } from "./memory.ts";
import { WebSocketTransport } from "./websocket.ts";
import { WebSocketError } from "./websocket_frames.ts";

interface FrameOptions {
  readonly fin: boolean;
  readonly opcode: number;
  readonly mask: boolean;
  readonly readOnly: false;
  readonly rsv1: false;
}

/** The part of ws that is used here. */
interface Ws {
  readonly Receiver: new (options: { isServer: boolean }) => {
    write(chunk: Uint8Array): boolean;
    on(event: string, listener: (...args: never[]) => void): unknown;
  };
  readonly Sender: { frame(payload: Uint8Array, options: FrameOptions): Uint8Array[] };
}

async function loaded(): Promise<Ws> {
  if (!("Bun" in globalThis)) return await import("ws") as unknown as Ws;
  const require = createRequire(import.meta.url);
  const folder = join(dirname(require.resolve("ws/package.json")), "lib");
  return { Receiver: require(join(folder, "receiver.js")), Sender: require(join(folder, "sender.js")) };
}

const { Receiver, Sender } = await loaded();

interface Frame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly payload: Uint8Array;
}

/** The end of a connection: the code of a Close frame, or a fault of the peer's. */
type Ending = number | "a fault" | undefined;

/** What one of the two makes of the bytes of a peer. */
interface Outcome {
  readonly data: string;
  readonly ending: Ending;
  /** Why ours calls it a fault. */
  readonly why?: string;
}

/** As ws does it: whole messages. */
async function theirs(chunks: readonly Uint8Array[], isServer: boolean): Promise<Outcome> {
  let data = "";
  let ending: Ending;
  const receiver = new Receiver({ isServer });
  receiver.on("message", (payload: Uint8Array) => data += Buffer.from(payload).toString("hex"));
  receiver.on("conclude", (code: number) => ending = code);
  receiver.on("error", () => ending = "a fault");
  for (const chunk of chunks) if (ending === undefined) receiver.write(Buffer.from(chunk));
  await setImmediate();
  await setImmediate();
  return { data, ending };
}

/** As we do it: bytes as they come; the code is that of our answer. */
async function ours(chunks: readonly Uint8Array[], isServer: boolean): Promise<Outcome> {
  const { left, right, deliver } = memoryPair();
  const user = new Recorder(new WebSocketTransport(left, isServer ? {} : { key: () => 7 }));
  const peer = new Recorder(right);
  for (const chunk of chunks) {
    peer.transport.write(chunk);
    deliver();
  }
  const data = Buffer.from(user.bytes).toString("hex");
  if (user.closes.length === 0) return { data, ending: undefined };
  const [error] = user.closes;
  if (error instanceof WebSocketError) return { data, ending: "a fault", why: error.message };
  return { data, ending: (await theirs([peer.bytes], !isServer)).ending };
}

function written(frames: readonly Frame[], isMasked: boolean): Uint8Array {
  return Buffer.concat(frames.flatMap(({ payload, fin, opcode }) =>
    // It masks in place.
    Sender.frame(Buffer.from(payload), { fin, opcode, mask: isMasked, readOnly: false, rsv1: false })
  ));
}

/** In pieces of so many bytes, or in a thousand. */
function cut(bytes: Uint8Array, every: number): Uint8Array[] {
  const size = Math.max(every, Math.ceil(bytes.length / 1000));
  return Array.from(
    { length: Math.ceil(bytes.length / size) },
    (_, i) => bytes.subarray(i * size, (i + 1) * size),
  );
}

const payload = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.uint8Array({ minLength: 120, maxLength: 130 }),
  fc.integer({ min: 65_530, max: 65_541 }).map((length) => new Uint8Array(length).fill(length)),
);
/** Frames in any order, rightful or not. */
const anyFrame: fc.Arbitrary<Frame> = fc.record({
  opcode: fc.constantFrom(0, 2, 2, 2, 8, 9, 10),
  fin: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.boolean()),
  payload: fc.oneof(payload, fc.constant(Uint8Array.of(3, 0xe8)), fc.uint8Array({ maxLength: 3 })),
});
const every = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 100_000 }));

describe("§6 our WebSocket and ws", () => {
  test("ws reads what we write, in both roles", patient, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(payload, { minLength: 1 }),
        every,
        fc.boolean(),
        async (chunks, size, isServer) => {
          const { left, right, deliver } = memoryPair();
          const user = new Recorder(new WebSocketTransport(left, isServer ? {} : { key: () => 0x89ab_cdef }));
          const peer = new Recorder(right);
          for (const chunk of chunks) user.transport.write(chunk);
          (user.transport as WebSocketTransport).keepAlive();
          user.transport.close();
          deliver();
          const { data, ending } = await theirs(cut(peer.bytes, size), !isServer);
          assertEquals(data, Buffer.concat(chunks).toString("hex"));
          assertEquals(ending, 1000);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("we read what ws writes, and refuse the same sequences of frames", patient, async () => {
    const seen = { open: 0, faults: 0, closed: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyFrame, { maxLength: 8 }),
        every,
        fc.boolean(),
        async (frames, size, isServer) => {
          const chunks = cut(written(frames, isServer), size);
          const [own, other] = [await ours(chunks, isServer), await theirs(chunks, isServer)];
          assertEquals(own.ending, other.ending, own.why);
          assert(own.data.startsWith(other.data));
          seen[own.ending === undefined ? "open" : own.ending === "a fault" ? "faults" : "closed"]++;
        },
      ),
      { numRuns: 400 },
    );
    assert(seen.open > 20 && seen.faults > 20 && seen.closed > 20, JSON.stringify(seen));
  });

  test(
    "of damaged bytes both make the same, but for what MQTT forbids and for lengths that are longer than need be",
    patient,
    async () => {
      const damage = fc.record({ at: fc.nat(60), xor: fc.integer({ min: 1, max: 255 }) });
      let compared = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(anyFrame, { minLength: 1, maxLength: 5 }),
          fc.array(damage, { minLength: 1, maxLength: 2 }),
          every,
          fc.boolean(),
          async (frames, damages, size, isServer) => {
            const bytes = written(frames, isServer);
            for (const { at, xor } of damages) if (at < bytes.length) bytes[at]! ^= xor;
            const chunks = cut(bytes, size);
            const own = await ours(chunks, isServer);
            if (own.why !== undefined && /text frame|shortest form/.test(own.why)) return;
            const other = await theirs(chunks, isServer);
            assertEquals(own.ending, other.ending, own.why);
            assert(own.data.startsWith(other.data));
            compared++;
          },
        ),
        { numRuns: 600 },
      );
      assert(compared > 200, `${compared}`);
    },
  );
});
