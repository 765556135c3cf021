/**
 * §4.1 Facts as bytes: how each is written in the thread of the broker, and read in that of the disk.
 * Knows the fields of every fact and their order; refuses to know rows and sessions.
 * @module
 */
import type { DeliveryRecord, Message, SessionRecord, SubscriptionRecord } from "../broker/mod.ts";
import { BatchReader, type BatchWriter } from "./batch.ts";
import { StoreError } from "./error.ts";
import { type MessageColumns, readColumns, writeMessage } from "./message_row.ts";
import { Step } from "./schema.ts";

/** The first byte of a fact: which one it is. */
const Fact = {
  DROPPED: 1,
  SAVED: 2,
  SUBSCRIBED: 3,
  UNSUBSCRIBED: 4,
  MESSAGE: 5,
  QUEUED: 6,
  ADVANCED: 7,
  FINISHED: 8,
  RECEIVED: 9,
  RETAINED: 10,
  EXPIRED: 11,
  TIME: 12,
  PLACE: 13,
  STAMP: 14,
} as const;

/** The bytes of the fact that `writePlace()` writes. */
export const PLACE_BYTES = 17;

/** How far a shard is with this batch: `FactHandler.place()`. */
export function writePlace(bytes: Uint8Array, at: number, epoch: number, number: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  bytes[at] = Fact.PLACE;
  view.setFloat64(at + 1, epoch);
  view.setFloat64(at + 9, number);
}

/** A session as its row has it. Times are ms since the epoch, null is never. */
export interface SavedFact {
  readonly session: number;
  readonly clientId: string;
  readonly level: number;
  /** Seconds. */
  readonly expirySeconds: number;
  readonly connected: number;
  readonly expiresAt: number | null;
  readonly user: string | null;
  readonly address: string | null;
  readonly will: WillFact | undefined;
}

/** The will of a session. */
export interface WillFact {
  /** Seconds. */
  readonly delaySeconds: number;
  /** ms since the epoch; null while the Client is connected. */
  readonly dueAt: number | null;
  readonly message: MessageColumns;
}

/** A subscription as its row has it: flags are 0 or 1. */
export interface SubscribedFact {
  readonly session: number;
  readonly filter: string;
  readonly qos: number;
  readonly noLocal: number;
  readonly retainAsPublished: number;
  readonly retainHandling: number;
  readonly identifier: number;
}

/** A delivery as its row has it. */
export interface QueuedFact {
  readonly order: number;
  readonly session: number;
  /** See `Step`. */
  readonly step: number;
  readonly qos: number;
  readonly retain: number;
  readonly packetId: number;
  readonly released: number;
  /** A JSON array. */
  readonly identifiers: string | null;
  readonly share: string | null;
  /** Of the PUBLISH frame. */
  readonly bytes: number;
  /** Of its message, wherever that stands. */
  readonly expiresAt: number | null;
  /** The number of a message that was written before; then `own` is undefined. */
  readonly shared: number | null;
  readonly own: MessageColumns | undefined;
}

/** Takes facts, one by one. */
export interface FactHandler {
  /** The session is over. */
  dropped(session: number): void;
  /** The session is new or changed. */
  saved(fact: SavedFact): void;
  /** The subscription is new or replaced. */
  subscribed(fact: SubscribedFact): void;
  /** The subscription is gone. */
  unsubscribed(session: number, filter: string): void;
  /** The message is shared by `queued()` facts that follow, under this number. */
  message(id: number, message: MessageColumns): void;
  /** The delivery is new. */
  queued(fact: QueuedFact): void;
  /** The delivery stands at another step. */
  advanced(order: number, step: number, packetId: number, released: number): void;
  /** The delivery is over. */
  finished(order: number): void;
  /** §4.3.3 The Packet Identifier is that of a QoS 2 message received and not released (`open`), or is free. */
  received(session: number, packetId: number, open: boolean): void;
  /** §3.3.1.3 The topic's retained message is this one, or none. */
  retained(topic: string, message: MessageColumns | undefined): void;
  /** §3.3.2.3.3 The deliveries that wait and expire at `until` or before are over. */
  expired(session: number, until: number): void;
  /** The broker's time: ms since the epoch. */
  time(now: number): void;
  /** Where several nodes are one Server: the last change of the topic's retained message has this stamp; 0: none is kept. */
  stamped?(topic: string, stamp: number): void;
  /** In a cluster: with this batch the file is so far. */
  place?(epoch: number, number: number): void;
}

