/** A batch of events on its way to the thread of the hooks. @module */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { encodePacket } from "../codec/encode.ts";
import type { Publish } from "../codec/packet.ts";
import { PacketType } from "../codec/packet_type.ts";
import { viewOf } from "../codec/publish_view.ts";
import { publishedOf, type RareEvent } from "./event.ts";
import type { PublishEvent } from "./hooks.ts";
import { pack, unpack } from "./pack.ts";

/** A message as a tap gets it. */
function published(init: Partial<Publish> & { topic: string }, payload: string, publisher?: string) {
  const packet: Publish = {
    type: PacketType.PUBLISH,
    dup: false,
    qos: 0,
    retain: false,
    payload: new TextEncoder().encode(payload),
    ...init,
  };
  return publishedOf({ topic: init.topic, view: viewOf(encodePacket(packet, 5), true), publisher }, 7);
}

const left: RareEvent = {
  kind: "disconnect",
  at: 5,
  client: { clientId: "c", username: undefined, level: 5, address: "::1" },
  clean: true,
  reason: undefined,
};

describe("a packed batch", () => {
  test("gives the events again in their order, with properties, payload, and the place of their filter", () => {
    const properties = { contentType: "text/plain", userProperties: [["a", "b"]] as [string, string][] };
    const batch = structuredClone(pack([
      {
        event: published({ topic: "a/b", qos: 2, packetId: 9, retain: true, properties }, "één", "c1"),
        tap: 1,
      },
      { event: left, tap: -1 },
      { event: published({ topic: "b" }, ""), tap: 0 },
    ]));
    const events = [...unpack(batch)];
    assertEquals(events.map(({ tap }) => tap), [1, -1, 0]);
    const [first, second, third] = events.map(({ event }) => event) as [
      PublishEvent,
      RareEvent,
      PublishEvent,
    ];
    const { text, payload, ...rest } = first;
    assertEquals(rest, { at: 7, clientId: "c1", topic: "a/b", qos: 2, retain: true, properties });
    assertEquals([text(), payload.length], ["één", 5]);
    assertEquals(second, left);
    assertEquals([third.clientId, third.topic, third.text(), third.properties], [undefined, "b", "", {}]);
  });

  test("has bytes of its own: what the engine does with the frame afterwards does not show", () => {
    const frame = encodePacket(
      {
        type: PacketType.PUBLISH,
        dup: false,
        qos: 0,
        retain: false,
        topic: "t",
        payload: new Uint8Array([65, 66]),
      },
      5,
    );
    const event = publishedOf({ topic: "t", view: viewOf(frame, true), publisher: undefined }, 0);
    frame.fill(0);
    const [told] = [...unpack(pack([{ event, tap: 0 }]))];
    assertEquals((told!.event as PublishEvent).text(), "AB");
  });
});
