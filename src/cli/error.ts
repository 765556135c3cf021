/**
 * How a command ends that does not end well.
 * Knows exit statuses; refuses to know why.
 * @module
 */

/** The call was wrong; exit status 2. The message is one line. */
export class CallError extends Error {
  override readonly name = "CallError";
}

/** The work failed; exit status 1. The message is one line. */
export class WorkError extends Error {
  override readonly name = "WorkError";
}
