/**
 * §3.4–3.7, §4.3.3 PUBACK, PUBREC, PUBREL and PUBCOMP from a Client, and the exchange that each moves on.
 * Knows what the Server answers and records; refuses to know messages, and the steps themselves (src/delivery/exchange.ts).
 * @module
 */
import { PacketType } from "../codec/packet_type.ts";
import { Outcome, puback, pubcomp, pubrec } from "../delivery/exchange.ts";
import type { Delivery } from "./delivery.ts";
import type { Open } from "./open.ts";
import type { Parts } from "./parts.ts";
import { reasonString } from "./refusal.ts";

const PUBREL = PacketType.PUBREL << 4 | 2;
const PUBCOMP = PacketType.PUBCOMP << 4;

/** No exchange is open under this identifier. Level 5 has a Reason Code for that; below it only PUBREL lets the Client end its exchange. */
const NOT_FOUND = {
  code: 0x92,
  rule: "MQTT-3.6.2-1",
  message: "No QoS 2 message is open under this identifier",
} as const;

/** One of the four. */
export function acknowledgePacket(
  parts: Parts,
  open: Open,
  type: 4 | 5 | 6 | 7,
  id: number,
  code: number,
): void {
  if (type === PacketType.PUBREL) return release(parts, open, id);
  const { session, link } = open;
  const { sender } = session;
  if (sender === undefined) {
    if (type === PacketType.PUBREC && code < 0x80) refuseRelease(parts, open, id);
    return;
  }
  const delivery = sender.item(id);
  if (type === PacketType.PUBACK) {
    if (puback(sender, id) !== Outcome.ENDED) return;
    if (session.isNode) parts.nodes!.acknowledged(session, false);
    ended(parts, open, delivery, code);
  } else if (type === PacketType.PUBCOMP) {
    if (pubcomp(sender, id) !== Outcome.ENDED) return;
    if (session.isNode) parts.nodes!.completed(session);
    ended(parts, open, delivery, 0);
  } else {
    const outcome = pubrec(sender, id, code);
    if (session.isNode && (outcome === Outcome.ENDED || outcome === Outcome.RELEASED)) {
      parts.nodes!.acknowledged(session, outcome === Outcome.RELEASED);
    }
    if (outcome === Outcome.ENDED) return ended(parts, open, delivery, code);
    if (outcome === Outcome.STRAY) {
      if (code < 0x80) refuseRelease(parts, open, id); // else this identifier is free for the Client already [MQTT-4.3.3-9]
      return;
    }
    if (outcome === Outcome.RELEASED && delivery !== undefined) released(parts, open, delivery);
    link.answer(PUBREL, id, 0); // [MQTT-4.3.3-4] [MQTT-2.2.1-5]
  }
}

function refuseRelease({ observer }: Parts, { client, link }: Open, id: number): void {
  observer.denied(client, NOT_FOUND);
  link.answerWith(PUBREL, id, NOT_FOUND.code, reasonString(NOT_FOUND));
}

/** §4.3.3 the Client owns a QoS 2 message. After PUBREL the PUBLISH may never be sent again, not even after a crash [MQTT-4.3.3-6]. */
function released({ deliverer, journal }: Parts, { session, link }: Open, delivery: Delivery): void {
  delivery.released = deliverer.takeOrder();
  const { mark } = journal;
  journal.advanced(session, delivery);
  journal.holdSince(mark, link);
}

/** An exchange is over: its identifier and its place are free. */
function ended(
  { deliverer, journal, nodes }: Parts,
  { session }: Open,
  delivery: Delivery | undefined,
  code: number,
): void {
  if (delivery !== undefined) {
    session.sent(delivery);
    journal.finished(session, delivery);
    const { topic, view } = delivery.message;
    if (code >= 0x80 && session.isNode && delivery.share !== undefined) {
      nodes!.refused(session, delivery, code);
    } else if (code >= 0x80) deliverer.drop(session, topic, view, "refused by the client");
  }
  if (session.hasMore) deliverer.pump(session);
}

/** §3.6 the Client releases a QoS 2 message that it sent. */
function release({ journal }: Parts, { session, link, isRecovering }: Open, id: number): void {
  if (session.received?.delete(id) === true) { // also if the message has expired: [MQTT-4.3.3-13]
    const { mark } = journal;
    journal.received(session, id, false);
    journal.holdSince(mark, link); // a new message under this identifier must not look like a repeat, not even after a crash
    return link.answer(PUBCOMP, id, 0); // [MQTT-4.3.3-11] [MQTT-2.2.1-5]
  }
  if (journal.failing && session.durable) journal.hold(link); // it may have come before, on another connection
  // While the Client recovers, this PUBREL repeats one whose PUBCOMP got lost: 0x92 would call a delivered message failed.
  link.answer(PUBCOMP, id, link.level === 5 && !isRecovering ? 0x92 : 0); // no properties: [MQTT-3.7.2-2] [MQTT-3.7.2-3]
}
