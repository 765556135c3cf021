/** §2.1, §3.1.0 packets of which only the beginning comes: nothing is waited for that cannot be right. @module */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, test } from "node:test";
import type { Rule } from "../codec/error.ts";
import type { ProtocolLevel } from "../codec/packet.ts";
import { assertClosed, assertEnded, Told } from "../testing/assertions.ts";
import { bytesOf, frame, utf8 } from "../testing/frame.ts";
import { Pair } from "../testing/pair.ts";

type Row = readonly [name: string, bytes: readonly number[], rule: Rule, level?: ProtocolLevel];

const ascii = (text: string) => [...new TextEncoder().encode(text)];
/** A Remaining Length whose bytes do not come. */
const MORE = [0xff, 0x7f];
/** Bytes: below the largest that a Remaining Length can say. */
const LARGE = 100_000_000;

describe("before CONNECT the first byte that cannot be right ends the connection", () => {
  const rows: readonly Row[] = [
    ["packet type 0", [0], "MQTT-3.1.0-1"],
    ["one byte of PUBLISH", [0x30], "MQTT-3.1.0-1"],
    ["a PINGREQ that promises more", [0xc0, ...MORE], "MQTT-3.1.0-1"],
    ["a server's packet", [0x20, ...MORE], "MQTT-3.1.0-1"],
    ["a short line of HTTP", ascii("GET / HTTP/1.1\r\n"), "MQTT-3.1.0-1"],
    ["HTTP that fills what it promises", ascii(`GET /${"a".repeat(200)}`), "MQTT-3.1.0-1"],
    ["HTTP/2", ascii("PRI * HTTP/2.0\r\n"), "MQTT-3.1.0-1"],
    ["CONNECT with flags 0001", [0x11], "MQTT-2.1.3-1"],
    ["TLS, its first byte", [0x16], "MQTT-2.1.3-1"],
    ["TLS", [0x16, 3, 1, 2, 0, 1, 0], "MQTT-2.1.3-1"],
    ["a Remaining Length of five bytes", [0x10, 0x80, 0x80, 0x80, 0x80], "1.5.5/fifth-byte"],
    ["a packet above the maximum", [0x10, 0xff, 0xff, 0xff, 0x7f, ...utf8("MQTT"), 4], "2.1.4/too-large"],
    ["another name", [0x10, ...MORE, 0, 4, 0x4d, 0x51, 0x54, 0x53], "MQTT-3.1.2-1"],
    ["an empty name", [0x10, ...MORE, 0, 0], "MQTT-3.1.2-1"],
    ["a long name", [0x10, ...MORE, 1], "MQTT-3.1.2-1"],
    ["a version that does not exist", [0x10, ...MORE, ...utf8("MQTT"), 6], "MQTT-3.1.2-2", 5],
  ];
  for (const [name, bytes, rule, level = 4] of rows) {
    test(`[MQTT-3.1.0-1] ${name}, whole or byte by byte`, () => {
      for (const isCut of [false, true]) {
        const told = new Told();
        const client = new Pair({ hooks: told.hooks, limits: { connectBytesMax: LARGE } }).open(level);
        if (isCut) { for (const byte of bytes) client.raw(byte); }
        else client.raw(...bytes);
        client.pair.settle();
        client.inbox.length = 0; // where there is a CONNACK it is in the tests of its rule
        assertClosed(client);
        assertEquals(told.refusals.map((refusal) => refusal.rule), [rule], `${isCut}`);
      }
    });
  }

  test("the log says so if HTTP or TLS was spoken", () => {
    for (const [bytes, protocol] of [[ascii("GET / HTTP/1.1\r\n"), "HTTP"], [[0x16, 3, 1], "TLS"]] as const) {
      const told = new Told();
      new Pair({ hooks: told.hooks }).open(5).raw(...bytes);
      assertStringIncludes(told.refusals[0]!.message, `${protocol} begins so`);
    }
  });

  test("a CONNECT is accepted however it is cut", () => {
    for (const [name, version] of [["MQTT", 4], ["MQTT", 5], ["MQIsdp", 3], ["MQTT", 0x84]] as const) {
      const client = new Pair().open(version === 5 ? 5 : 4);
      const none = version === 5 ? [0] : [];
      const connect = frame(0x10, utf8(name), version, 2, [0, 0], none, utf8("c".repeat(200)));
      for (const byte of connect) client.raw(byte);
      client.pair.settle();
      assertEquals(client.inbox.length, 1);
      assertEquals(client.over, false);
    }
  });
});

describe("behind CONNECT too", () => {
  const rows: readonly Row[] = [
    ["packet type 0", [0x00], "2.1.2/reserved-type"],
    ["QoS 3", [0x36], "MQTT-3.3.1-4"],
    ["DUP with QoS 0", [0x38, ...MORE], "MQTT-3.3.1-2"],
    ["SUBSCRIBE with flags 0000", [0x80, ...MORE], "MQTT-3.8.1-1"],
    ["UNSUBSCRIBE with flags 0011", [0xa3], "MQTT-3.10.1-1"],
    ["PUBREL with flags 0000", [0x60, ...MORE], "MQTT-3.6.1-1"],
    ["PUBACK with flags 0001", [0x41], "MQTT-2.1.3-1"],
    ["a second CONNECT", [0x10], "MQTT-3.1.0-2"],
    ["CONNACK", [0x20], "3.1.0/direction"],
    ["PINGRESP that promises more", [0xd0, ...MORE], "3.1.0/direction"],
    ["PINGREQ that promises more", [0xc0, ...MORE], "2.1.4/trailing"],
    ["DISCONNECT that promises more", [0xe0, ...MORE], "2.1.4/trailing", 4],
    ["PUBACK that promises more", [0x40, 3], "2.1.4/trailing", 4],
    ["AUTH", [0xf0], "2.1.2/reserved-type", 4],
  ];
  for (const [name, bytes, rule, level = 5] of rows) {
    test(`[MQTT-2.1.3-1] ${name}, level ${level}, behind a whole packet that is served`, () => {
      const told = new Told();
      const pair = new Pair({ hooks: told.hooks });
      const reader = pair.connect({ clientId: "reader" });
      reader.subscribe("t");
      const client = pair.connect({ level });
      client.write(bytesOf(frame(0x30, utf8("t"), level === 5 ? [0] : []), bytes));
      assertEquals(reader.take(3).topic, "t");
      told.connects.length = 0;
      if (level === 5) assertEnded(client, told.ends[0]!.refusal!.code, rule);
      else assertClosed(client);
      assertEquals(told.ends.map(({ refusal }) => refusal?.rule), [rule]);
    });
  }

  test("packets that are right may come byte by byte", () => {
    for (const level of [3, 4, 5] as const) {
      const pair = new Pair();
      const client = pair.connect({ level });
      const dup = level === 3 ? 8 : 0;
      const none = level === 5 ? [0] : [];
      const packets = bytesOf(
        frame(0x82 | dup, [0, 1], none, utf8("t"), 0),
        frame(0x3b, utf8("t"), [0, 2], none),
        frame(0x62 | dup, [0, 9]),
        frame(0xa2 | dup, [0, 3], none, utf8("t")),
        frame(0xc0),
      );
      for (const byte of packets) client.raw(byte);
      assertEquals(client.over, false);
    }
  });
});
