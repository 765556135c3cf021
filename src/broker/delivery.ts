/**
 * §4.3 One QoS 1 or 2 message on its way to one session.
 * Knows one message and the state of its exchange; refuses to know the queues.
 * @module
 */
import type { Message } from "../delivery/message.ts";
import type { DeliveryRecord } from "./store.ts";

/** One object for the queues, the sender and the store. */
export class Delivery implements DeliveryRecord {
  /** §4.6 ascending in the order of delivery. */
  readonly order: number;
  /** The message. */
  readonly message: Message;
  /** The QoS at which it is sent. */
  readonly qos: 1 | 2;
  /** The flag it is sent with. */
  readonly retain: boolean;
  /** §3.3.2.3.8 */
  readonly subscriptionIdentifiers: readonly number[];
  /** §4.8.2 the filter of the Shared Subscription it came by. */
  readonly share: string | undefined;
  /** §2.2.1 0 until it is sent for the first time. */
  packetId = 0;
  /** §4.3.3 the order of its PUBREC; 0 until that comes. */
  released = 0;
  /** For the store. */
  storeState = 0;

  constructor(
    order: number,
    message: Message,
    qos: 1 | 2,
    retain: boolean,
    subscriptionIdentifiers: readonly number[],
    share: string | undefined,
  ) {
    this.order = order;
    this.message = message;
    this.qos = qos;
    this.retain = retain;
    this.subscriptionIdentifiers = subscriptionIdentifiers;
    this.share = share;
  }
}

/** A delivery as it comes back from the store. */
export function revived(record: DeliveryRecord): Delivery {
  const { order, qos, retain, subscriptionIdentifiers, share } = record;
  const { topic, view, expiresAt, publisher } = record.message;
  // Of its own, since a store may give one message to several brokers, and each counts who holds it.
  const message = { topic, view, expiresAt, publisher, holders: 0, counted: 0 };
  const delivery = new Delivery(order, message, qos, retain, subscriptionIdentifiers, share);
  delivery.packetId = record.packetId;
  delivery.released = record.released;
  delivery.storeState = record.storeState;
  return delivery;
}
