/**
 * §4.1 The content of a store as one file that every store reads and writes: SQLite's, and that of a browser.
 *
 * The file: `PLMBSNAP`, the version (u32), and chunks. A chunk is its length (u32), the CRC-32 of its bytes (u32), and its bytes, which
 * are whole facts (fact.ts): the time; each session by its number, with its subscriptions by filter and the identifiers it has received;
 * the deliveries by their order, a message that several share in front of the first one; the retained messages by topic. A chunk of
 * length 0 ends the file, with the number of chunks in place of the CRC. Numbers are big-endian, texts are in the order of their
 * UTF-8 bytes. So the same content makes the same bytes.
 *
 * Knows the file and what may stand in it; refuses to know the stores.
 * @module
 */
import type { DeliveryRecord, Message, SessionRecord, SubscriptionRecord } from "../broker/mod.ts";
import { BatchWriter } from "./batch.ts";
import { StoreError } from "./error.ts";
import {
  type FactHandler,
  type QueuedFact,
  readFacts,
  type SavedFact,
  type SubscribedFact,
  writeQueued,
  writeReceived,
  writeRetained,
  writeSaved,
  writeShared,
  writeSubscribed,
  writeTime,
} from "./fact.ts";
import type { MessageColumns } from "./message_row.ts";
import { Step } from "./schema.ts";
import { type Kind, type Row, TABLES } from "./tables.ts";

const MAGIC = /* @__PURE__ */ new TextEncoder().encode("PLMBSNAP");
/** The version that this code reads and writes. */
const VERSION = 1;
const HEADER_BYTES = 8 + 4;
const CHUNK_HEADER_BYTES = 4 + 4;
/** A chunk ends behind the fact that passes this. */
const CHUNK_BYTES = 256 * 1024;

/** Whether a file begins as a snapshot does. */
export function isSnapshot(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, i) => bytes[i] === byte);
}

/** Writes a snapshot; what it is given has to come in the order of the file. */
export class SnapshotWriter {
  readonly #write: (chunk: Uint8Array<ArrayBuffer>) => void;
  readonly #out: BatchWriter = new BatchWriter();
  /** Shared messages that have been written. */
  readonly #messages: Set<number> = new Set();
  #chunks = 0;

  /** `write` is called with piece after piece of the file. */
  constructor(write: (chunk: Uint8Array<ArrayBuffer>) => void) {
    this.#write = write;
    const header = new Uint8Array(HEADER_BYTES);
    header.set(MAGIC);
    new DataView(header.buffer).setUint32(MAGIC.length, VERSION);
    write(header);
  }

