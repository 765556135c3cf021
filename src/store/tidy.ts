/**
 * §4.1 Removes the rows of sessions that are over, and of messages that have expired, a little at a time.
 * Knows which rows belong to a session; refuses to know when there is time to remove them.
 * @module
 */
import type { Database } from "./database.ts";

/** Deliveries removed in one transaction, of each kind of step: the next batch waits behind it. */
const REMOVED_AT_ONCE = 2_000;

/** The sessions of one file that are over and still have rows, or have rows of messages that have expired. */
export class Ended {
  readonly #database: Database;
  readonly #ended: number[];
  /** By session: until when. */
  readonly #expired: Map<number, number> = new Map();

  /** @throws {StoreError} when they cannot be read. */
  constructor(database: Database) {
    this.#database = database;
    this.#ended = database.all("SELECT session FROM ended").map((row) => row["session"] as number);
  }

  /** One more: its row is gone, and it is in the table `ended`. */
  add(session: number): void {
    this.#ended.push(session);
  }

  /** §3.3.2.3.3 Messages that wait in a session alone and expire then or before are to be removed. */
  expired(session: number, until: number): void {
    this.#expired.set(session, Math.max(until, this.#expired.get(session) ?? 0));
  }

  /** Whether `tidy()` has something to do. */
  get untidy(): boolean {
    return this.#ended.length + this.#expired.size > 0;
  }

  /** Removes some of the rows of one of the sessions. */
  tidy(): void {
    const [expired] = this.#expired;
    if (expired === undefined) return this.#tidyEnded(this.#ended.at(-1)!);
    let removed = 0;
    this.#database.transaction(() => {
      this.#database.run(
        `DELETE FROM delivery WHERE id IN
           (SELECT id FROM delivery INDEXED BY delivery_expiring
            WHERE session = ? AND step = 0 AND expires_at IS NOT NULL AND expires_at <= ? LIMIT ${REMOVED_AT_ONCE})`,
        ...expired,
      );
      removed = this.#database.all("SELECT changes() AS count")[0]!["count"] as number;
    });
    if (removed < REMOVED_AT_ONCE) this.#expired.delete(expired[0]);
  }

  #tidyEnded(id: number): void {
    let isDone = false;
    this.#database.transaction(() => {
      for (const step of ["step = 0", "step > 0"]) {
        this.#database.run(
          `DELETE FROM delivery WHERE id IN
             (SELECT id FROM delivery WHERE session = ? AND ${step} LIMIT ${REMOVED_AT_ONCE})`,
          id,
        );
      }
      const left = this.#database.all(
        `SELECT EXISTS (SELECT 1 FROM delivery WHERE session = ? AND step = 0) OR
                EXISTS (SELECT 1 FROM delivery WHERE session = ? AND step > 0) AS some`,
        id,
        id,
      );
      isDone = left[0]!["some"] === 0;
      if (!isDone) return;
      for (const table of ["will", "subscription", "received", "ended"]) {
        this.#database.run(`DELETE FROM ${table} WHERE session = ?`, id);
      }
    });
    if (isDone) this.#ended.splice(this.#ended.indexOf(id), 1);
  }
}