/**
 * Tells `handler` every fact of a batch, in the order in which they were written.
 * @throws {StoreError} when the bytes are no batch, and any error of `handler`.
 */
export function readFacts(batch: Uint8Array, handler: FactHandler): void {
  for (const from = new BatchReader(batch); from.more;) readFact(from, handler);
}

function readFact(from: BatchReader, handler: FactHandler): void {
  const fact = from.u8();
  switch (fact) {
    case Fact.QUEUED:
      return readQueued(from, handler);
    case Fact.ADVANCED:
      return readAdvanced(from, handler);
    case Fact.FINISHED:
      return readFinished(from, handler);
    case Fact.MESSAGE:
      return readShared(from, handler);
    case Fact.RECEIVED:
      return readReceived(from, handler);
    case Fact.RETAINED:
      return readRetained(from, handler);
    case Fact.SAVED:
      return readSaved(from, handler);
    case Fact.DROPPED:
      return readDropped(from, handler);
    case Fact.SUBSCRIBED:
      return readSubscribed(from, handler);
    case Fact.UNSUBSCRIBED:
      return readUnsubscribed(from, handler);
    case Fact.EXPIRED:
      return handler.expired(from.f64(), from.f64());
    case Fact.TIME:
      return handler.time(from.f64());
    case Fact.STAMP: {
      const topic = from.text()!;
      const stamp = from.f64();
      return handler.stamped?.(topic, stamp);
    }
    case Fact.PLACE: {
      const epoch = from.f64();
      const number = from.f64();
      return handler.place?.(epoch, number);
    }
  }
  throw new StoreError("io", `A batch with a fact of kind ${fact}`);
}

/** `FactHandler.dropped()` */
export function writeDropped(out: BatchWriter, session: number): void {
  out.u8(Fact.DROPPED);
  out.f64(session);
}

function readDropped(from: BatchReader, handler: FactHandler): void {
  handler.dropped(from.f64());
}

/** `FactHandler.saved()` */
export function writeSaved(out: BatchWriter, id: number, session: SessionRecord): void {
  const { will } = session;
  out.u8(Fact.SAVED);
  out.f64(id);
  out.text(session.clientId);
  out.u8(session.level);
  out.u32(session.expirySeconds);
  out.flag(session.expiresAt === undefined);
  out.f64(session.expiresAt ?? Infinity);
  out.text(session.user);
  out.text(session.address);
  out.flag(will !== undefined);
  if (will === undefined) return;
  out.u32(will.delaySeconds);
  out.f64(will.dueAt ?? Infinity);
  writeMessage(out, will.message);
}

function readSaved(from: BatchReader, handler: FactHandler): void {
  handler.saved({
    session: from.f64(),
    clientId: from.text()!,
    level: from.u8(),
    expirySeconds: from.u32(),
    connected: from.u8(),
    expiresAt: timeOf(from.f64()),
    user: from.text() ?? null,
    address: from.text() ?? null,
    will: from.flag() ? readWill(from) : undefined,
  });
}

function readWill(from: BatchReader): WillFact {
  return { delaySeconds: from.u32(), dueAt: timeOf(from.f64()), message: readColumns(from) };
}

/** `FactHandler.subscribed()` */
export function writeSubscribed(out: BatchWriter, session: number, record: SubscriptionRecord): void {
  out.u8(Fact.SUBSCRIBED);
  out.f64(session);
  out.text(record.filter);
  out.u8(record.qos);
  out.flag(record.noLocal);
  out.flag(record.retainAsPublished);
  out.u8(record.retainHandling);
  out.u32(record.identifier);
}

function readSubscribed(from: BatchReader, handler: FactHandler): void {
  handler.subscribed({
    session: from.f64(),
    filter: from.text()!,
    qos: from.u8(),
    noLocal: from.u8(),
    retainAsPublished: from.u8(),
    retainHandling: from.u8(),
    identifier: from.u32(),
  });
}

/** `FactHandler.unsubscribed()` */
export function writeUnsubscribed(out: BatchWriter, session: number, filter: string): void {
  out.u8(Fact.UNSUBSCRIBED);
  out.f64(session);
  out.text(filter);
}

function readUnsubscribed(from: BatchReader, handler: FactHandler): void {
  handler.unsubscribed(from.f64(), from.text()!);
}

