/**
 * §6 WebSocket: what a Server under audit must select, send and take.
 * @module
 */
import { type ServerCase, serverCases } from "../../case.ts";
import { check, Finding } from "../../verdict.ts";
import { bytes, options, pingreq, subscribe, TYPE } from "../../wire/bytes.ts";
import type { Peer } from "../../wire/peer.ts";
import { payloadText } from "../../wire/parse.ts";
import { asText, type Framing, isUpgrade, MQTT, protocolsIn, type Socket } from "../../wire/websocket.ts";
import {
  BINARY,
  checkBinary,
  controlCase,
  cutCases,
  ofChapter,
  readApart,
  textCases,
  UNALIGNED,
} from "../../websocket_cases.ts";
import type { Trial } from "../trial.ts";

const SELECTED = ofChapter("MQTT-6.0.0-4", "MQTT311-6.0.0-4");

/** A WebSocket whose CONNECT was accepted. */
async function connected(t: Trial): Promise<{ readonly socket: Socket; readonly peer: Peer }> {
  const { socket, peer } = await t.openSocket();
  peer.send(t.connectBytes());
  const { code } = await peer.expect(TYPE.CONNACK);
  if (code !== 0) throw new Finding("inconclusive", "A plain CONNECT was to be accepted");
  return { socket, peer };
}

/** Sends CONNECT, SUBSCRIBE and a message, all in frames of that form; what was sent comes back. */
async function understood(t: Trial, framing: Framing): Promise<void> {
  const { socket, peer } = await t.openSocket();
  socket.framing = framing;
  peer.send(t.connectBytes());
  const { code } = await peer.expect(TYPE.CONNACK, "for CONNECT came in frames that may be cut anywhere");
  check(code === 0, "The CONNECT was to be accepted, in whatever frames it comes");
  peer.send(subscribe(t.level, t.id(), [[t.topic(), options(0)]]));
  await peer.expect(TYPE.SUBACK);
  peer.send(t.publish({ topic: t.topic(), payload: "in frames" }));
  const text = payloadText(await peer.expectPublish("for it was sent in frames that may be cut anywhere"));
  check(text === "in frames", `The message has payload ${JSON.stringify(text)}, "in frames" was sent`);
}

/** A frame that is no binary one ends the connection. */
async function refused(t: Trial, framing: Framing): Promise<void> {
  const { socket, peer } = await connected(t);
  socket.framing = framing;
  peer.send(pingreq());
  await peer.refused([], "for a data frame came that is not binary");
}

/** Cases of §6. */
export const CASES: readonly ServerCase[] = serverCases("6.0.0", {
  "mqtt-is-selected": {
    ...SELECTED,
    does: "Asks for an upgrade to WebSocket and offers the subprotocol mqtt.",
    requires: "The upgrade is granted, and the subprotocol mqtt selected.",
    async run(t) {
      const { head } = await t.upgrade();
      check(isUpgrade(head), `The upgrade was to be granted; it answers ${head.line}`);
      const selected = protocolsIn(head).join(", ");
      check(selected === MQTT, `The subprotocol mqtt was to be selected; ${selected || "none"} is`);
    },
  },
  "mqtt-is-selected-among-others": {
    ...SELECTED,
    does: "Asks for an upgrade and offers the subprotocols mqttv3.1, plumb-audit and mqtt, in this order.",
    requires: "If the upgrade is granted, the subprotocol mqtt is selected.",
    async run(t) {
      const { head } = await t.upgrade(["mqttv3.1", "plumb-audit", MQTT]);
      if (!isUpgrade(head)) {
        throw new Finding("lenient", `mqtt was offered, and could be selected; it answers ${head.line}`);
      }
      const selected = protocolsIn(head).join(", ");
      check(selected === MQTT, `The subprotocol mqtt was to be selected; ${selected || "none"} is`);
    },
  },
  "nothing-else-is-selected": {
    ...SELECTED,
    does: "Asks for an upgrade and offers the subprotocol plumb-audit, which there is not.",
    requires: "The upgrade is refused, or no subprotocol is selected.",
    async run(t) {
      const { head } = await t.upgrade(["plumb-audit"]);
      const selected = isUpgrade(head) ? protocolsIn(head).join(", ") : "";
      check(selected === "" || selected === MQTT, `The subprotocol ${selected} is selected`);
    },
  },
  "sends-binary-frames": {
    ...BINARY,
    does: "Connects, subscribes, publishes to itself and sends PINGREQ.",
    requires: "Everything that comes is in binary frames.",
    async run(t) {
      const { socket, peer } = await connected(t);
      await t.subscribe(peer, t.topic(), options(0));
      peer.send(t.publish({ topic: t.topic(), payload: "text" }));
      await peer.expectPublish();
      await peer.barrier();
      checkBinary(socket);
    },
  },
  ...textCases("PINGREQ", refused),
  "connect-in-text-frame": {
    ...BINARY,
    does: "Sends CONNECT in a text frame.",
    requires: "The connection is closed, and not accepted before.",
    async run(t) {
      const { socket, peer } = await t.openSocket();
      socket.framing = asText;
      peer.send(t.connectBytes());
      await peer.refused([], "for CONNECT came in a text frame");
    },
  },
  "control-frames-are-no-data": controlCase(async (t, framing) => {
    await understood(t, framing);
    const { socket } = await connected(t);
    if (!await socket.pinged(t.patienceMs)) {
      throw new Finding("lenient", "RFC 6455 asks for a Pong for each Ping; none came");
    }
  }),
  "several-packets-in-one-frame": {
    ...UNALIGNED,
    does: "Connects, then sends SUBSCRIBE, three messages to itself and PINGREQ in one frame.",
    requires: "Each packet is answered, and each message comes.",
    async run(t) {
      const { peer } = await connected(t);
      const topic = t.topic();
      const messages = ["one", "two", "three"].map((payload) => t.publish({ topic, payload }));
      peer.send(bytes(subscribe(t.level, t.id(), [[topic, options(0)]]), ...messages, pingreq()));
      const why = "for it was in the same frame as others";
      await peer.pick(TYPE.SUBACK, why);
      for (let i = 0; i < messages.length; i++) await peer.pick(TYPE.PUBLISH, why);
      await peer.pick(TYPE.PINGRESP, why);
    },
  },
  ...cutCases(understood),
  "packet-over-two-frames": {
    ...UNALIGNED,
    does:
      "Sends PINGREQ and the first half of a message to itself in one frame; then, after a Ping, the second half and PINGREQ in another one.",
    requires: "Both PINGRESP and the message come.",
    async run(t) {
      const { socket, peer } = await connected(t);
      await t.subscribe(peer, t.topic(), options(0));
      const message = t.publish({ topic: t.topic(), payload: "over two frames" });
      const half = message.length >> 1;
      peer.send(bytes(pingreq(), message.subarray(0, half)));
      await peer.expect(TYPE.PINGRESP, "for PINGREQ was whole");
      await readApart(socket, t.patienceMs);
      peer.send(bytes(message.subarray(half), pingreq()));
      const text = payloadText(await peer.pick(TYPE.PUBLISH, "for its second half has come too"));
      check(text === "over two frames", `The message has payload ${JSON.stringify(text)}`);
      await peer.pick(TYPE.PINGRESP, "for PINGREQ was behind the second half of a packet");
    },
  },
});
