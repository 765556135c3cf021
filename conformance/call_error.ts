/**
 * The error for a wrong call of the auditor.
 * Knows its name; refuses to know which calls are right.
 * @module
 */

/** The call was wrong: the message is one line for whoever made it. */
export class AuditCallError extends Error {
  /** As it stands in logs. */
  override readonly name = "AuditCallError";
}
