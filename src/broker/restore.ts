/**
 * §4.1 Sessions and retained messages, brought back from the store when the Server starts. Deadlines that have passed meanwhile fall due at the first
 * `ticked()`.
 * Knows the records; refuses to know files.
 * @module
 */
import { Step } from "../delivery/sender.ts";
import { parseFilter, type TopicFilter } from "../topic/filter.ts";
import { revived } from "./delivery.ts";
import type { Limits } from "./limits.ts";
import type { Parts } from "./parts.ts";
import type { Session } from "./session.ts";
import type { Sessions } from "./sessions.ts";
import type { DeliveryRecord, SessionStore, StoredSession } from "./store.ts";

/** Brings back sessions and retained messages. */
export function restore(store: SessionStore, parts: Parts, sessions: Sessions, limits: Limits): void {
  for (const stored of store.sessions()) restoreSession(stored, parts, sessions, limits);
  for (const message of store.retainedMessages()) parts.router.restoreRetained(message);
  if (store.stamps !== undefined) parts.router.nodes?.restoreStamps(store.stamps());
  parts.deliverer.ordersTaken(store.lastOrder());
}

function restoreSession(stored: StoredSession, parts: Parts, sessions: Sessions, limits: Limits): void {
  const { session: record, subscriptions, deliveries, received } = stored;
  const { timers } = parts.turn;
  const session = sessions.make(record.clientId, record.level, limits);
  session.storeId = stored.storeId;
  sessions.assign(session, record.user, record.address);
  session.expirySeconds = record.expirySeconds; // groups ask whether their members keep messages
  for (const subscription of subscriptions) {
    const filter = parseFilter(subscription.filter) as TopicFilter;
    parts.router.subscribe(session, filter, subscription);
    parts.systemTopics?.isReadBy(filter.match);
  }
  session.recorded = true;
  session.durable = true; // not before: the store knows the subscriptions already
  for (const delivery of deliveries) restoreDelivery(session, delivery);
  if (stored.waiting.count > 0) session.needBacklog().pageOut(stored.waiting);
  parts.deliverer.watchExpiry(session);
  for (const id of received) session.needReceived().add(id);
  if (record.will !== undefined) {
    const { message, delaySeconds, dueAt } = record.will;
    const will = sessions.delayWill(session, { message, delaySeconds });
    if (dueAt !== undefined) timers.schedule(will, dueAt);
  }
  if (!session.persists) timers.schedule(session, 0); // it ended with its connection
  else if (record.expiresAt !== undefined) timers.schedule(session, record.expiresAt);
  else timers.schedule({ heapIndex: -1, heapTime: 0, due: () => sessions.lostWithServer(session) }, 0);
}

function restoreDelivery(session: Session, record: DeliveryRecord): void {
  const delivery = revived(record);
  if (record.packetId === 0) return session.needBacklog().push(delivery);
  const open = delivery.qos === 1 ? Step.PUBACK : Step.PUBREC;
  session.sends(delivery);
  session.needSender().restore(record.packetId, record.released > 0 ? Step.PUBCOMP : open, delivery);
}
