/**
 * How a command ends that does not end well, and why a file cannot be used.
 * Knows exit statuses; refuses to know commands.
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

const TROUBLES: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "there is no permission",
  EISDIR: "that is a directory",
  ENOTDIR: "it is no directory",
};

/** Why a file cannot be read or written. */
export function fileTrouble(error: unknown): string {
  const { code = "", message } = error as { readonly code?: string; readonly message: string };
  return TROUBLES[code] ?? message.split("\n")[0]!;
}
