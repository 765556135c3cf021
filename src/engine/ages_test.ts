/** §3.3.2.3.3 Message Expiry Intervals of bytes that wait in an outbox. @module */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { describe, test } from "node:test";
import { Deframer } from "../codec/deframer.ts";
import { encodePacket } from "../codec/encode.ts";
import { PacketType } from "../codec/packet_type.ts";
import { viewOf } from "../codec/publish_view.ts";
import { Ages } from "./ages.ts";
import { BufferPool, Outbox } from "./outbox.ts";

/** A PUBLISH with this interval, or without one. */
function publish(messageExpiryInterval: number | undefined, qos: 0 | 1, bytes: number): Uint8Array {
  return encodePacket({
    type: PacketType.PUBLISH,
    dup: false,
    retain: false,
    qos,
    ...(qos === 1 && { packetId: 7 }),
    topic: "t",
    payload: new Uint8Array(bytes),
    properties: {
      contentType: "c",
      ...(messageExpiryInterval !== undefined && { messageExpiryInterval }),
      userProperties: [["a", "b"]],
    },
  }, 5);
}

const PINGRESP = Uint8Array.of(0xd0, 0);

/** An outbox whose peer reads when it is told to, under a clock. */
class Scene {
  now = 1_000_000;
  readonly outbox: Outbox = new Outbox(new BufferPool());
  ages: Ages | undefined;
  /** The intervals that have arrived; -1 for a PUBLISH without one. */
  readonly arrived: number[] = [];
  /** How many bytes had left at the end of each turn. */
  readonly #left: { at: number; bytes: number }[] = [];
  #taken = 0;
  readonly #deframer = new Deframer(Infinity);

  write(frame: Uint8Array): void {
    this.outbox.append(frame, 0, frame.length);
  }

  /** One whose payload is shared. */
  share(frame: Uint8Array, head: number): void {
    this.outbox.append(frame, 0, head);
    this.outbox.share(frame.subarray(head));
  }

  /** The peer takes so many bytes, as the end of a turn does it. */
  read(bytes: number): void {
    let left = bytes;
    const { ages } = this;
    if (ages !== undefined) ages.now = this.now;
    this.outbox.flush({
      write: (chunk) => {
        const taken = Math.min(chunk.length, left);
        left -= taken;
        this.#taken += taken;
        this.#deframer.receive(chunk.slice(0, taken), {
          frame: (all, at, _body, end) => {
            if (all[at]! >> 4 !== PacketType.PUBLISH) return true;
            const view = viewOf(all.slice(at, end), true);
            this.arrived.push(view.expiryAt < 0 ? -1 : view.expirySeconds);
            return true;
          },
        });
        return taken;
      },
    }, ages);
    this.#left.push({ at: this.now, bytes: this.#taken });
    if (this.outbox.size === 0) this.ages = undefined;
    else {
      this.ages ??= new Ages();
      this.ages.now = this.now;
      this.ages.note(this.outbox.position);
    }
  }

  /** When the byte at this position left. */
  leftAt(position: number): number {
    return this.#left.find(({ bytes }) => bytes > position)!.at;
  }
}

describe("an outbox that waits", () => {
  test("[MQTT-3.3.2-6] an interval is less by the time that its message has waited, and never below 0", () => {
    for (
      const [waits, expected] of [[0, 10], [999, 10], [1_000, 9], [4_000, 6], [4_001, 5], [
        60_000,
        0,
      ]] as const
    ) {
      const scene = new Scene();
      scene.write(publish(10, 1, 3));
      scene.read(0);
      scene.now += waits;
      scene.read(Infinity);
      assertEquals(scene.arrived, [expected], `${waits} ms`);
    }
  });

  test("what is written while others wait is as old as it is; what has no interval gets none", () => {
    const scene = new Scene();
    scene.write(publish(100, 0, 3));
    scene.write(publish(undefined, 0, 3));
    scene.write(PINGRESP);
    scene.read(0);
    scene.now += 5_000;
    scene.write(publish(100, 1, 3));
    scene.read(0);
    scene.now += 3_000;
    scene.read(Infinity);
    assertEquals(scene.arrived, [92, -1, 97]);
  });

  test("an interval of which a part has left already stays as it is", () => {
    const frame = publish(100, 0, 3);
    const { expiryAt } = viewOf(frame, true);
    for (const [read, expected] of [[expiryAt, 95], [expiryAt + 1, 100], [expiryAt + 4, 100]] as const) {
      const scene = new Scene();
      scene.write(frame);
      scene.read(read);
      scene.now += 5_000;
      scene.read(Infinity);
      assertEquals(scene.arrived, [expected]);
    }
  });

  test("whatever is written and read when: never a second above what is left, nor two below", () => {
    const step = fc.oneof(
      fc.record({
        what: fc.constant("write" as const),
        interval: fc.oneof(fc.constant(undefined), fc.integer({ min: 1, max: 300 })),
        qos: fc.constantFrom(0 as const, 1 as const),
        size: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 20_000, max: 70_000 })),
        isShared: fc.boolean(),
      }),
      fc.record({ what: fc.constant("read" as const), bytes: fc.integer({ min: 0, max: 60_000 }) }),
      fc.record({ what: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 5_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const scene = new Scene();
        const written: { interval: number; at: number; position: number }[] = [];
        for (const one of steps) {
          if (one.what === "read") scene.read(one.bytes);
          else if (one.what === "wait") {
            scene.read(0); // time goes on between turns
            scene.now += one.ms;
          } else {
            const frame = publish(one.interval, one.qos, one.size);
            const position = scene.outbox.position + viewOf(frame, true).expiryAt;
            if (one.isShared && one.size >= 20_000) scene.share(frame, frame.length - one.size);
            else scene.write(frame);
            written.push({ interval: one.interval ?? -1, at: scene.now, position });
          }
        }
        scene.read(Infinity);
        assertEquals(scene.arrived.length, written.length);
        for (const [i, { interval, at, position }] of written.entries()) {
          const arrived = scene.arrived[i]!;
          if (interval === -1) assertEquals(arrived, -1);
          else {
            const left = interval - (scene.leftAt(position) - at) / 1_000;
            assert(
              arrived === 0 ? left < 2 : arrived < left + 1 && arrived > left - 2,
              `${arrived}, ${left} s are left`,
            );
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
