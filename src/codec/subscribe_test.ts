/** §3.8 SUBSCRIBE: what is refused, by which rule, and where the fields stand. @module */
import { assertEquals, assertThrows } from "@std/assert";
import { describe, test } from "node:test";
import { decodePacket } from "./decode.ts";
import { encodePacket } from "./encode.ts";
import { UsageError } from "./error.ts";
import type { Subscribe, SubscriptionRequest } from "./packet.ts";
import { PacketType } from "./packet_type.ts";
import { frame, properties, utf8 } from "../testing/frame.ts";
import { assertRefused } from "../testing/refused.ts";

const NONE = properties();
const LEVELS = [3, 4, 5] as const;

function request(filter: string, given: Partial<SubscriptionRequest> = {}): SubscriptionRequest {
  return { filter, qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0, ...given };
}

function subscribe(...subscriptions: SubscriptionRequest[]): Subscribe {
  return { type: PacketType.SUBSCRIBE, packetId: 1, subscriptions };
}

describe("SUBSCRIBE", () => {
  test("decode and encode agree with the standard's layout", () => {
    const packet = subscribe(
      request("a/#", { qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 }),
      request("+", { qos: 1, retainHandling: 1 }),
    );
    const at5 = frame(0x82, [0, 1], NONE, utf8("a/#"), 0b0010_1110, utf8("+"), 0b0001_0001);
    assertEquals(decodePacket(at5, 5), packet);
    assertEquals(encodePacket(packet, 5), at5);
    const at4 = frame(0x82, [0, 1], utf8("a/#"), 2, utf8("+"), 1);
    assertEquals(decodePacket(at4, 4), subscribe(request("a/#", { qos: 2 }), request("+", { qos: 1 })));
    assertEquals(encodePacket(packet, 4), at4);
  });

  test("[MQTT-3.8.1-1] decode refuses flags other than 0010; at level 3 DUP may be set", () => {
    for (let flags = 0; flags < 16; flags++) {
      const bytes = frame(0x80 | flags, [0, 1], utf8("a"), 0);
      if (flags !== 2) assertRefused(() => decodePacket(bytes, 4), "MQTT-3.8.1-1", 0x81);
    }
    assertEquals(decodePacket(frame(0x8a, [0, 1], utf8("a"), 0), 3), subscribe(request("a")));
  });

  test("[2.2.1/zero] decode and encode refuse Packet Identifier 0", () => {
    assertRefused(() => decodePacket(frame(0x82, [0, 0], NONE, utf8("a"), 0), 5), "2.2.1/zero", 0x82);
    assertThrows(
      () => encodePacket({ ...subscribe(request("a")), packetId: 0 }, 5),
      UsageError,
      "2.2.1/zero",
    );
  });

  test("[MQTT-3.8.3-2] decode and encode refuse a SUBSCRIBE without Topic Filter", () => {
    assertRefused(() => decodePacket(frame(0x82, [0, 1], NONE), 5), "MQTT-3.8.3-2", 0x82);
    assertRefused(() => decodePacket(frame(0x82, [0, 1]), 4), "MQTT-3.8.3-2", 0x82);
    assertThrows(() => encodePacket(subscribe(), 5), UsageError, "MQTT-3.8.3-2");
  });

  test("[MQTT-3.8.3-1] decode refuses a Topic Filter that is not UTF-8", () => {
    for (const level of LEVELS) {
      const head = level === 5 ? [0, 1, ...NONE] : [0, 1];
      assertRefused(() => decodePacket(frame(0x82, head, utf8([0xff]), 0), level), "MQTT-1.5.4-1", 0x81);
    }
  });

  test("[MQTT-4.7.3-1] decode and encode refuse an empty Topic Filter", () => {
    assertRefused(() => decodePacket(frame(0x82, [0, 1], NONE, utf8(""), 0), 5), "MQTT-4.7.3-1", 0x8f);
    assertRefused(() => decodePacket(frame(0x82, [0, 1], utf8(""), 0), 4), "MQTT-4.7.3-1", 0x8f);
    assertThrows(() => encodePacket(subscribe(request("")), 5), UsageError, "MQTT-4.7.3-1");
  });

  test("[MQTT-3.8.3-5] decode refuses the reserved bits of the Subscription Options", () => {
    for (const options of [0x40, 0x80, 0xc0, 0x41]) {
      assertRefused(
        () => decodePacket(frame(0x82, [0, 1], NONE, utf8("a"), options), 5),
        "MQTT-3.8.3-5",
        0x81,
      );
    }
    for (const options of [0x04, 0x08, 0x10, 0x20, 0x40, 0x80]) {
      assertRefused(() => decodePacket(frame(0x82, [0, 1], utf8("a"), options), 4), "MQTT-3.8.3-5", 0x81);
    }
  });

  test("[3.8.3.1/qos-3] decode and encode refuse QoS 3", () => {
    assertRefused(() => decodePacket(frame(0x82, [0, 1], NONE, utf8("a"), 3), 5), "3.8.3.1/qos-3", 0x82);
    assertRefused(() => decodePacket(frame(0x82, [0, 1], utf8("a"), 3), 4), "3.8.3.1/qos-3", 0x82);
    for (const level of LEVELS) {
      const packet = subscribe(request("a", { qos: 3 as 2 }));
      assertThrows(() => encodePacket(packet, level), UsageError, "3.8.3.1/qos-3");
    }
  });

  test("[3.8.3.1/retain-handling-3] decode and encode refuse Retain Handling 3", () => {
    const bytes = frame(0x82, [0, 1], NONE, utf8("a"), 0x30);
    assertRefused(() => decodePacket(bytes, 5), "3.8.3.1/retain-handling-3", 0x82);
    const packet = subscribe(request("a", { retainHandling: 3 as 2 }));
    assertThrows(() => encodePacket(packet, 5), UsageError, "3.8.3.1/retain-handling-3");
  });

  test("[3.8.2.1.2/zero] decode and encode refuse Subscription Identifier 0", () => {
    const bytes = frame(0x82, [0, 1], properties(0x0b, 0), utf8("a"), 0);
    assertRefused(() => decodePacket(bytes, 5), "3.8.2.1.2/zero", 0x82);
    const packet = { ...subscribe(request("a")), properties: { subscriptionIdentifier: 0 } };
    assertThrows(() => encodePacket(packet, 5), UsageError, "3.8.2.1.2/zero");
  });

  test("[2.1.4/short] decode refuses a Topic Filter without options", () => {
    assertRefused(() => decodePacket(frame(0x82, [0, 1], NONE, utf8("a")), 5), "2.1.4/short", 0x81);
    assertRefused(() => decodePacket(frame(0x82, [0, 1], NONE, utf8("a"), 0, utf8("b")), 5), "2.1.4/short");
    assertRefused(() => decodePacket(frame(0x82, [0, 1], NONE, 0), 5), "2.1.4/short", 0x81);
  });

  test("filters that are not well-formed are left to the Server", () => {
    for (const filter of ["a#", "#/a", "a+", "$share//a", "$share/g"]) {
      assertEquals(
        decodePacket(frame(0x82, [0, 1], NONE, utf8(filter), 0), 5),
        subscribe(request(filter)),
      );
    }
  });
});
