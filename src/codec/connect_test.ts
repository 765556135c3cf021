/** §3.1 CONNECT: what is refused, by which rule, and where the fields stand. @module */
import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { UnsupportedVersion } from "./connect.ts";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { UsageError } from "./error.ts";
import type { Connect } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { binary, bytesOf, frame, type Part, properties, utf8 } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

const CLEAN = 0x02;
const WILL = 0x04;
const WILL_QOS_1 = 0x08;
const WILL_RETAIN = 0x20;
const PASSWORD = 0x40;
const USER_NAME = 0x80;

const NONE = properties();

/** A CONNECT of level 5 with those flags, without properties, with that payload. */
function connect5(flags: number, ...payload: Part[]): Uint8Array {
  return frame(0x10, utf8("MQTT"), 5, flags, [0, 60], NONE, ...payload);
}

/** A CONNECT of level 4. */
function connect4(flags: number, ...payload: Part[]): Uint8Array {
  return frame(0x10, utf8("MQTT"), 4, flags, [0, 60], ...payload);
}

/** A CONNECT of level 3. */
function connect3(flags: number, ...payload: Part[]): Uint8Array {
  return frame(0x10, utf8("MQIsdp"), 3, flags, [0, 60], ...payload);
}

function decode(bytes: Uint8Array): Connect {
  return decodePacket(bytes, 4) as Connect; // the level is the packet's own
}

const PLAIN = { type: PacketType.CONNECT, level: 5, cleanStart: true, keepAlive: 60, clientId: "c" } as const;
const X = Uint8Array.of(0x78);

