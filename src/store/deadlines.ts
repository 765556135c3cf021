/**
 * §3.1.2.11.2, §3.3.2.3.3 Deadlines in a file whose clock was set while no broker ran.
 * Knows which times are deadlines; refuses to know whose clock is right.
 *
 * A board without a clock begins in 1970, or on the day its system was built, until the network tells it the time. Its
 * broker goes on with the time of its start (`wallClock()`), so the file is of that time, and the next broker would find
 * everything expired. Seen from the file: no time passes backwards, and a broker does not rest for a year.
 * @module
 */
import type { Database } from "./database.ts";
import { StoreError } from "./error.ts";

/** Forwards this far it was the clock that moved: ms. */
const REST_MS_MAX = 366 * 24 * 3_600_000;
/** Backwards this far: less is the age of the time in the file, or a clock that is being corrected. */
const BACK_MS_MAX = 1_000;

/** Columns with a deadline. */
const DEADLINES = {
  session: "expires_at",
  will: "due_at",
  delivery: "expires_at",
  message: "expires_at",
  retained: "expires_at",
} as const;

/** A jump of the clock: from one time to another, in ms since the epoch. */
export interface ClockJump {
  /** The last time that the file has. */
  readonly from: number;
  /** The time that came behind it. */
  readonly to: number;
}

/** By how much the clock was set between two times, in ms; 0 if only time has passed. */
export function jumpOf(last: number, now: number): number {
  const passed = now - last;
  return passed >= -BACK_MS_MAX && passed <= REST_MS_MAX ? 0 : passed;
}

/**
 * Moves all deadlines of the file with the clock, if that has jumped since the last batch; gives the jump.
 * @throws {StoreError} if the file cannot be written, or if its time is none.
 */
export function moveWithClock(database: Database, now: number): ClockJump | undefined {
  const last = database.all("SELECT at FROM clock")[0]?.["at"];
  if (last === undefined) return undefined;
  if (typeof last !== "number" || !(Math.abs(last) <= 8.64e15)) {
    throw new StoreError("corrupt", `${database.path}: its clock is ${JSON.stringify(last)}`);
  }
  const passed = jumpOf(last, now);
  if (passed === 0) return undefined;
  database.transaction(() => {
    for (const [table, column] of Object.entries(DEADLINES)) {
      database.run(`UPDATE ${table} SET ${column} = ${column} + ? WHERE ${column} IS NOT NULL`, passed);
    }
    database.run("UPDATE clock SET at = ?", now);
  });
  return { from: last, to: now };
}
