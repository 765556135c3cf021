/**
 * §4.1, §4.5 Messages that wait in a durable session: which of them memory holds, and which the store alone.
 * Knows their order; refuses to know why they wait.
 * @module
 */
import { messageBytes } from "../delivery/message.ts";
import type { Connection } from "./connection.ts";
import { pump } from "./deliver.ts";
import type { Broker } from "./engine.ts";
import { Delivery, type Session } from "./session.ts";
import type { SharedGroup } from "./shared.ts";
import type { DeliveryRecord, StoredSession } from "./store.ts";

/** Puts a message behind all others that wait in its session; if that is durable, the store has been told of it. */
export function wait(broker: Broker, session: Session, delivery: Delivery): void {
  const { limits } = broker;
  const resident = !session.durable || delivery.group !== undefined ||
    (session.connection !== undefined && session.spilled === 0 &&
      session.queued < limits.residentMessagesMax && session.residentBytes < limits.residentBytesMax);
  if (resident) session.enqueue(delivery);
  else session.spill(inStore([delivery]));
}

/**
 * Leaves to the store what need not be in memory while there is no connection. What came by a Shared Subscription stays:
 * it goes to another member as soon as there is one.
 */
export function sleep(session: Session): void {
  if (session.durable) session.spill(inStore(session.extract(({ group }) => group === undefined)));
}

function inStore(deliveries: readonly Delivery[]): StoredSession["waiting"] {
  let bytes = 0;
  for (const { message: { view } } of deliveries) bytes += view.end - view.at;
  return { count: deliveries.length, bytes, from: deliveries[0]?.order ?? Infinity };
}

/** Takes the message that is to be sent next; undefined if memory does not hold it. It is sent for in time. */
export function takeNext(connection: Connection, session: Session): Delivery | undefined {
  if (session.spilled > 0 && !session.loading && (!isHere(session) || isLow(connection.broker, session))) {
    load(connection.broker, session);
  }
  return isHere(session) ? session.dequeue() : undefined;
}

/** Whether memory holds half of what it may, or less. */
function isLow({ limits }: Broker, session: Session): boolean {
  return session.queue!.length <= limits.residentMessagesMax >> 1 &&
    session.residentBytes <= limits.residentBytesMax / 2;
}

/** Whether memory holds what is next. */
function isHere(session: Session): boolean {
  const first = session.queue?.peek();
  return first !== undefined && first.order <= session.spilledFrom;
}

function load(broker: Broker, session: Session): void {
  const { residentMessagesMax, residentBytesMax } = broker.limits;
  const from = session.spilledFrom;
  session.loading = true;
  const page = broker.store!.load(session, from, residentMessagesMax >> 1, residentBytesMax);
  if (!("then" in page)) loaded(broker, session, from, page);
  else {
    page.then((found) => {
      if (!loaded(broker, session, from, found)) return;
      broker.outside((now) => session.connection !== undefined && pump(session.connection, now));
    });
  }
}

/** Takes the page that was to begin with `from`; false if there is nothing to send because of it. */
function loaded(broker: Broker, session: Session, from: number, found: readonly DeliveryRecord[]): boolean {
  session.loading = false;
  // Meanwhile the Client may have gone: then nothing is kept in memory, and what it finds later is sent for anew.
  if (session.ended || session.connection === undefined) return false;
  return session.spilledFrom !== from || merge(broker, session, found);
}

/** Puts what came back among what memory holds; false if nothing came, and it is to be sent for when the store can do it. */
function merge(broker: Broker, session: Session, found: readonly DeliveryRecord[]): boolean {
  if (found.length === 0) {
    if (broker.failing) return false; // it is among the facts that could not be made safe yet
    broker.failed(new Error(`${session.spilled} messages of ${session.clientId} are not in the store`));
    session.forgetSpilled();
    return true;
  }
  const resident = session.extract(() => true);
  let at = 0;
  for (const record of found) {
    while (at < resident.length && resident[at]!.order < record.order) session.enqueue(resident[at++]!);
    session.spilled--;
    session.spilledBytes -= messageBytes(record.message);
    session.enqueue(revived(record, undefined));
  }
  while (at < resident.length) session.enqueue(resident[at++]!);
  session.spilledFrom = found.at(-1)!.order + 1;
  if (session.spilled === 0) session.forgetSpilled();
  return true;
}

/** A delivery as it comes back. */
export function revived(record: DeliveryRecord, group: SharedGroup | undefined): Delivery {
  const { order, message, qos, retain, subscriptionIdentifiers } = record;
  const delivery = new Delivery(order, message, qos, retain, subscriptionIdentifiers, group);
  delivery.packetId = record.packetId;
  delivery.released = record.released;
  delivery.storeState = record.storeState;
  return delivery;
}
