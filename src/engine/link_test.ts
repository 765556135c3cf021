/** The half of a connection that knows no role: what fits, what waits, what is kept. @module */
import { assert, assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "../codec/decode.ts";
import type { Packet, UserProperties } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { encode } from "../codec/encode.ts";
import { Writer } from "../codec/writer.ts";
import { TakingTransport } from "../testing/taking_sink.ts";
import { Ages } from "./ages.ts";
import { Link, Pause } from "./link.ts";
import { BufferPool } from "./outbox.ts";

/** A transport that takes so many bytes, and the link above it. */
class Scene extends TakingTransport {
  readonly touched: Link[] = [];
  /** Bytes that the owner was told of. */
  wrote = 0;
  readonly frames: number[] = [];
  /** The turn has not written as much as it may. */
  mayWrite = true;
  readonly link: Link;

  constructor() {
    super();
    const mayWrite = () => this.mayWrite;
    const owner = {
      pool: new BufferPool(),
      ledger: { outgoing: 0, incoming: 0, aliases: 0, isAbove: false },
      writer: new Writer(),
      encode,
      makeAges: () => new Ages(),
      now: 0,
      touched: (link: Link) => void this.touched.push(link),
      get mayWrite() {
        return mayWrite();
      },
      wrote: (bytes: number) => void (this.wrote += bytes),
      answered: () => {},
    };
    this.link = new Link(this, 100, owner, {
      flushed: () => void this.calls.push("flushed"),
      answersUnread: () => void this.calls.push("answersUnread"),
      unsafe: () => void this.calls.push("unsafe"),
    });
    this.link.level = 5;
  }

  /** Takes each frame by its first byte. */
  frame = (bytes: Uint8Array, at: number): boolean => {
    this.frames.push(bytes[at]!);
    return true;
  };

  /** The packet that was written, alone. */
  takePacket(): Packet {
    this.link.flush();
    return decodePacket(Uint8Array.from(this.taken.splice(0)), 5);
  }
}

const USER: UserProperties = [["a", "b"]];
const LONG: UserProperties = [["a", "b".repeat(60)]];

describe("end()", () => {
  test("writes what there is, then closes", () => {
    const { link, taken, calls } = new Scene();
    link.send({ type: PacketType.PINGRESP });
    link.end();
    assertEquals([taken, calls], [[0xd0, 0], ["close"]]);
  });

  test("waits for a later turn where this one has written as much as it may: thousands may end at once", () => {
    const scene = new Scene();
    const { link, taken, touched, calls } = scene;
    link.send({ type: PacketType.PINGRESP });
    touched.length = 0;
    link.endTurn();
    taken.length = 0;
    link.send({ type: PacketType.PINGRESP });
    scene.mayWrite = false;
    link.end();
    assertEquals([taken, touched, calls], [[], [link], ["flushed"]]);
    scene.mayWrite = true;
    link.endTurn();
    assertEquals([taken, calls], [[0xd0, 0], ["flushed", "close", "flushed"]]);
  });
});

describe("send()", () => {
  const packets: readonly [string, Packet & { properties: object }][] = [
    ["MQTT-3.2.2-20", {
      type: PacketType.CONNACK,
      sessionPresent: false,
      reasonCode: 0,
      properties: { receiveMaximum: 5 },
    }],
    ["MQTT-3.14.2-4", {
      type: PacketType.DISCONNECT,
      reasonCode: 0x9c,
      properties: { serverReference: "b" },
    }],
    ["MQTT-3.15.2-3", { type: PacketType.AUTH, reasonCode: 0x18, properties: { authenticationMethod: "m" } }],
  ];
  for (const [id, packet] of packets) {
    test(`[${id}] leaves out User Properties and the Reason String where they do not fit, and only there`, () => {
      const scene = new Scene();
      scene.link.maximumPacketSize = 60;
      for (const extra of [{ userProperties: USER }, { reasonString: "r" }]) {
        const whole = { ...packet, properties: { ...packet.properties, ...extra } } as Packet;
        assert(scene.link.send(whole));
        assertEquals(scene.takePacket(), whole);
      }
      for (const extra of [{ userProperties: LONG }, { reasonString: "r".repeat(60) }]) {
        assert(scene.link.send({ ...packet, properties: { ...packet.properties, ...extra } } as Packet));
        assertEquals(scene.takePacket(), packet);
      }
    });
  }

  test("[MQTT-3.1.2-24] sends nothing that is larger than the Maximum Packet Size, and says so", () => {
    const { link, taken } = new Scene();
    link.maximumPacketSize = 10;
    const packet = {
      type: PacketType.DISCONNECT,
      reasonCode: 0x9c,
      properties: { serverReference: "b".repeat(10) },
    } as const;
    assertEquals([link.fits(packet), link.send(packet)], [false, false]);
    link.flush();
    assertEquals(taken, []);
  });
});

describe("a link that is held", () => {
  test("writes what stands before, and the rest when the commit is done", () => {
    const { link, taken } = new Scene();
    link.answer(0x40, 1, 0);
    assert(link.hold());
    assert(!link.hold());
    link.answer(0x40, 2, 0);
    link.flush();
    assertEquals(taken, [0x40, 2, 0, 1]);
    link.commitBegins();
    assert(link.hold());
    link.answer(0x40, 3, 0);
    link.committed();
    link.flush();
    assertEquals(taken, [0x40, 2, 0, 1, 0x40, 2, 0, 2]);
    link.commitBegins();
    link.committed();
    link.flush();
    assertEquals(taken.slice(8), [0x40, 2, 0, 3]);
  });

  test("throws away what waited for a commit that failed, once", () => {
    const { link, taken, calls } = new Scene();
    link.hold();
    link.answer(0x40, 1, 0);
    link.commitBegins();
    link.commitFailed();
    link.commitFailed();
    link.answer(0x40, 2, 0);
    link.flush();
    assertEquals([taken, calls], [[0x40, 2, 0, 2], ["unsafe"]]);
  });
});

describe("a link that is paused", () => {
  test("keeps what arrives, and hands it on in its order when every reason is gone", () => {
    const scene = new Scene();
    const { link, frames } = scene;
    link.pause(Pause.VERDICT);
    link.pause(Pause.RATE);
    link.receive(Uint8Array.of(0xc0, 0, 0xd0), scene);
    link.receive(Uint8Array.of(0, 0xe0, 0), scene);
    assertEquals([frames, link.keptBytes, link.paused], [[], 6, true]);
    assertEquals(link.unpause(Pause.RATE), false);
    link.readOn(scene);
    assertEquals(frames, []);
    assertEquals(link.unpause(Pause.RATE), false, "it was no reason any more");
    assertEquals(link.unpause(Pause.VERDICT), true);
    link.readOn(scene);
    assertEquals([frames, link.keptBytes, link.paused], [[0xc0, 0xd0, 0xe0], 0, false]);
  });

  test("offers a frame again that could not be taken", () => {
    const scene = new Scene();
    const { link, frames } = scene;
    let refusals = 2;
    const handler = {
      frame: (bytes: Uint8Array, at: number) => {
        if (bytes[at] === 0xd0 && refusals-- > 0) {
          link.pause(Pause.VERDICT);
          return false;
        }
        return scene.frame(bytes, at);
      },
    };
    for (const byte of [0xc0, 0, 0xd0, 0, 0xe0, 0]) link.receive(Uint8Array.of(byte), handler);
    assertEquals(frames, [0xc0]);
    for (let i = 0; i < 2; i++) {
      assert(link.unpause(Pause.VERDICT));
      link.readOn(handler);
    }
    assertEquals(frames, [0xc0, 0xd0, 0xe0]);
  });

  test("has its transport pause once, and resume with the last reason", () => {
    const scene = new Scene();
    const { link, calls } = scene;
    assertEquals(link.pauseTransport(), false);
    link.pause(Pause.RATE);
    assertEquals([link.pauseTransport(), link.pauseTransport()], [true, false]);
    link.readOn(scene);
    link.unpause(Pause.RATE);
    assertEquals(calls, ["pause"]);
    link.readOn(scene);
    assertEquals(calls, ["pause", "resume"]);
  });
});

describe("the end of a link", () => {
  test("closes the transport when everything is written, and throws away what arrives", () => {
    const scene = new Scene();
    const { link, calls, frames } = scene;
    scene.most = 3;
    link.answer(0x40, 1, 0);
    link.end();
    assertEquals([link.blocked, calls], [true, []]);
    scene.most = Infinity;
    link.receive(Uint8Array.of(0xc0, 0), scene);
    link.drained();
    assertEquals([calls, frames, link.keptBytes], [["close"], [], 0]);
  });

  test("answers that are not read are told of", () => {
    const { link, calls } = new Scene();
    link.answerBytesMax = 4;
    link.answer(0x40, 1, 0);
    assertEquals(calls, []);
    link.answer(0x40, 2, 0);
    assertEquals(calls, ["answersUnread"]);
  });

  test("is touched once a turn", () => {
    const { link, touched, calls } = new Scene();
    link.answer(0x40, 1, 0);
    link.answer(0x40, 2, 0);
    assertEquals(touched.length, 1);
    link.endTurn();
    link.answer(0x40, 3, 0);
    assertEquals([touched.length, calls], [2, ["flushed"]]);
  });
});

describe("answers", () => {
  test("carry what the level has: no code below level 5, none for success, no body without an identifier", () => {
    const { link, taken } = new Scene();
    link.answer(0x40, 0x1234, 0);
    link.answer(0x40, 0x1234, 0x10);
    link.answer(0xd0, -1, 0);
    link.level = 4;
    link.answer(0x40, 0x1234, 0x10);
    link.flush();
    assertEquals(taken, [0x40, 2, 0x12, 0x34, 0x40, 3, 0x12, 0x34, 0x10, 0xd0, 0, 0x40, 2, 0x12, 0x34]);
  });

  test("[MQTT-3.1.2-24] are not sent where they are larger than the Maximum Packet Size", () => {
    const { link, taken } = new Scene();
    link.maximumPacketSize = 4;
    link.answer(0x40, 1, 0x10);
    link.answer(0x40, 2, 0);
    link.maximumPacketSize = 3;
    link.answer(0x40, 3, 0);
    link.answer(0xd0, -1, 0);
    link.flush();
    assertEquals(taken, [0x40, 2, 0, 2, 0xd0, 0]);
  });

  test("[MQTT-3.1.2-29] say why where the peer takes that and it fits", () => {
    const scene = new Scene();
    const { link } = scene;
    const whole = { type: PacketType.PUBACK, packetId: 7, reasonCode: 0x87 } as const;
    const answer = () => {
      link.answerWith(0x40, 7, 0x87, "why");
      return scene.takePacket();
    };
    const explained = { ...whole, properties: { reasonString: "why" } };
    assertEquals(answer(), explained);
    link.maximumPacketSize = 12;
    assertEquals(answer(), explained);
    link.maximumPacketSize = 11;
    assertEquals(answer(), whole);
    link.maximumPacketSize = Infinity;
    link.explains = false;
    assertEquals(answer(), whole);
    link.explains = true;
    link.level = 4;
    link.answerWith(0x40, 7, 0x87, "why");
    link.flush();
    assertEquals(scene.taken, [0x40, 2, 0, 7]);
  });

  test("with a reason and packets are told of, too, when they are not read", () => {
    const { link, calls } = new Scene();
    link.answerBytesMax = 0;
    link.answerWith(0x40, 7, 0x87, "why");
    link.send({ type: PacketType.PINGRESP });
    assertEquals(calls, ["answersUnread", "answersUnread"]);
  });

  test("keep the Reason String of a packet that is as large as may be", () => {
    const scene = new Scene();
    const packet = {
      type: PacketType.DISCONNECT,
      reasonCode: 0x9c,
      properties: { reasonString: "why" },
    } as const;
    for (const [most, properties] of [[10, packet.properties], [9, undefined]] as const) {
      scene.link.maximumPacketSize = most;
      assert(scene.link.send(packet));
      assertEquals((scene.takePacket() as Partial<typeof packet>).properties, properties);
    }
  });

  test("[MQTT-3.1.2-24] fits() says what send() does, to the byte", () => {
    const { link } = new Scene();
    const packet = { type: PacketType.PUBACK, packetId: 1, reasonCode: 0x87 } as const;
    for (const [most, fits] of [[5, true], [4, false]] as const) {
      link.maximumPacketSize = most;
      assertEquals([link.fits(packet), link.send(packet)], [fits, fits]);
    }
  });
});

describe("the bytes of a link", () => {
  test("are written at once when many wait, and at the end of the turn otherwise", () => {
    const { link, taken } = new Scene();
    const put = (bytes: number) => {
      link.outbox.append(new Uint8Array(bytes), 0, bytes);
      link.touch();
    };
    put(64 * 1024 - 1);
    assertEquals(taken.length, 0);
    put(1);
    assertEquals(taken.length, 64 * 1024);
  });

  test("wait for drained() once the transport has taken less", () => {
    const scene = new Scene();
    const { link, taken } = scene;
    scene.most = 2;
    link.answer(0x40, 1, 0);
    link.flush();
    scene.most = Infinity;
    link.flush();
    assertEquals([taken.length, link.blocked], [2, true]);
    link.drained();
    assertEquals([taken.length, link.blocked], [4, false]);
    link.answer(0x40, 2, 0);
    link.flush();
    assertEquals(taken.length, 8);
  });

  test("are forgotten when the transport is over, those of an incomplete frame too", () => {
    const scene = new Scene();
    const { link, taken, calls } = scene;
    link.receive(Uint8Array.of(0xd0), scene);
    assertEquals(link.keptBytes, 1);
    link.hold();
    link.answer(0x40, 1, 0);
    link.commitBegins();
    link.discard();
    link.commitFailed();
    link.flush();
    assertEquals([link.keptBytes, link.outbox.size, taken, calls], [0, 0, [], []]);
  });
});

describe("the reasons to pause", () => {
  test("do not know of each other", () => {
    const all = [Pause.VERDICT, Pause.RATE, Pause.RATE, Pause.TURN];
    for (const one of all) {
      const { link } = new Scene();
      link.pause(one);
      for (const other of all) {
        if (other === one) continue;
        link.pause(other);
        assertEquals([link.unpause(one), link.paused], [false, true]);
        assertEquals([link.unpause(other), link.paused], [true, false]);
        link.pause(one);
      }
    }
  });

  test("let the transport pause again after they are gone", () => {
    const scene = new Scene();
    const { link, calls } = scene;
    for (let i = 0; i < 2; i++) {
      link.pause(Pause.TURN);
      assert(link.pauseTransport());
      assert(link.unpause(Pause.TURN));
      link.readOn(scene);
    }
    link.pause(Pause.TURN);
    assert(link.unpause(Pause.TURN));
    link.readOn(scene);
    assertEquals(calls, ["pause", "resume", "pause", "resume"]);
  });
});

describe("a commit after another", () => {
  test("what is written while one is under way waits for the next, also if nothing waited for the first", () => {
    const { link, taken } = new Scene();
    link.commitBegins();
    link.answer(0x40, 1, 0);
    assert(link.hold());
    link.answer(0x40, 2, 0);
    link.committed();
    link.flush();
    assertEquals(taken, [0x40, 2, 0, 1]);
    link.commitBegins();
    link.commitFailed();
    link.answer(0x40, 3, 0);
    link.flush();
    assertEquals(taken.slice(4), [0x40, 2, 0, 3]);
  });

  test("has the link written when it is done", () => {
    const { link, touched, taken } = new Scene();
    link.hold();
    link.answer(0x40, 1, 0);
    link.endTurn();
    link.commitBegins();
    link.committed();
    assertEquals(touched.length, 2);
    link.endTurn();
    assertEquals(taken, [0x40, 2, 0, 1]);
  });
});
