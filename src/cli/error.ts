/**
 * How a command ends that does not end well.
 * Knows exit statuses; refuses to know why.
 * @module
 */

/** One meaning for all commands: a fault that was found is not a call that was wrong. */
export const STATUS = {
  /** All is well. */
  good: 0,
  /** The command found what it looks for: faults, losses. */
  found: 1,
  /** It was called wrong, or cannot be done. */
  cannot: 2,
} as const;

/** The same for people. */
export const STATUS_HELP =
  "Exit status: 0 all is well, 1 something wrong was found, 2 it was called wrong or cannot be done.";

/** A command was called wrong, or cannot be done; exit status 2. The message is one line. */
export class CallError extends Error {
  override readonly name = "CallError";
}
