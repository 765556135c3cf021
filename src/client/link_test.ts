/** The bytes of a Client's connection: what fits, what waits for a commit, what a pause keeps. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "../codec/decode.ts";
import { encodeDisconnect } from "../codec/disconnect.ts";
import type { Disconnect } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { Writer } from "../codec/writer.ts";
import { TakingTransport } from "../testing/taking_sink.ts";
import { Link } from "./link.ts";

const PUBACK = PacketType.PUBACK << 4;
const PINGRESP = Uint8Array.of(PacketType.PINGRESP << 4, 0);

/** A transport that takes so many bytes, and the link above it. */
class Scene extends TakingTransport {
  touched = 0;
  frames = 0;
  /** Has the link paused by the frame that comes. */
  isPausing = false;
  readonly link: Link;

  constructor() {
    super();
    const owner = { writer: new Writer(), touched: () => void this.touched++ };
    this.link = new Link(this, 5, 100, owner, {
      frame: () => {
        this.frames++;
        if (this.isPausing) this.link.pause();
      },
      begun: () => {},
      flushed: () => void this.calls.push("flushed"),
      wrote: () => void this.calls.push("wrote"),
    });
  }

  /** The identifiers of the acknowledgements that were written. */
  get ids(): number[] {
    return this.taken.filter((_, i) => i % 4 === 3);
  }
}

describe("Link of a Client", () => {
  test("writes at the end of the turn, and at once what is much", () => {
    const scene = new Scene();
    scene.link.answer(PUBACK, 1, 0);
    scene.link.answer(PUBACK, 2, 0);
    assertEquals([scene.taken, scene.touched], [[], 1]);
    scene.link.endTurn();
    assertEquals([scene.ids, scene.calls], [[1, 2], ["wrote", "flushed"]]);
    scene.link.outbox.room(64 * 1024);
    scene.link.touch();
    assertEquals(scene.taken.length, 8 + 64 * 1024);
  });

  test("waits for drained() after a short write", () => {
    const scene = new Scene();
    scene.most = 2;
    scene.link.answer(PUBACK, 1, 0);
    scene.link.endTurn();
    scene.most = Infinity;
    scene.link.flush();
    assertEquals(scene.taken.length, 2);
    scene.link.drained();
    assertEquals(scene.ids, [1]);
  });

  test("[MQTT-3.2.2-15] a packet that is too large leaves without its Reason String, or not at all", () => {
    const scene = new Scene();
    const { link } = scene;
    const disconnect: Disconnect = {
      type: PacketType.DISCONNECT,
      reasonCode: 0x82,
      properties: { reasonString: "x".repeat(30), sessionExpiryInterval: 1 },
    };
    link.maximumPacketSize = 20;
    assertEquals(link.send(encodeDisconnect, disconnect), true);
    link.endTurn();
    const sent = decodePacket(Uint8Array.from(scene.taken), 5) as Disconnect;
    assertEquals(sent.properties, { sessionExpiryInterval: 1 });
    link.maximumPacketSize = 6;
    assertEquals(link.send(encodeDisconnect, disconnect), false);
    link.maximumPacketSize = 4;
    link.answer(PUBACK, 1, 0x87); // of five bytes
    assertEquals(link.outbox.size, 0);
  });

  test("a packet without a body has none, and no code at level 5 if it is 0", () => {
    const scene = new Scene();
    scene.link.answer(PacketType.PINGREQ << 4, -1, 0);
    scene.link.answer(PUBACK, 0x1234, 0);
    scene.link.answer(PUBACK, 0x1234, 0x10);
    scene.link.endTurn();
    assertEquals(scene.taken, [0xc0, 0, 0x40, 2, 0x12, 0x34, 0x40, 3, 0x12, 0x34, 0x10]);
  });

  test("bytes that wait for a commit leave when it is done; those of the next one wait for that", () => {
    const scene = new Scene();
    const { link } = scene;
    link.answer(PUBACK, 1, 0);
    link.hold();
    link.answer(PUBACK, 2, 0);
    link.commitBegins();
    link.hold();
    link.answer(PUBACK, 3, 0);
    link.endTurn();
    assertEquals(scene.ids, [1]);
    link.committed();
    link.endTurn();
    assertEquals(scene.ids, [1, 2]);
    link.commitBegins();
    link.committed();
    link.endTurn();
    assertEquals(scene.ids, [1, 2, 3]);
  });

  test("bytes whose commit has failed never leave, those before them do, and the end waits for no commit", () => {
    const scene = new Scene();
    const { link } = scene;
    link.answer(PUBACK, 1, 0);
    link.hold();
    link.answer(PUBACK, 2, 0);
    link.commitBegins();
    link.hold();
    link.answer(PUBACK, 3, 0);
    link.commitFailed();
    assertEquals(scene.ids, [1]);
    link.answer(PUBACK, 4, 0);
    link.end();
    assertEquals([scene.ids, scene.calls.at(-1)], [[1, 4], "close"]);
  });

  test("closes the transport when all is written, and takes no frame behind that", () => {
    const scene = new Scene();
    scene.most = 3;
    scene.link.answer(PUBACK, 1, 0);
    scene.link.end();
    scene.link.receive(PINGRESP);
    assertEquals([scene.calls.includes("close"), scene.frames], [false, 0]);
    scene.most = Infinity;
    scene.link.drained();
    assertEquals([scene.calls.at(-1), scene.ids], ["close", [1]]);
  });

  test("hands on no frame while it is paused, and has the transport rest", () => {
    const scene = new Scene();
    const { link } = scene;
    scene.isPausing = true;
    link.receive(Uint8Array.of(...PINGRESP, ...PINGRESP, ...PINGRESP));
    assertEquals([scene.frames, scene.calls, link.isTransportPaused], [1, ["pause"], true]);
    link.readOn(); // and is paused again by the next frame
    assertEquals([scene.frames, scene.calls, link.isPaused], [2, ["pause"], true]);
    scene.isPausing = false;
    link.readOn();
    assertEquals([scene.frames, scene.calls, link.isTransportPaused], [3, ["pause", "resume"], false]);
  });
});
