/**
 * On Deno, how much is read before the event loop has to turn, and when it has to look at its sockets.
 * Knows bytes and turns; refuses to know sockets.
 *
 * A read that finds bytes resolves at once, without a turn of the loop. The reads of one sender that is fast enough would follow
 * each other for seconds, and no other socket, immediate or timer would run. Deno looks at its sockets after 61 turns that
 * follow each other, so a turn has to be short.
 * @module
 */
import { setImmediate, setTimeout } from "node:timers";

/** Bytes of all connections together that are read in one turn; the read that passes this bound is the last. */
const TURN_BYTES = 64 * 1024;
/** The least that a read counts for, in bytes. */
const READ_COST_BYTES = 1024;

/** After turns of so many ms the next one waits for a timer, before which Deno looks at its sockets whatever it has done. */
const LOOK_MS = 16;

/** A connection that reads. */
export interface TurnReader {
  /** The loop has turned: read on. */
  readInTurn(): void;
}

let left = TURN_BYTES;
let scheduled = false;
/** When Deno last looked at its sockets for certain: ms. */
let lookedAt = 0;
/** Connections whose last read left nothing: they read on together. */
let emptied: TurnReader[] = [];
/** Connections for which more is there: each has a turn of its own, or many fast senders would make a turn long. */
const filled: TurnReader[] = [];

/** Counts the bytes of a read; true if the reader has to wait until `readInTurn()` is called. `more`: there is more to read. */
export function endsReadTurn(bytes: number, more: boolean, reader: TurnReader): boolean {
  left -= Math.max(bytes, READ_COST_BYTES);
  if (left > 0) return false;
  if (more) filled.push(reader);
  else emptied.push(reader);
  if (!scheduled) inNextTurn(turned);
  scheduled = true;
  return true;
}

/** Calls `run` in the next turn of the loop; when turns have taken long, only after a look at all sockets. */
export function inNextTurn(run: () => void): void {
  if (isLookDue()) behindLook(run);
  else setImmediate(run);
}

/** Calls `run` in a later turn, behind timers; when turns have taken long, only after a look at all sockets. */
export function inLaterTurn(run: () => void): void {
  if (isLookDue()) behindLook(run);
  else setTimeout(run, 0);
}

function isLookDue(): boolean {
  return performance.now() - lookedAt >= LOOK_MS;
}

/** All that waits for a look, together: what went on meanwhile would keep Deno from it until the timer is due. */
let behind: (() => void)[] = [];

/** The timer is made behind the turn that is under way: one that falls due while the turn goes on would run at once. */
function behindLook(run: () => void): void {
  if (behind.push(run) === 1) setImmediate(() => setTimeout(looked, 0));
}

function looked(): void {
  lookedAt = performance.now();
  const runs = behind;
  behind = [];
  for (const run of runs) run();
}

function turned(): void {
  left = TURN_BYTES;
  const readers = emptied;
  emptied = [];
  const next = filled.shift();
  if (next !== undefined) readers.push(next);
  scheduled = filled.length > 0;
  if (scheduled) inNextTurn(turned);
  for (const reader of readers) reader.readInTurn();
}
