/**
 * What is wrong with a request, as its answer says it.
 * Knows the codes and their statuses; refuses to know requests.
 * @module
 */

/** The code of each error, and its HTTP status. */
export const ERROR_STATUS = {
  /** The request cannot be read, or a value is not what it may be. */
  "bad-request": 400,
  /** There is no login, or it is over. */
  "login-needed": 401,
  /** User and password are not those of an administrator. */
  "login-refused": 403,
  /** The request comes from another site, or for another host. */
  "forbidden": 403,
  "not-found": 404,
  "method-not-allowed": 405,
  /** The broker cannot do it now, or not like this. */
  "conflict": 409,
  /** The cursor of a page is over. */
  "cursor-over": 410,
  "too-large": 413,
  "not-json": 415,
  /** A file has something in it that cannot be used; `line` and `key` may say where. */
  "not-usable": 422,
  /** Too many logins failed, or too much is under way. */
  "too-many": 429,
  /** An error of the broker's own: its log has more. */
  "internal": 500,
  /** The broker does not take Clients, or its store fails. */
  "not-running": 503,
} as const;

/** Which error. */
export type ErrorCode = keyof typeof ERROR_STATUS;

/** Thrown by what deals with a request; the message says what was wrong, where, and what would be right. */
export class ApiError extends Error {
  /** What clients tell errors apart by. */
  readonly code: ErrorCode;
  /** More that is said of it: `line` and `key` in a file. */
  readonly details: Readonly<Record<string, string | number>>;

  /** An answer with the status of `code`. */
  constructor(code: ErrorCode, message: string, details: ApiError["details"] = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}
