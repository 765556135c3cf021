/** §3.15, §3.1.2.11.4 An AUTH that the Client cannot take. */
import { assertEquals } from "@std/assert";
import { describe, test } from "node:test";
import { PacketType } from "../codec/packet_type.ts";
import { Pair } from "../testing/pair.ts";

describe("AUTH above the Client's Maximum Packet Size", () => {
  test("[MQTT-3.1.2-24] it is not sent, and the connection is refused with 0x95 at once", () => {
    const pair = new Pair({
      authenticationMethods: ["m"],
      authenticate: () => ({ code: 0x18, authenticationData: new Uint8Array(100) }),
    });
    const client = pair.open();
    client.connect({ properties: { authenticationMethod: "m", maximumPacketSize: 50 } });
    const connack = client.take(PacketType.CONNACK);
    assertEquals(connack.reasonCode, 0x95);
    assertEquals(client.inbox, []);
    client.transport.close();
    pair.settle();
    pair.assertEmpty();
  });

  test("[MQTT-3.1.2-24] the same ends a re-authentication", () => {
    let asked = 0;
    const pair = new Pair({
      authenticationMethods: ["m"],
      authenticate: () =>
        asked++ === 0 ? { code: 0 } : { code: 0x18, authenticationData: new Uint8Array(100) },
    });
    const client = pair.connect({ properties: { authenticationMethod: "m", maximumPacketSize: 50 } });
    client.send({ type: PacketType.AUTH, reasonCode: 0x19, properties: { authenticationMethod: "m" } });
    assertEquals(client.take(PacketType.DISCONNECT).reasonCode, 0x95);
    assertEquals(client.inbox, []);
  });
});
