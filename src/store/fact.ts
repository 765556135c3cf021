/**
 * Facts and deliveries in the layout of a batch: what one thread writes, the other reads.
 * Knows the order of the fields; refuses to know tables and sessions.
 * @module
 */
import type { DeliveryRecord, Message, SessionRecord, SubscriptionRecord } from "../broker/mod.ts";
import type { PublishView } from "../codec/publish_view.ts";
import { decodeUtf8 } from "../codec/utf8.ts";
import type { BatchReader, BatchWriter } from "./batch.ts";
import type { MessageColumns } from "./message_row.ts";
import { Step } from "./schema.ts";

/** What a fact in a batch says. */
export const Fact = {
  DROPPED: 1,
  SAVED: 2,
  SUBSCRIBED: 3,
  UNSUBSCRIBED: 4,
  /** A message that the deliveries behind it share. */
  MESSAGE: 5,
  QUEUED: 6,
  ADVANCED: 7,
  FINISHED: 8,
  RECEIVED: 9,
  RETAINED: 10,
} as const;

const NEVER = Infinity;

/** §4.3 where a delivery stands, as its row says it. */
export function stepOf({ packetId, released, share }: DeliveryRecord): number {
  if (released > 0) return Step.RELEASED;
  if (packetId > 0) return Step.SENT;
  return share === undefined ? Step.WAITING : Step.WAITING_SHARED;
}

export function writeMessage(out: BatchWriter, { view, expiresAt, publisher }: Message): void {
  out.u8(view.level5 ? 1 : 0);
  out.f64(expiresAt);
  out.text(publisher);
  out.blob(view.bytes, view.at, view.end);
}

/** A message for a row; its bytes are views. */
export function readColumns(from: BatchReader): MessageColumns {
  const level5 = from.u8() === 1;
  const expiresAt = from.f64();
  const publisher = from.text();
  const view = from.frame(level5);
  return {
    topic: topicOf(view),
    payload: view.bytes.subarray(view.payloadAt, view.end),
    properties: level5 ? view.bytes.subarray(view.propertiesAt, view.propertiesEnd) : null,
    header: view.bytes[view.at]! & 0xf7,
    expires_at: expiresAt === NEVER ? null : expiresAt,
    publisher: publisher ?? null,
  };
}

/** The same message where it is to be delivered. */
export function readMessage(from: BatchReader): Message {
  const level5 = from.u8() === 1;
  const expiresAt = from.f64();
  const publisher = from.text();
  const view = from.frame(level5);
  return { topic: topicOf(view), view, expiresAt, publisher };
}

function topicOf({ bytes, topicAt, topicEnd }: PublishView): string {
  return decodeUtf8(bytes, topicAt, topicEnd)!; // it was a text when it was written
}

export function writeSaved(out: BatchWriter, id: number, session: SessionRecord): void {
  out.u8(Fact.SAVED);
  out.f64(id);
  out.text(session.clientId);
  out.u8(session.level);
  out.u32(session.expirySeconds);
  out.u8(session.expiresAt === undefined ? 1 : 0);
  out.f64(session.expiresAt ?? NEVER);
  const { will } = session;
  out.u8(will === undefined ? 0 : 1);
  if (will === undefined) return;
  out.u32(will.delaySeconds);
  out.f64(will.dueAt ?? NEVER);
  writeMessage(out, will.message);
}

export function writeSubscribed(out: BatchWriter, session: number, record: SubscriptionRecord): void {
  out.u8(Fact.SUBSCRIBED);
  out.f64(session);
  out.text(record.filter);
  out.u8(record.qos);
  out.u8(record.noLocal ? 1 : 0);
  out.u8(record.retainAsPublished ? 1 : 0);
  out.u8(record.retainHandling);
  out.u32(record.identifier);
}

/** A delivery; `message` is the number of one that was written before, or 0 if its own follows. */
export function writeQueued(
  out: BatchWriter,
  session: number,
  delivery: DeliveryRecord,
  message: number,
): void {
  const { view } = delivery.message;
  out.u8(Fact.QUEUED);
  out.f64(delivery.order);
  out.f64(session);
  out.u8(stepOf(delivery));
  out.u8(delivery.qos);
  out.u8(delivery.retain ? 1 : 0);
  out.u32(delivery.packetId);
  out.f64(delivery.released);
  const identifiers = delivery.subscriptionIdentifiers;
  out.text(identifiers.length === 0 ? undefined : JSON.stringify(identifiers));
  out.text(delivery.share);
  out.u32(view.end - view.at);
  out.f64(message);
  if (message === 0) writeMessage(out, delivery.message);
}

export function writeAdvanced(out: BatchWriter, delivery: DeliveryRecord): void {
  out.u8(Fact.ADVANCED);
  out.f64(delivery.order);
  out.u8(stepOf(delivery));
  out.u32(delivery.packetId);
  out.f64(delivery.released);
}