describe("CONNECT", () => {
  test("decode takes the level from name and version", () => {
    assertEquals(decode(connect5(CLEAN, utf8("c"))), PLAIN);
    assertEquals(decode(connect4(CLEAN, utf8("c"))), { ...PLAIN, level: 4 });
    assertEquals(decode(connect3(CLEAN, utf8("c"))), { ...PLAIN, level: 3 });
  });

  test("decode takes bit 7 of the version as a bridge's, at levels 3 and 4", () => {
    const of31 = frame(0x10, utf8("MQIsdp"), 0x83, CLEAN, [0, 60], utf8("c"));
    const of311 = frame(0x10, utf8("MQTT"), 0x84, CLEAN, [0, 60], utf8("c"));
    assertEquals(decode(of31), { ...PLAIN, level: 3, bridge: true });
    assertEquals(decode(of311), { ...PLAIN, level: 4, bridge: true });
    assertEquals(encodePacket({ ...PLAIN, level: 3, bridge: true }, 3), of31);
    assertEquals(encodePacket({ ...PLAIN, level: 4, bridge: true }, 4), of311);
    const of5 = frame(0x10, utf8("MQTT"), 0x85, CLEAN, [0, 60], NONE, utf8("c"));
    assertRefused(() => decode(of5), "MQTT-3.1.2-2", 0x84);
    assertThrows(() => encodePacket({ ...PLAIN, bridge: true }, 5), UsageError);
  });

  test("[MQTT-3.1.2-1] decode refuses every other protocol name", () => {
    for (
      const [name, version] of [["mqtt", 5], ["MQTTT", 5], ["", 4], ["MQIsdp", 5], ["MQIsdp", 4]] as const
    ) {
      const bytes = frame(0x10, utf8(name), version, CLEAN, [0, 60], NONE, utf8("c"));
      assertRefused(() => decode(bytes), "MQTT-3.1.2-1", 0x84);
    }
  });

  test("[MQTT-3.1.2-1] encode writes the protocol name and version", () => {
    assertEquals([...encodePacket(PLAIN, 5).subarray(2, 9)], [...utf8("MQTT"), 5]);
    assertEquals([...encodePacket({ ...PLAIN, level: 4 }, 4).subarray(2, 9)], [...utf8("MQTT"), 4]);
    assertEquals([...encodePacket({ ...PLAIN, level: 3 }, 3).subarray(2, 11)], [...utf8("MQIsdp"), 3]);
  });

  test("[MQTT-3.1.2-2] decode refuses versions that do not exist, and tells which it was", () => {
    for (const version of [0, 1, 2, 3, 6, 0x83, 0x86, 0xff]) {
      const bytes = frame(0x10, utf8("MQTT"), version, CLEAN, [0, 60], NONE, utf8("c"));
      const error = assertRefused(() => decode(bytes), "MQTT-3.1.2-2", 0x84);
      assertInstanceOf(error, UnsupportedVersion);
      assertEquals(error.version, version);
    }
  });

  test("an unsupported version is told before anything behind it is read", () => {
    assertRefused(() => decode(frame(0x10, utf8("MQTT"), 9)), "MQTT-3.1.2-2", 0x84);
  });

  test("[MQTT-3.1.2-3] decode refuses the reserved flag, but at level 3, where it is unused", () => {
    assertRefused(() => decode(connect5(CLEAN | 1, utf8("c"))), "MQTT-3.1.2-3", 0x81);
    assertRefused(() => decode(connect4(CLEAN | 1, utf8("c"))), "MQTT-3.1.2-3", 0x81);
    assertEquals(decode(connect3(CLEAN | 1, utf8("c"))), { ...PLAIN, level: 3 });
  });

  test("[MQTT-3.1.2-9] decode refuses a Will Flag without a will", () => {
    assertRefused(() => decode(connect5(WILL, utf8("c"))), "MQTT-3.1.2-9", 0x81);
    assertRefused(() => decode(connect4(WILL, utf8("c"))), "MQTT-3.1.2-9", 0x81);
    assertRefused(() => decode(connect5(WILL, utf8("c"), NONE, utf8("t"))), "2.1.4/short", 0x81);
    assertRefused(() => decode(connect5(WILL, utf8("c"), NONE)), "2.1.4/short", 0x81);
  });

  test("[MQTT-3.1.2-9] encode writes Will Properties, Will Topic and Will Payload where there is a will", () => {
    const will = { topic: "t", payload: X, qos: 1, retain: true } as const;
    const flags = CLEAN | WILL | WILL_QOS_1 | WILL_RETAIN;
    assertEquals(
      encodePacket({ ...PLAIN, will }, 5),
      connect5(flags, utf8("c"), NONE, utf8("t"), binary(X)),
    );
    assertEquals(
      encodePacket({ ...PLAIN, level: 4, will }, 4),
      connect4(flags, utf8("c"), utf8("t"), binary(X)),
    );
  });

  test("[MQTT-3.1.2-11] decode refuses a Will QoS without Will Flag, but at level 3", () => {
    for (const qos of [0x08, 0x10, 0x18]) {
      assertRefused(() => decode(connect5(qos, utf8("c"))), "MQTT-3.1.2-11", 0x81);
      assertRefused(() => decode(connect4(qos, utf8("c"))), "MQTT-3.1.2-11", 0x81);
      assertEquals(decode(connect3(CLEAN | qos, utf8("c"))), { ...PLAIN, level: 3 });
    }
  });

  test("[MQTT-3.1.2-12] decode and encode refuse Will QoS 3", () => {
    const payload = [utf8("c"), NONE, utf8("t"), binary(X)];
    assertRefused(() => decode(connect5(WILL | 0x18, ...payload)), "MQTT-3.1.2-12", 0x81);
    assertRefused(() => decode(connect4(WILL | 0x18, utf8("c"), utf8("t"), binary(X))), "MQTT-3.1.2-12");
    assertRefused(() => decode(connect3(WILL | 0x18, utf8("c"), utf8("t"), binary(X))), "MQTT-3.1.2-12");
    const will = { topic: "t", payload: X, qos: 3 as 0, retain: false };
    assertThrows(() => encodePacket({ ...PLAIN, will }, 5), UsageError, "MQTT-3.1.2-12");
  });

  test("[MQTT-3.1.2-13] decode refuses Will Retain without Will Flag", () => {
    assertRefused(() => decode(connect5(WILL_RETAIN, utf8("c"))), "MQTT-3.1.2-13", 0x81);
    assertRefused(() => decode(connect4(WILL_RETAIN, utf8("c"))), "MQTT-3.1.2-13", 0x81);
  });

  test("[MQTT-3.1.2-11] [MQTT-3.1.2-13] encode leaves Will QoS and Will Retain 0 without a will", () => {
    assertEquals(encodePacket(PLAIN, 5)[9], CLEAN);
  });

  test("[MQTT-3.1.2-16] decode refuses a User Name that no flag announces", () => {
    assertRefused(() => decode(connect5(CLEAN, utf8("c"), utf8("u"))), "2.1.4/trailing", 0x81);
    assertRefused(() => decode(connect4(CLEAN, utf8("c"), utf8("u"))), "2.1.4/trailing", 0x81);
  });

  test("[MQTT-3.1.2-17] decode refuses a User Name Flag without User Name", () => {
    assertRefused(() => decode(connect5(USER_NAME, utf8("c"))), "MQTT-3.1.2-17", 0x81);
    assertRefused(() => decode(connect4(USER_NAME, utf8("c"))), "MQTT-3.1.2-17", 0x81);
  });

  test("[MQTT-3.1.2-18] decode refuses a Password that no flag announces", () => {
    assertRefused(() => decode(connect5(USER_NAME, utf8("c"), utf8("u"), binary(X))), "2.1.4/trailing", 0x81);
  });

  test("[MQTT-3.1.2-19] decode refuses a Password Flag without Password", () => {
    assertRefused(() => decode(connect5(PASSWORD, utf8("c"))), "MQTT-3.1.2-19", 0x81);
    assertRefused(() => decode(connect4(USER_NAME | PASSWORD, utf8("c"), utf8("u"))), "MQTT-3.1.2-19", 0x81);
  });

  test("at level 3 a flagged User Name or Password may be missing", () => {
    assertEquals(decode(connect3(CLEAN | USER_NAME | PASSWORD, utf8("c"))), { ...PLAIN, level: 3 });
    assertEquals(decode(connect3(CLEAN | USER_NAME | PASSWORD, utf8("c"), utf8("u"))), {
      ...PLAIN,
      level: 3,
      username: "u",
    });
  });

  test("[MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.2-18] [MQTT-3.1.2-19] encode writes credentials and flags alike", () => {
    const both = encodePacket({ ...PLAIN, username: "u", password: X }, 5);
    assertEquals(both, connect5(CLEAN | USER_NAME | PASSWORD, utf8("c"), utf8("u"), binary(X)));
    assertEquals(
      encodePacket({ ...PLAIN, username: "u" }, 5),
      connect5(CLEAN | USER_NAME, utf8("c"), utf8("u")),
    );
    assertEquals(
      encodePacket({ ...PLAIN, password: X }, 5),
      connect5(CLEAN | PASSWORD, utf8("c"), binary(X)),
    );
    assertEquals(encodePacket(PLAIN, 5), connect5(CLEAN, utf8("c")));
  });

  test("[MQTT311-3.1.2-22] below level 5 decode and encode refuse a Password without User Name", () => {
    assertRefused(() => decode(connect4(PASSWORD, utf8("c"), binary(X))), "MQTT311-3.1.2-22", 0x81);
    assertRefused(() => decode(connect3(PASSWORD, utf8("c"), binary(X))), "MQTT311-3.1.2-22", 0x81);
    assertThrows(() => encodePacket({ ...PLAIN, level: 4, password: X }, 4), UsageError, "MQTT311-3.1.2-22");
    assertEquals(decode(connect5(CLEAN | PASSWORD, utf8("c"), binary(X))).password, X);
  });

  test("[MQTT-3.1.3-1] the fields of the payload stand in their order", () => {
    const flags = CLEAN | WILL | USER_NAME | PASSWORD;
    const packet: Connect = {
      ...PLAIN,
      will: {
        topic: "t",
        payload: X,
        qos: 0,
        retain: false,
        properties: { willDelayInterval: 1 },
      },
      username: "u",
      password: Uint8Array.of(0x70),
      properties: { receiveMaximum: 10 },
    };
    const bytes = frame(
      0x10,
      utf8("MQTT"),
      5,
      flags,
      [0, 60],
      properties(0x21, [0, 10]),
      utf8("c"),
      properties(0x18, [0, 0, 0, 1]),
      utf8("t"),
      binary(X),
      utf8("u"),
      binary([0x70]),
    );
    assertEquals(encodePacket(packet, 5), bytes);
    assertEquals(decode(bytes), packet);
  });

  test("[MQTT-3.1.3-3] decode refuses a CONNECT without Client Identifier; an empty one is one", () => {
    assertRefused(() => decode(connect5(CLEAN)), "MQTT-3.1.3-3", 0x81);
    assertRefused(() => decode(connect4(CLEAN)), "MQTT-3.1.3-3", 0x81);
    assertEquals(decode(connect5(CLEAN, utf8(""))).clientId, "");
    assertEquals(decode(connect4(0, utf8(""))).clientId, ""); // a Server answers it with return code 2
  });

  test("[MQTT-3.1.3-4] decode refuses a Client Identifier that is not UTF-8", () => {
    assertRefused(() => decode(connect5(CLEAN, utf8([0xff]))), "MQTT-1.5.4-1", 0x81);
  });

  test("[MQTT311-3.1.3-7] encode refuses an empty Client Identifier without Clean Session at level 4", () => {
    const packet: Connect = { ...PLAIN, level: 4, cleanStart: false, clientId: "" };
    assertThrows(() => encodePacket(packet, 4), UsageError, "MQTT311-3.1.3-7");
    assertEquals(decode(encodePacket({ ...packet, cleanStart: true }, 4)).clientId, "");
    assertEquals(decode(encodePacket({ ...packet, level: 5 }, 5)).clientId, "");
  });

  test("[3.1.3.1/level-3-empty] encode refuses an empty Client Identifier at level 3", () => {
    assertThrows(() => encodePacket({ ...PLAIN, level: 3, clientId: "" }, 3), UsageError, "level-3-empty");
  });

  test("[MQTT-3.1.3-11] decode refuses a Will Topic that is not UTF-8", () => {
    const bytes = connect5(WILL, utf8("c"), NONE, utf8([0xc0, 0x80]), binary(X));
    assertRefused(() => decode(bytes), "MQTT-1.5.4-1", 0x81);
  });

  test("[MQTT-3.1.3-12] decode refuses a User Name that is not UTF-8", () => {
    const bytes = connect5(USER_NAME, utf8("c"), utf8([0xed, 0xa0, 0x80]));
    assertRefused(() => decode(bytes), "MQTT-1.5.4-1", 0x81);
  });

  test("Password and Will Payload may be any bytes", () => {
    const any = Uint8Array.of(0x00, 0xff, 0xc0);
    const packet: Connect = {
      ...PLAIN,
      will: { topic: "t", payload: any, qos: 2, retain: false },
      password: any,
    };
    assertEquals(decode(encodePacket(packet, 5)), packet);
  });

  test("[3.1.3.3/empty] decode and encode refuse an empty Will Topic", () => {
    const bytes = connect5(WILL, utf8("c"), NONE, utf8(""), binary(X));
    assertRefused(() => decode(bytes), "3.1.3.3/empty", 0x90);
    const will = { topic: "", payload: X, qos: 0, retain: false } as const;
    assertThrows(() => encodePacket({ ...PLAIN, will }, 5), UsageError, "3.1.3.3/empty");
  });

  test("[MQTT-4.7.3-1] [3.1.3.2.6/wildcard] decode and encode refuse a Response Topic of a will that is no Topic Name", () => {
    for (const [responseTopic, rule] of [["", "MQTT-4.7.3-1"], ["a/+", "3.1.3.2.6/wildcard"]] as const) {
      const will = { topic: "w", payload: new Uint8Array(), qos: 0 as const, retain: false };
      const fine = encodePacket(
        { ...PLAIN, will: { ...will, properties: { contentType: responseTopic } } },
        5,
      );
      const bytes = fine.map((byte, i) => byte === 3 && fine[i + 1] === 0 && i > 12 ? 8 : byte);
      assertRefused(() => decodePacket(bytes, 5), rule, 0x82);
      const bad = { ...will, properties: { responseTopic } };
      assertThrows(() => encodePacket({ ...PLAIN, will: bad }, 5), UsageError, rule);
    }
  });

  test("[3.1.3.3/wildcard] decode and encode refuse wildcards in the Will Topic", () => {
    for (const topic of ["#", "a/+/b", "a#"]) {
      const bytes = connect5(WILL, utf8("c"), NONE, utf8(topic), binary(X));
      assertRefused(() => decode(bytes), "3.1.3.3/wildcard", 0x90);
      const will = { topic, payload: X, qos: 0, retain: false } as const;
      assertThrows(() => encodePacket({ ...PLAIN, will }, 5), UsageError, "3.1.3.3/wildcard");
    }
  });

  test("[3.1.2.11.10/no-method] decode and encode refuse Authentication Data without method", () => {
    const bytes = frame(0x10, utf8("MQTT"), 5, CLEAN, [0, 0], properties(0x16, binary(X)), utf8("c"));
    assertRefused(() => decode(bytes), "3.1.2.11.10/no-method", 0x82);
    const packet: Connect = { ...PLAIN, properties: { authenticationData: X } };
    assertThrows(() => encodePacket(packet, 5), UsageError, "no-method");
  });

  test("[2.1.4/short] decode refuses a CONNECT cut off anywhere", () => {
    const whole = encodePacket({ ...PLAIN, username: "user", password: X }, 5).subarray(2);
    for (let length = 0; length < whole.length; length++) {
      assertThrows(() => decode(frame(0x10, whole.slice(0, length))));
    }
    assertRefused(() => decode(frame(0x10, utf8("MQTT"))), "2.1.4/short", 0x81);
    assertRefused(() => decode(frame(0x10, utf8("MQTT"), 5, CLEAN, [0])), "2.1.4/short", 0x81);
  });

  test("encode refuses a level and a Keep Alive that do not exist", () => {
    assertThrows(() => encodePacket({ ...PLAIN, level: 6 as 5 }, 5), UsageError);
    for (const keepAlive of [-1, 65_536, 1.5, NaN]) {
      assertThrows(() => encodePacket({ ...PLAIN, keepAlive }, 5), UsageError);
    }
  });

  test("a view of the password is of the frame's own bytes", () => {
    const bytes = connect5(CLEAN | PASSWORD, utf8("c"), binary(X));
    const { password } = decode(bytes);
    assertEquals(password!.buffer, bytes.buffer);
    assertEquals(bytesOf(bytes.subarray(-1)), password);
  });
});
