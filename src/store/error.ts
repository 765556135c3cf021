/**
 * The errors of a store, in one line for a person.
 * Knows SQLite's and the system's words; refuses to know how an error is dealt with.
 * @module
 */

/** The kind of an error. */
export type StoreTrouble = "full" | "locked" | "newer" | "foreign" | "corrupt" | "unwritable" | "io";

/** The store cannot be opened, read or written. The message is one line. */
export class StoreError extends Error {
  /** Always `StoreError`. */
  override readonly name = "StoreError";
  /** Its kind: a remedy depends on that. */
  readonly trouble: StoreTrouble;

  /** @internal */
  constructor(trouble: StoreTrouble, message: string) {
    super(message);
    this.trouble = trouble;
  }
}

/** Words of SQLite; not every runtime gives its numbers. */
const WORDS: readonly (readonly [words: RegExp, trouble: StoreTrouble])[] = [
  [/database or disk is full|ENOSPC|EDQUOT/, "full"],
  [/database (table )?is locked|SQLITE_BUSY/, "locked"],
  [/malformed|not a database|unsupported file format|corrupt/i, "corrupt"],
  [
    /readonly database|unable to open database|EACCES|EPERM|EROFS|ENOTDIR|EISDIR|ENOENT|EEXIST|NotCapable|Requires .* access/,
    "unwritable",
  ],
];

/** An error of SQLite or of the system, as trouble with the file `path`. */
export function troubleWith(path: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const said = error instanceof Error ? error.message : String(error);
  const [line = said] = said.split("\n");
  const trouble = WORDS.find(([words]) => words.test(said))?.[1] ?? "io";
  return new StoreError(trouble, `${path}: ${line}`);
}
