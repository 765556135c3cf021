/**
 * §6 WebSocket: what a Client under audit must offer, send and take.
 * @module
 */
import { type ClientCase, clientCases } from "../../case.ts";
import { check, Finding } from "../../verdict.ts";
import { bytes, TYPE } from "../../wire/bytes.ts";
import { asText, type Framing, MQTT, protocolsIn } from "../../wire/websocket.ts";
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
import { connack } from "../server_packets.ts";
import type { ClientTrial } from "../trial.ts";

const OFFERED = ofChapter("MQTT-6.0.0-3", "MQTT311-6.0.0-3");

/** Sends CONNACK, SUBACK and a message of QoS 1, all in frames of that form; the Client subscribes and acknowledges. */
async function understood(t: ClientTrial, framing: Framing): Promise<void> {
  await t.start({ subscribe: [{ filter: t.topic(), qos: 2 }] });
  const { peer } = await t.acceptUnanswered();
  t.webSocketOf(peer).socket.framing = framing;
  peer.send(connack(t.level));
  const subscribe = await t.owed(
    peer,
    TYPE.SUBSCRIBE,
    "for CONNACK came, in frames that may be cut anywhere",
  );
  peer.send(t.answerTo(subscribe));
  await t.barrier(peer);
}

/** A message in frames that are not binary ends the connection. */
async function refused(t: ClientTrial, framing: Framing): Promise<void> {
  const peer = await t.subscribed();
  t.webSocketOf(peer).socket.framing = framing;
  peer.send(t.publish({ topic: t.topic(), payload: "text", qos: 1, id: 1 }));
  await peer.refused([], "for a data frame came that is not binary");
}

/** Cases of §6. */
export const CASES: readonly ClientCase[] = clientCases("6.0.0", {
  "offers-mqtt": {
    ...OFFERED,
    does: "Waits for the Client to ask for an upgrade to WebSocket.",
    requires: "It offers the subprotocol mqtt, alone or among others.",
    async run(t) {
      await t.start();
      const peer = await t.accept(); // a Client whose offer is not taken may go before it sends CONNECT
      if (peer === undefined) throw new Finding("inconclusive", "The Client did not ask for a WebSocket");
      const offered = protocolsIn(t.webSocketOf(peer).head);
      check(
        offered.includes(MQTT),
        `The subprotocol mqtt was to be offered; ${offered.join(", ") || "none"} was`,
      );
    },
  },
  "sends-binary-frames": {
    ...BINARY,
    does: "Lets the Client connect, and orders a subscription and a message if it can do that.",
    requires: "Everything that comes is in binary frames.",
    async run(t) {
      await t.start({
        ...t.has("subscribe") && { subscribe: [{ filter: t.topic(), qos: 1 }] },
        ...t.has("publish") && { publish: [t.message("binary", 1)] },
      });
      const { peer } = await t.acceptConnect();
      await t.watch(peer);
      checkBinary(t.webSocketOf(peer).socket);
    },
  },
  ...textCases("a message of QoS 1", refused),
  "connack-in-text-frame": {
    ...BINARY,
    does: "Sends CONNACK in a text frame.",
    requires: "The connection is closed.",
    async run(t) {
      await t.start();
      const { peer } = await t.acceptUnanswered();
      t.webSocketOf(peer).socket.framing = asText;
      peer.send(connack(t.level));
      await peer.refused([], "for CONNACK came in a text frame");
    },
  },
  "control-frames-are-no-data": controlCase(understood),
  "ping-is-answered": {
    ...BINARY,
    does: "Accepts the Client and sends a Ping frame.",
    requires: "A Pong should come.",
    async run(t) {
      await t.start();
      const { peer } = await t.acceptConnect();
      if (!await t.webSocketOf(peer).socket.pinged(t.patienceMs)) {
        throw new Finding("lenient", "RFC 6455 asks for a Pong for each Ping; none came");
      }
    },
  },
  "several-packets-in-one-frame": {
    ...UNALIGNED,
    does: "Sends three messages of QoS 1 in one frame.",
    requires: "A PUBACK comes for each.",
    async run(t) {
      const peer = await t.subscribed();
      const ids = [1, 2, 3];
      const topic = t.topic();
      peer.send(bytes(...ids.map((id) => t.publish({ topic, payload: `${id}`, qos: 1, id }))));
      for (const id of ids) {
        const why = `for message ${id} of ${ids.length} in one frame`;
        await t.owed(peer, TYPE.PUBACK, why, (seen) => seen.id === id);
      }
    },
  },
  ...cutCases(understood),
  "packet-over-two-frames": {
    ...UNALIGNED,
    does:
      "Sends one message of QoS 1 and the first half of another in one frame; then, after a Ping, the second half and a third message in another one.",
    requires: "A PUBACK comes for each.",
    async run(t) {
      const peer = await t.subscribed();
      const topic = t.topic();
      const [first, second, third] = [1, 2, 3].map((id) =>
        t.publish({ topic, payload: `${id} over two frames`, qos: 1, id })
      ) as [Uint8Array, Uint8Array, Uint8Array];
      const half = second.length >> 1;
      peer.send(bytes(first, second.subarray(0, half)));
      await t.owed(peer, TYPE.PUBACK, "for the first message was whole", ({ id }) => id === 1);
      await readApart(t.webSocketOf(peer).socket, t.patienceMs);
      peer.send(bytes(second.subarray(half), third));
      await t.owed(peer, TYPE.PUBACK, "for its second half has come too", ({ id }) => id === 2);
      await t.owed(peer, TYPE.PUBACK, "for it was behind the second half of another", ({ id }) => id === 3);
    },
  },
});