/** `FactHandler.message()` */
export function writeShared(out: BatchWriter, id: number, message: Message): void {
  out.u8(Fact.MESSAGE);
  out.f64(id);
  writeMessage(out, message);
}

function readShared(from: BatchReader, handler: FactHandler): void {
  handler.message(from.f64(), readColumns(from));
}

/** `FactHandler.queued()`; `shared` is the number of its message if it was written by `writeShared()`, else 0. */
export function writeQueued(
  out: BatchWriter,
  session: number,
  delivery: DeliveryRecord,
  shared: number,
): void {
  const { message, subscriptionIdentifiers } = delivery;
  out.u8(Fact.QUEUED);
  out.f64(delivery.order);
  out.f64(session);
  out.u8(stepOf(delivery));
  out.u8(delivery.qos);
  out.flag(delivery.retain);
  out.u32(delivery.packetId);
  out.f64(delivery.released);
  out.text(subscriptionIdentifiers.length === 0 ? undefined : JSON.stringify(subscriptionIdentifiers));
  out.text(delivery.share);
  out.u32(message.view.end - message.view.at);
  out.f64(message.expiresAt);
  out.f64(shared);
  if (shared === 0) writeMessage(out, message);
}

function readQueued(from: BatchReader, handler: FactHandler): void {
  const order = from.f64();
  const session = from.f64();
  const step = from.u8();
  const qos = from.u8();
  const retain = from.u8();
  const packetId = from.u32();
  const released = from.f64();
  const identifiers = from.text() ?? null;
  const share = from.text() ?? null;
  const bytes = from.u32();
  const expiresAt = timeOf(from.f64());
  const id = from.f64();
  const shared = id === 0 ? null : id;
  const own = id === 0 ? readColumns(from) : undefined;
  handler.queued({
    order,
    session,
    step,
    qos,
    retain,
    packetId,
    released,
    identifiers,
    share,
    bytes,
    expiresAt,
    shared,
    own,
  });
}

/** `FactHandler.advanced()` */
export function writeAdvanced(out: BatchWriter, delivery: DeliveryRecord): void {
  out.u8(Fact.ADVANCED);
  out.f64(delivery.order);
  out.u8(stepOf(delivery));
  out.u32(delivery.packetId);
  out.f64(delivery.released);
}

function readAdvanced(from: BatchReader, handler: FactHandler): void {
  handler.advanced(from.f64(), from.u8(), from.u32(), from.f64());
}

/** `FactHandler.finished()` */
export function writeFinished(out: BatchWriter, delivery: DeliveryRecord): void {
  out.u8(Fact.FINISHED);
  out.f64(delivery.order);
}

function readFinished(from: BatchReader, handler: FactHandler): void {
  handler.finished(from.f64());
}

/** `FactHandler.received()` */
export function writeReceived(out: BatchWriter, session: number, packetId: number, open: boolean): void {
  out.u8(Fact.RECEIVED);
  out.f64(session);
  out.u32(packetId);
  out.flag(open);
}

function readReceived(from: BatchReader, handler: FactHandler): void {
  handler.received(from.f64(), from.u32(), from.flag());
}

/** `FactHandler.retained()` */
export function writeRetained(out: BatchWriter, topic: string, message: Message | undefined): void {
  out.u8(Fact.RETAINED);
  out.text(topic);
  out.flag(message !== undefined);
  if (message !== undefined) writeMessage(out, message);
}

function readRetained(from: BatchReader, handler: FactHandler): void {
  handler.retained(from.text()!, from.flag() ? readColumns(from) : undefined);
}

/** `FactHandler.stamped()` */
export function writeStamped(out: BatchWriter, topic: string, stamp: number): void {
  out.u8(Fact.STAMP);
  out.text(topic);
  out.f64(stamp);
}

/** `FactHandler.expired()` */
export function writeExpired(out: BatchWriter, session: number, until: number): void {
  out.u8(Fact.EXPIRED);
  out.f64(session);
  out.f64(until);
}

/** `FactHandler.time()` */
export function writeTime(out: BatchWriter, now: number): void {
  out.u8(Fact.TIME);
  out.f64(now);
}

/** §4.3 where a delivery stands, as its row says it. */
function stepOf({ packetId, released, share }: DeliveryRecord): number {
  if (released > 0) return Step.RELEASED;
  if (packetId > 0) return Step.SENT;
  return share === undefined ? Step.WAITING : Step.WAITING_SHARED;
}

function timeOf(ms: number): number | null {
  return ms === Infinity ? null : ms;
}
