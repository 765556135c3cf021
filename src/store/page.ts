/**
 * §4.1 Pages of the deliveries that wait in a session: from the file to the thread of the broker.
 * Knows which rows wait, and the layout of a page; refuses to know why it is asked for.
 * @module
 */
import type { DeliveryRecord, Message } from "../broker/mod.ts";
import { BatchReader, BatchWriter } from "./batch.ts";
import type { Database } from "./database.ts";
import { StoreError } from "./error.ts";
import { columnsOf, HAS_ROW, identifiersOf, SELECT_DELIVERY } from "./load.ts";
import { MessageMaker, readMessage, writeMessage } from "./message_row.ts";
import type { Row } from "./tables.ts";

/**
 * Deliveries of one session that wait, in order from `from` on, as `readPage()` reads them. Rows that cannot be read
 * are left out, and `damaged` is called with the reason.
 */
export function pageOf(
  database: Database,
  session: number,
  from: number,
  messages: number,
  bytes: number,
  damaged: (error: StoreError) => void,
): Uint8Array<ArrayBuffer> {
  const out = new BatchWriter();
  const maker = new MessageMaker();
  for (let next = from; out.length === 0;) {
    const listed = database.all(LIST_WAITING, session, next, messages);
    if (listed.length === 0) break;
    const ids = firstBytes(listed, bytes);
    next = ids.at(-1)! + 1;
    for (const row of waitingRows(database, session, ids, damaged)) {
      try {
        const message = maker.passing(columnsOf(row));
        const { id: order, qos, retain, identifiers } = row as unknown as WaitingColumns & { id: number };
        identifiersOf(identifiers ?? undefined);
        writeWaiting(out, { order, qos, retain, identifiers }, message);
      } catch (error) {
        damaged(
          new StoreError("corrupt", `${database.path}: delivery ${row["id"]}: ${(error as Error).message}`),
        );
      }
    }
  }
  return out.take();
}

/** Rows of deliveries of a session, one by one where a page of the file cannot be read. */
function waitingRows(
  database: Database,
  session: number,
  ids: readonly number[],
  damaged: (error: StoreError) => void,
): Row[] {
  try {
    return database.all(SELECT_WAITING, session, ids[0]!, ids.at(-1)!);
  } catch {
    return ids.flatMap((id) => {
      try {
        return database.all(SELECT_WAITING, session, id, id);
      } catch (error) {
        damaged(error as StoreError);
        return [];
      }
    });
  }
}

/** The part of a delivery that waits, without its message. */
export interface WaitingColumns {
  readonly order: number;
  readonly qos: number;
  readonly retain: number;
  /** A JSON array. */
  readonly identifiers: string | null;
}

/** A delivery into a page, for `readPage()`. */
export function writeWaiting(out: BatchWriter, waiting: WaitingColumns, message: Message): void {
  out.f64(waiting.order);
  out.u8(waiting.qos);
  out.u8(waiting.retain);
  out.text(waiting.identifiers ?? undefined);
  writeMessage(out, message);
}

/** The deliveries of a page. */
export function readPage(page: Uint8Array): DeliveryRecord[] {
  const found: DeliveryRecord[] = [];
  for (const from = new BatchReader(page); from.more;) {
    found.push({
      order: from.f64(),
      qos: from.u8() as 1 | 2,
      retain: from.u8() === 1,
      subscriptionIdentifiers: identifiersOf(from.text()),
      message: readMessage(from),
      share: undefined,
      packetId: 0,
      released: 0,
      storeState: HAS_ROW,
    });
  }
  return found;
}

const SELECT_WAITING = `${SELECT_DELIVERY} WHERE delivery.session = ? AND delivery.step = 0
  AND delivery.id BETWEEN ? AND ? ORDER BY delivery.id`;

/** From the index alone. */
const LIST_WAITING =
  "SELECT id, bytes FROM delivery WHERE session = ? AND step = 0 AND id >= ? ORDER BY id LIMIT ?";

/** As many of the first as have so many bytes together, but the first in any case. */
function firstBytes(listed: readonly Row[], bytes: number): number[] {
  const ids: number[] = [];
  let sum = 0;
  for (const row of listed) {
    sum += row["bytes"] as number;
    if (ids.length > 0 && sum > bytes) break;
    ids.push(row["id"] as number);
  }
  return ids;
}
