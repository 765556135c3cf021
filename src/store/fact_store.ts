/**
 * §4.1 A store in front of a disk, an SQLite file or a database of a browser: gathers facts, and gives them to it a batch at a time.
 * Knows which facts have to be written and which cancel out; refuses to know the disk.
 * @module
 */
import type {
  Commit,
  DeliveryRecord,
  Later,
  Message,
  SessionKey,
  SessionRecord,
  SessionStore,
  StoredSession,
  SubscriptionRecord,
} from "../broker/mod.ts";
import { BatchWriter } from "./batch.ts";
import type { StoreClock } from "./clock.ts";
import type { Disk, LoadRequest } from "./disk.ts";
import type { StoreError } from "./error.ts";
import {
  writeAdvanced,
  writeDropped,
  writeExpired,
  writeFinished,
  writeQueued,
  writeReceived,
  writeRetained,
  writeSaved,
  writeShared,
  writeStamped,
  writeSubscribed,
  writeTime,
  writeUnsubscribed,
} from "./fact.ts";
import { HAS_ROW } from "./load.ts";
import { type PackedMessages, unpackMessages } from "./packed_messages.ts";
import { readPage } from "./page.ts";

/** Values of `DeliveryRecord.storeState`. In `#deliveries` stand all deliveries that are NEW, CHANGED or ENDED. */
const Note = {
  /** Queued and not written. */
  NEW: 1,
  /** As its row says. */
  WRITTEN: HAS_ROW,
  /** It has a row, which is to be changed. */
  CHANGED: 3,
  /** It has a row, which is to be deleted. */
  ENDED: 4,
  /** It has no row, and needs none any more. */
  OVER: 5,
} as const;

/** The time in the file is not older than this before the last batch. */
const TIME_MS = 1_000;
/** `storeId` of a session that has been dropped. */
const DROPPED = -1;

/** How the store is made. */
export interface FactStoreOptions {
  /** The content of the file when the store was opened. */
  readonly found: Found;
  /** Makes the disk; called last, since the disk may answer at once. */
  readonly disk: (events: FactStore) => Disk;
  /** Above 0: ms between commits, for which no acknowledgement waits. */
  readonly intervalMs: number;
  /** Says when an interval is over. */
  readonly clock: StoreClock;
  /** Called when the file turns out to be damaged. */
  readonly damaged: (error: StoreError) => void;
  /** Called when all is closed. */
  readonly closed: () => void;
}

/** The content of a file when it is opened, but for the messages that wait. */
export interface Found {
  /** Empty once they have been taken. */
  sessions: readonly StoredSession[];
  retained: PackedMessages[];
  /** Of topics, where several nodes are one Server; empty once they have been taken. */
  stamps?: readonly (readonly [topic: string, stamp: number])[];
  readonly lastOrder: number;
  /** The highest number that a session has or had. */
  readonly lastSession: number;
}

/**
 * A store in a file. A message that is delivered and acknowledged before its batch is written is never written. Not more
 * than two batches are on their way at a time: facts that come meanwhile gather.
 */
export class FactStore implements SessionStore {
  readonly #options: FactStoreOptions;
  readonly #disk: Disk;
  #nextSession: number;
  /** Deliveries that changed since the last batch, and at the same index of `#keys` the session of each. */
  #deliveries: DeliveryRecord[] = [];
  #keys: SessionKey[] = [];
  /** How many of `#deliveries` have to be written. */
  #unwritten = 0;
  #saved: Map<SessionKey, SessionRecord> = new Map();
  #dropped: number[] = [];
  #retained: Map<string, Message | undefined> = new Map();
  #stamps: Map<string, number> = new Map();
  /** Subscriptions and received identifiers, already as facts. */
  readonly #rest: BatchWriter = new BatchWriter();
  readonly #out: BatchWriter = new BatchWriter();
  /** Number of batches given to the disk, and (`#applied`) of the safe ones among them. */
  #posted = 0;
  #applied = 0;
  /** Of all batches. */
  #postedBytes = 0;
  #failure: StoreError | undefined;
  #waiting: { resolve(): void; reject(error: StoreError): void } | undefined;
  #loads: Map<number, { request: LoadRequest; done(deliveries: readonly DeliveryRecord[]): void }> =
    new Map();
  /** Requests of `#loads` that found nothing while a batch could not be written: asked again once it is. */
  readonly #again: LoadRequest[] = [];
  #lastLoad = 0;
  /** The last time in the file, or on its way to it. */
  #toldTime = -Infinity;
  /** Cancels the commit that is due at the end of the interval; undefined if none is. */
  #cancelTimer: (() => void) | undefined;