  /** The time up to which the deadlines hold: ms since the epoch; undefined if the store does not know it. */
  time(now: number | undefined): void {
    if (now !== undefined) writeTime(this.#out, now);
  }

  /** A session, in ascending order of their numbers. */
  session(
    id: number,
    session: SessionRecord,
    subscriptions: readonly SubscriptionRecord[],
    received: readonly number[],
  ): void {
    writeSaved(this.#out, id, session);
    for (const each of [...subscriptions].sort((a, b) => compareTexts(a.filter, b.filter))) {
      writeSubscribed(this.#out, id, each);
    }
    for (const each of [...received].sort((a, b) => a - b)) writeReceived(this.#out, id, each, true);
    this.#maybeEnd();
  }

  /** A delivery, in ascending order; `shared` is the number of its message if others have that too. */
  delivery(session: number, delivery: DeliveryRecord, shared: number | null): void {
    if (shared !== null && !this.#messages.has(shared)) {
      this.#messages.add(shared);
      writeShared(this.#out, shared, delivery.message);
    }
    writeQueued(this.#out, session, delivery, shared ?? 0);
    this.#maybeEnd();
  }

  /** A retained message, in the order of `compareTexts()` of their topics. */
  retained(message: Message): void {
    writeRetained(this.#out, message.topic, message);
    this.#maybeEnd();
  }

  /** The file is complete. */
  end(): void {
    if (this.#out.length > 0) this.#endChunk();
    this.#write(chunkHeader(0, this.#chunks));
  }

  #maybeEnd(): void {
    if (this.#out.length >= CHUNK_BYTES) this.#endChunk();
  }

  #endChunk(): void {
    const facts = this.#out.take();
    this.#chunks++;
    this.#write(chunkHeader(facts.length, crc32(facts)));
    this.#write(facts);
  }
}

function chunkHeader(length: number, check: number): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(CHUNK_HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, length);
  view.setUint32(4, check);
  return header;
}

/**
 * The facts of a snapshot, batch by batch, once all of it has been read through; `name` is for the error.
 * @throws {StoreError} if it is none (`foreign`), of a later version (`newer`) or damaged (`corrupt`).
 */
export function checkedSnapshot(bytes: Uint8Array, name: string): Uint8Array[] {
  if (!isSnapshot(bytes)) throw new StoreError("foreign", `${name}: not a snapshot of Plumb's`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const cut = () => new StoreError("corrupt", `${name}: cut off at byte ${bytes.length}`);
  if (bytes.length < HEADER_BYTES) throw cut();
  const version = view.getUint32(MAGIC.length);
  if (version !== VERSION) {
    const versions = `its version is ${version}, and this one knows ${VERSION}`;
    throw new StoreError("newer", `${name}: a snapshot of another Plumb (${versions})`);
  }
  const batches: Uint8Array[] = [];
  const damaged = (at: number, why: string) => new StoreError("corrupt", `${name}: at byte ${at}: ${why}`);
  const check = new Check();
  for (let at = HEADER_BYTES;;) {
    if (at + CHUNK_HEADER_BYTES > bytes.length) throw cut();
    const [length, said] = [view.getUint32(at), view.getUint32(at + 4)];
    const from = at + CHUNK_HEADER_BYTES;
    if (length === 0) {
      if (said !== batches.length) throw damaged(at, `${batches.length} chunks, and it says ${said}`);
      if (from < bytes.length) throw damaged(from, "bytes behind its end");
      return batches;
    }
    if (from + length > bytes.length) throw cut();
    const batch = bytes.subarray(from, at = from + length);
    if (crc32(batch) !== said) throw damaged(from, "its bytes are not as they were written");
    try {
      readFacts(batch, check);
    } catch (error) {
      throw damaged(from, (error as Error).message);
    }
    batches.push(batch);
  }
}

/** Compares two texts as their UTF-8 bytes: as code points, which UTF-16 has in another order. */
export function compareTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [one, other] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (one !== other) return rank(one) - rank(other);
  }
  return a.length - b.length;
}

/** Surrogates come behind all other units. */
function rank(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

const crcTable: Uint32Array = /* @__PURE__ */ (() =>
  new Uint32Array(256).map((_, byte) => {
    for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? byte >>> 1 ^ 0xedb8_8320 : byte >>> 1;
    return byte;
  }))();

function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (let i = 0; i < bytes.length; i++) crc = crcTable[(crc ^ bytes[i]!) & 255]! ^ crc >>> 8;
  return ~crc >>> 0;
}

const NO_MESSAGE = {
  topic: null,
  payload: null,
  properties: null,
  header: null,
  publisher: null,
} as const;

/** Throws at the first fact that a broker could not work with. */
class Check implements FactHandler {
  readonly #sessions: Set<number> = new Set();
  readonly #clientIds: Set<string> = new Set();
  readonly #messages: Set<number> = new Set();
  readonly #topics: Set<string> = new Set();
  /** `SESSION/PACKET_ID` of deliveries that were sent. */
  readonly #sent: Set<string> = new Set();
  #order = 0;

  saved(fact: SavedFact): void {
    const { session: id, clientId, level, connected, user, address, will } = fact;
    const [expiry_seconds, expires_at] = [fact.expirySeconds, fact.expiresAt];
    row("session", `session ${id}`, {
      id,
      client_id: clientId,
      level,
      expiry_seconds,
      connected,
      expires_at,
      user,
      address,
    });
    if (id < 1 || this.#sessions.has(id)) throw new Error(`session ${id} is there twice`);
    if (this.#clientIds.has(clientId)) throw new Error(`Client ${JSON.stringify(clientId)} is there twice`);
    this.#sessions.add(id);
    this.#clientIds.add(clientId);
    if (will === undefined) return;
    const { expires_at: _, ...message } = will.message;
    const [delay_seconds, due_at] = [will.delaySeconds, will.dueAt];
    row("will", `the will of session ${id}`, { session: id, ...message, delay_seconds, due_at });
  }

  subscribed({ session, noLocal, retainAsPublished, retainHandling, ...rest }: SubscribedFact): void {
    row("subscription", this.#of(session, `subscription ${JSON.stringify(rest.filter)}`), {
      session,
      ...rest,
      no_local: noLocal,
      retain_as_published: retainAsPublished,
      retain_handling: retainHandling,
    });
  }

  received(session: number, packetId: number, open: boolean): void {
    if (!open) return this.#stranger();
    row("received", this.#of(session, `identifier ${packetId}`), { session, packet_id: packetId });
  }

  message(id: number, message: MessageColumns): void {
    row("message", `message ${id}`, { id, ...message });
    if (id < 1 || this.#messages.has(id)) throw new Error(`message ${id} is there twice`);
    this.#messages.add(id);
  }

  queued(fact: QueuedFact): void {
    const { order, session, step, packetId, own, shared, expiresAt, ...rest } = fact;
    const { expires_at: _, ...message } = own ?? { ...NO_MESSAGE, expires_at: null };
    const delivery = this.#of(session, `delivery ${order}`);
    row("delivery", delivery, {
      id: order,
      session,
      step,
      ...rest,
      packet_id: packetId,
      message: shared,
      ...message,
      expires_at: expiresAt,
    });
    if (order <= this.#order) throw new Error(`${delivery} stands behind delivery ${this.#order}`);
    if (rest.bytes === 0) throw new Error(`${delivery} has no bytes`);
    if (shared !== null && !this.#messages.has(shared)) {
      throw new Error(`${delivery}: its message ${shared} is not there`);
    }
    this.#order = order;
    const sent = `${session}/${packetId}`;
    if (step < Step.SENT) return;
    if (this.#sent.has(sent)) throw new Error(`${delivery}: Packet Identifier ${packetId} is there twice`);
    this.#sent.add(sent);
  }

  retained(topic: string, message: MessageColumns | undefined): void {
    if (message === undefined) return this.#stranger();
    row("retained", `retained message ${JSON.stringify(topic)}`, { ...message });
    if (topic !== message.topic || this.#topics.has(topic)) {
      throw new Error(`retained message ${JSON.stringify(topic)} is there twice`);
    }
    this.#topics.add(topic);
  }

  time(now: number): void {
    if (!(Math.abs(now) <= 8.64e15)) throw new Error(`its time is ${now}`);
  }

  dropped(): void {
    this.#stranger();
  }

  unsubscribed(): void {
    this.#stranger();
  }

  advanced(): void {
    this.#stranger();
  }

  finished(): void {
    this.#stranger();
  }

  expired(): void {
    this.#stranger();
  }

  #of(session: number, what: string): string {
    if (!this.#sessions.has(session)) throw new Error(`${what} of session ${session}, which is not there`);
    return what;
  }

  #stranger(): never {
    throw new Error("a fact that no snapshot has");
  }
}

/** @throws {Error} if a table cannot have this row. */
function row(name: string, what: string, row: Row): void {
  const table = TABLES.find((table) => table.name === name)!;
  for (const [column, kind] of Object.entries(table.columns)) {
    if (!fits(kind, row[column])) throw new Error(`${what}: its ${column} is ${row[column]}`);
  }
  const fault = table.fault(row);
  if (fault !== undefined) throw new Error(`${what}: ${fault}`);
}

function fits(kind: Kind, value: unknown): boolean {
  if (value === null) return kind.endsWith("?");
  if (kind.startsWith("text")) return typeof value === "string";
  if (kind.startsWith("bytes")) return value instanceof Uint8Array;
  return kind === "time?" ? Math.abs(value as number) <= 8.64e15 : Number.isSafeInteger(value);
}
