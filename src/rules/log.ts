/**
 * Where hooks and webhook tell a person what happens.
 * Knows levels and fields; refuses to know how a line is written.
 * @module
 */

/** Values beside a message. */
type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/** A log. */
export interface RuleLog {
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** Once a minute for each cause. */
  warnSeldom(cause: string, message: string, fields: Fields): void;
}
