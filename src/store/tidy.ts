/**
 * §4.1 Removes the rows of sessions that are over, a little at a time.
 * Knows which rows belong to a session; refuses to know when there is time to remove them.
 * @module
 */
import type { Database } from "./database.ts";

/** Deliveries removed in one transaction, of each kind of step: the next batch waits behind it. */
const REMOVED_AT_ONCE = 2_000;

/** The sessions of one file that are over and still have rows. */
export class Ended {
  readonly #database: Database;
  readonly #ended: number[];

  /** @throws {StoreError} when they cannot be read. */
  constructor(database: Database) {
    this.#database = database;
    this.#ended = database.all("SELECT session FROM ended").map((row) => row["session"] as number);
  }

  /** One more: its row is gone, and it is in the table `ended`. */
  add(session: number): void {
    this.#ended.push(session);
  }

  /** Whether `tidy()` has something to do. */
  get untidy(): boolean {
    return this.#ended.length > 0;
  }

  /** Removes some of the rows of one of the sessions. */
  tidy(): void {
    const id = this.#ended.at(-1)!;
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
