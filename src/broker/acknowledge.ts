/**
 * §3.4–3.7 PUBACK, PUBREC, PUBREL and PUBCOMP from a Client, and what each moves on.
 * Knows the steps of QoS 1 and 2 on both sides; refuses to know messages.
 * @module
 */
import { PacketType } from "../codec/packet_type.ts";
import { Receiver } from "../delivery/receiver.ts";
import { Step } from "../delivery/sender.ts";
import type { Connection } from "./connection.ts";
import { drop, finished, pump } from "./deliver.ts";
import type { Broker } from "./engine.ts";
import type { Delivery, Session } from "./session.ts";

const PUBREL = PacketType.PUBREL << 4 | 2;
const PUBCOMP = PacketType.PUBCOMP << 4;

/** §3.4 the Client has a QoS 1 message. One for an identifier that is not open changes nothing. */
export function puback(connection: Connection, id: number, code: number, now: number): void {
  const step = connection.session!.sender?.step(id);
  if (step === Step.PUBACK || step === Step.RESEND_1) ended(connection, id, step, code, now);
}

/** §3.5 the Client has a QoS 2 message, or refuses it. */
export function pubrec(connection: Connection, id: number, code: number, now: number): void {
  const session = connection.session!;
  const sender = session.sender;
  const step = sender?.step(id) ?? Step.FREE;
  if (step === Step.PUBREC || step === Step.RESEND_2) {
    if (code >= 0x80) return ended(connection, id, step, code, now); // [MQTT-4.4.0-2] [MQTT-4.8.2-6]
    if (step === Step.RESEND_2) connection.open++;
    const delivery = sender!.item(id);
    if (delivery !== undefined) released(connection, delivery);
    sender!.advance(id, Step.PUBCOMP, delivery);
  } else if (step !== Step.PUBCOMP) {
    if (code >= 0x80) return; // for the Client this identifier is free already [MQTT-4.3.3-9]
    // Nothing is open under this identifier. Level 5 says so; below it only PUBREL lets the Client come to an end.
    const refusal = {
      code: 0x92,
      rule: "MQTT-3.6.2-1",
      message: "No QoS 2 message is open under this identifier",
    } as const;
    return connection.refuse(PacketType.PUBREL, id, refusal);
  }
  connection.answer(PUBREL, id, 0); // [MQTT-4.3.3-4]
}

function released(connection: Connection, delivery: Delivery): void {
  const { session, broker } = connection;
  delivery.released = broker.nextOrder++;
  if (!session!.durable) return;
  broker.store!.advanced(session!, delivery);
  broker.told();
  connection.hold(); // after PUBREL the PUBLISH may never be sent again, not even after a crash [MQTT-4.3.3-6]
}

/** §3.7 the Client has ended a QoS 2 exchange. */
export function pubcomp(connection: Connection, id: number, now: number): void {
  if (connection.session!.sender?.step(id) === Step.PUBCOMP) ended(connection, id, Step.PUBCOMP, 0, now);
}

/** An exchange is over: its identifier and its place are free. */
function ended(connection: Connection, id: number, step: Step, code: number, now: number): void {
  const session = connection.session!;
  const sender = session.sender!;
  const delivery = sender.item(id);
  sender.end(id);
  if (step < Step.RESEND_1) connection.open--;
  if (delivery !== undefined) {
    finished(connection.broker, session, delivery);
    if (code >= 0x80) {
      const { message } = delivery;
      drop(connection.broker, message.topic, message.view, session.clientId, "refused by the client");
    }
  }
  if (session.queued > 0 || session.resend !== undefined || session.replays !== undefined) {
    pump(connection, now);
  }
}

/** §4.3.3 remembers the identifier of a QoS 2 message until PUBREL. */
export function remember(broker: Broker, session: Session, packetId: number): void {
  (session.received ??= new Receiver()).add(packetId);
  if (!session.durable) return;
  broker.store!.received(session, packetId, true);
  broker.told();
}

/** §3.6 the Client releases a QoS 2 message it sent. */
export function pubrel(connection: Connection, id: number): void {
  const { session, broker } = connection;
  if (session!.received?.delete(id) === true) {
    if (session!.durable) {
      broker.store!.received(session!, id, false);
      broker.told();
      connection.hold(); // a new message under this identifier must not look like a repeat, not even after a crash
    }
    connection.answer(PUBCOMP, id, 0); // [MQTT-4.3.3-11]
  } else {
    if (broker.failing && session!.durable) connection.hold(); // it may have come before, on another connection
    connection.answer(PUBCOMP, id, connection.level === 5 ? 0x92 : 0);
  }
}
