/**
 * §6 WebSocket: what a Server under audit must select, send and take.
 * @module
 */
import { type ServerCase, serverCases } from "../../case.ts";
import { check, Finding } from "../../verdict.ts";
import { bytes, options, pingreq, subscribe, TYPE } from "../../wire/bytes.ts";
import type { Peer } from "../../wire/peer.ts";
import { payloadText } from "../../wire/parse.ts";
import {
  asText,
  cut,
  fragments,
  type Framing,
  isUpgrade,
  mixed,
  MQTT,
  OPCODE,
  protocolsIn,
  type Socket,
  whole,
} from "../../wire/websocket.ts";
import type { Trial } from "../trial.ts";

const LEVELS = [4, 5] as const;
const NEEDS = ["websocket"] as const;
const BINARY = ["MQTT-6.0.0-1", "MQTT311-6.0.0-1"] as const;
const UNALIGNED = ["MQTT-6.0.0-2", "MQTT311-6.0.0-2"] as const;
const SELECTED = ["MQTT-6.0.0-4", "MQTT311-6.0.0-4"] as const;
/** How long the Pong may take that only shows that frames were read apart. */
const PONG_MS = 500;
const NOTHING = new Uint8Array(0);

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
    statements: SELECTED,
    levels: LEVELS,
    needs: NEEDS,
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
    statements: SELECTED,
    levels: LEVELS,
    needs: NEEDS,
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
    statements: SELECTED,
    levels: LEVELS,
    needs: NEEDS,
    does: "Asks for an upgrade and offers the subprotocol plumb-audit, which there is not.",
    requires: "The upgrade is refused, or no subprotocol is selected.",
    async run(t) {
      const { head } = await t.upgrade(["plumb-audit"]);
      const selected = isUpgrade(head) ? protocolsIn(head).join(", ") : "";
      check(selected === "" || selected === MQTT, `The subprotocol ${selected} is selected`);
    },
  },
  "sends-binary-frames": {
    statements: BINARY,
    levels: LEVELS,
    needs: NEEDS,
    does: "Connects, subscribes, publishes to itself and sends PINGREQ.",
    requires: "Everything that comes is in binary frames.",
    async run(t) {
      const { socket, peer } = await connected(t);
      await t.subscribe(peer, t.topic(), options(0));
      peer.send(t.publish({ topic: t.topic(), payload: "text" }));
      await peer.expectPublish();
      await peer.barrier();
      // What goes on in a continuation frame is of the kind of the first one.
      const other = socket.seen.find(({ opcode }) =>
        opcode !== OPCODE.BINARY && opcode !== OPCODE.CONTINUATION
      );
      check(
        other === undefined,
        `A packet was to come in a binary frame; one of ${other?.length} bytes is text`,
      );
    },
  },
  "text-frame": {
    statements: BINARY,
    levels: LEVELS,
    needs: NEEDS,
    does: "Connects, then sends PINGREQ in a text frame.",
    requires: "The connection is closed.",
    run: (t) => refused(t, asText),
  },
  "text-frame-without-payload": {
    statements: BINARY,
    levels: LEVELS,
    needs: NEEDS,
    does: "Connects, then sends a text frame without a payload, and PINGREQ in a binary one.",
    requires: "The connection is closed.",
    run: (t) => refused(t, mixed(whole, { opcode: OPCODE.TEXT, payload: NOTHING })),
  },
  "text-in-fragments": {
    statements: BINARY,
    levels: LEVELS,
    needs: NEEDS,
    does: "Connects, then sends PINGREQ as a text message in two fragments.",
    requires: "The connection is closed.",
    run: (t) => refused(t, fragments(1, OPCODE.TEXT)),
  },
  "connect-in-text-frame": {
    statements: BINARY,
    levels: LEVELS,
    needs: NEEDS,
    does: "Sends CONNECT in a text frame.",
    requires: "The connection is closed, and not accepted before.",
    async run(t) {
      const { socket, peer } = await t.openSocket();
      socket.framing = asText;
      peer.send(t.connectBytes());
      await peer.refused([], "for CONNECT came in a text frame");
    },
  },
  "control-frames-are-no-data": {
    statements: BINARY,
    levels: LEVELS,
    needs: NEEDS,
    does: "Sends its packets in fragments, with a Ping and a Pong frame before each fragment.",
    requires: "The packets are understood; each Ping should be answered by a Pong.",
    async run(t) {
      const payload = new TextEncoder().encode("plumb");
      await understood(
        t,
        mixed(fragments(7), { opcode: OPCODE.PING, payload }, { opcode: OPCODE.PONG, payload: NOTHING }),
      );
      const { socket } = await connected(t);
      if (!await socket.pinged(t.patienceMs)) {
        throw new Finding("lenient", "RFC 6455 asks for a Pong for each Ping; none came");
      }
    },
  },
  "several-packets-in-one-frame": {
    statements: UNALIGNED,
    levels: LEVELS,
    needs: NEEDS,
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
  "packets-in-single-bytes": {
    statements: UNALIGNED,
    levels: LEVELS,
    needs: NEEDS,
    does: "Sends its packets with one byte in each frame.",
    requires: "The packets are understood.",
    run: (t) => understood(t, cut(1)),
  },
  "packets-in-fragments": {
    statements: UNALIGNED,
    levels: LEVELS,
    needs: NEEDS,
    does: "Sends each packet as one message in fragments of three bytes.",
    requires: "The packets are understood.",
    run: (t) => understood(t, fragments(3)),
  },
  "frames-without-payload": {
    statements: UNALIGNED,
    levels: LEVELS,
    needs: NEEDS,
    does: "Sends its packets in frames of five bytes, with a binary frame without a payload before each.",
    requires: "The packets are understood.",
    run: (t) => understood(t, mixed(cut(5), { opcode: OPCODE.BINARY, payload: NOTHING })),
  },
  "packet-over-two-frames": {
    statements: UNALIGNED,
    levels: LEVELS,
    needs: NEEDS,
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
      await socket.pinged(Math.min(PONG_MS, t.patienceMs)); // the frames are read apart
      peer.send(bytes(message.subarray(half), pingreq()));
      const text = payloadText(await peer.pick(TYPE.PUBLISH, "for its second half has come too"));
      check(text === "over two frames", `The message has payload ${JSON.stringify(text)}`);
      await peer.pick(TYPE.PINGRESP, "for PINGREQ was behind the second half of a packet");
    },
  },
});