  /** @internal `openStore()` and `openBrowserStore()` make it. */
  constructor(options: FactStoreOptions) {
    this.#options = options;
    this.#nextSession = options.found.lastSession + 1;
    this.#disk = options.disk(this);
  }

  /** Batches that were given to the disk since the store was opened, and their bytes. */
  get written(): { readonly batches: number; readonly bytes: number } {
    return { batches: this.#posted, bytes: this.#postedBytes };
  }

  sessions(): Iterable<StoredSession> {
    const { found } = this.#options;
    const { sessions } = found;
    found.sessions = [];
    return sessions;
  }

  retainedMessages(): Iterable<Message> {
    const { found } = this.#options;
    const { retained } = found;
    found.retained = [];
    return unpackMessages(retained);
  }

  stamps(): Iterable<readonly [topic: string, stamp: number]> {
    const { found } = this.#options;
    const { stamps = [] } = found;
    found.stamps = [];
    return stamps;
  }

  lastOrder(): number {
    return this.#options.found.lastOrder;
  }

  saved(key: SessionKey, session: SessionRecord): void {
    if (key.storeId === 0) key.storeId = this.#nextSession++;
    this.#saved.set(key, session);
  }

  dropped(key: SessionKey): void {
    if (key.storeId <= 0) return;
    this.#saved.delete(key);
    this.#dropped.push(key.storeId);
    key.storeId = DROPPED;
  }

  subscribed({ storeId }: SessionKey, subscription: SubscriptionRecord): void {
    if (storeId > 0) writeSubscribed(this.#rest, storeId, subscription);
  }

  unsubscribed({ storeId }: SessionKey, filter: string): void {
    if (storeId > 0) writeUnsubscribed(this.#rest, storeId, filter);
  }

  queued(key: SessionKey, delivery: DeliveryRecord): void {
    if (key.storeId <= 0) return;
    delivery.storeState = Note.NEW;
    this.#list(key, delivery);
  }

  advanced(key: SessionKey, delivery: DeliveryRecord): void {
    if (delivery.storeState !== Note.WRITTEN) return; // already in `#deliveries`, and read when it is written
    delivery.storeState = Note.CHANGED;
    this.#list(key, delivery);
  }

  finished(key: SessionKey, delivery: DeliveryRecord): void {
    const note = delivery.storeState;
    if (note === Note.WRITTEN) {
      delivery.storeState = Note.ENDED;
      this.#list(key, delivery);
    } else if (note === Note.CHANGED) delivery.storeState = Note.ENDED;
    else if (note === Note.NEW) {
      delivery.storeState = Note.OVER;
      this.#unwritten--;
    }
  }

  #list(key: SessionKey, delivery: DeliveryRecord): void {
    this.#deliveries.push(delivery);
    this.#keys.push(key);
    this.#unwritten++;
  }

  expired({ storeId }: SessionKey, until: number): void {
    if (storeId > 0) writeExpired(this.#rest, storeId, until);
  }

  received({ storeId }: SessionKey, packetId: number, open: boolean): void {
    if (storeId > 0) writeReceived(this.#rest, storeId, packetId, open);
  }

  retained(topic: string, message: Message | undefined): void {
    this.#retained.set(topic, message);
  }

  stamped(topic: string, stamp: number): void {
    this.#stamps.set(topic, stamp);
  }

  load(
    { storeId }: SessionKey,
    from: number,
    messages: number,
    bytes: number,
  ): Later<readonly DeliveryRecord[]> {
    if (this.#failure === undefined) this.#post();
    const request: LoadRequest = { request: ++this.#lastLoad, session: storeId, from, messages, bytes };
    let page: readonly DeliveryRecord[] | undefined;
    let done = (deliveries: readonly DeliveryRecord[]): void => void (page = deliveries);
    this.#loads.set(request.request, { request, done: (deliveries) => done(deliveries) });
    this.#disk.load(request); // a disk in this thread answers meanwhile
    return page ?? new Promise((resolve) => done = resolve);
  }

  commit(): Commit {
    if (this.#options.intervalMs > 0 && this.#failure === undefined) {
      this.#cancelTimer ??= this.#options.clock.after(this.#options.intervalMs, () => {
        this.#cancelTimer = undefined;
        this.#post();
      });
      return undefined;
    }
    const isRetry = this.#failure !== undefined;
    this.#failure = undefined;
    this.#post();
    if (isRetry) this.#disk.retry();
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#applied === this.#posted) return undefined;
    return new Promise((resolve, reject) => this.#waiting = { resolve, reject });
  }

  /** Called by the disk: so many batches are safe. */
  applied(count: number): void {
    this.#applied = count;
    if (count < this.#posted) return;
    this.#failure = undefined;
    for (const request of this.#again.splice(0)) this.#disk.load(request);
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  /** Called by the disk: a batch could not be made safe. */
  failed(error: StoreError): void {
    this.#failure = error;
    if (error.trouble === "corrupt") this.damaged(error);
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  /** Called by the disk: a part of the file cannot be read. */
  damaged(error: StoreError): void {
    this.#options.damaged(error);
  }

  /** Called by the disk: the page that was asked for. */
  loaded(request: number, page: Uint8Array): void {
    const load = this.#loads.get(request)!;
    if (page.length === 0 && this.#failure !== undefined) {
      this.#again.push(load.request); // the deliveries may be in the batch that could not be written yet
      return;
    }
    this.#loads.delete(request);
    load.done(readPage(page));
  }

  /**
   * Makes the rest safe and closes the file.
   * @throws {StoreError} if facts could not be made safe: they are lost.
   */
  async close(): Promise<void> {
    this.#cancelTimer?.();
    try {
      const isRetry = this.#failure !== undefined;
      this.#failure = undefined;
      this.#post();
      if (isRetry) this.#disk.retry();
      if (this.#failure === undefined && this.#applied !== this.#posted) {
        await new Promise<void>((resolve, reject) => this.#waiting = { resolve, reject });
      }
      if (this.#failure !== undefined) throw this.#failure;
    } finally {
      await this.#disk.close();
      this.#options.closed();
    }
  }

  /** Closes the file as it is: what is not safe is lost, and whoever waits for it is not told. For a store that has another owner. */
  async abandon(): Promise<void> {
    this.#cancelTimer?.();
    await this.#disk.close();
    this.#options.closed();
  }

  /** Gives the gathered facts to the disk, as one batch. */
  #post(): void {
    for (const id of this.#dropped) writeDropped(this.#out, id);
    this.#dropped = [];
    for (const [key, session] of this.#saved) writeSaved(this.#out, key.storeId, session);
    this.#saved.clear();
    if (this.#rest.length > 0) this.#out.raw(this.#rest.take());
    if (this.#deliveries.length > 0) this.#writeDeliveries();
    for (const [topic, message] of this.#retained) writeRetained(this.#out, topic, message);
    this.#retained.clear();
    for (const [topic, stamp] of this.#stamps) writeStamped(this.#out, topic, stamp);
    this.#stamps.clear();
    if (this.#out.length === 0) return;
    this.#tellTime();
    this.#posted++;
    this.#postedBytes += this.#out.length;
    this.#disk.apply(this.#out.take());
  }

  /** Each batch says what time it is, but not twice in a second: a row more costs a page of the log. */
  #tellTime(): void {
    const now = this.#options.clock.now();
    if (Math.abs(now - this.#toldTime) < TIME_MS) return;
    this.#toldTime = now;
    writeTime(this.#out, now);
  }

  #writeDeliveries(): void {
    const deliveries = this.#deliveries;
    const keys = this.#keys;
    let shared: Message | undefined;
    let sharedId = 0;
    for (let i = 0; i < deliveries.length && this.#unwritten > 0; i++) {
      const delivery = deliveries[i]!;
      const note = delivery.storeState;
      if (note === Note.OVER) continue;
      this.#unwritten--;
      if (note === Note.NEW) {
        delivery.storeState = Note.WRITTEN;
        const { storeId } = keys[i]!;
        if (storeId === DROPPED) continue;
        const { message } = delivery;
        if (message !== shared && this.#isShared(message, i + 1)) {
          shared = message;
          sharedId = delivery.order;
          writeShared(this.#out, sharedId, message);
        }
        writeQueued(this.#out, storeId, delivery, message === shared ? sharedId : 0);
      } else if (note === Note.CHANGED) {
        delivery.storeState = Note.WRITTEN;
        writeAdvanced(this.#out, delivery);
      } else if (note === Note.ENDED) {
        delivery.storeState = Note.OVER;
        writeFinished(this.#out, delivery);
      }
    }
    this.#deliveries = [];
    this.#keys = [];
    this.#unwritten = 0;
  }

  /** Whether another new delivery of the same message follows: deliveries of one PUBLISH stand together. */
  #isShared(message: Message, from: number): boolean {
    for (let i = from; i < this.#deliveries.length; i++) {
      const delivery = this.#deliveries[i]!;
      if (delivery.message !== message) return false;
      if (delivery.storeState === Note.NEW && this.#keys[i]!.storeId !== DROPPED) return true;
    }
    return false;
  }
}
