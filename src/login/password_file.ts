/**
 * A password file as a broker uses it: read again when it changes, by `plumb passwd` say; a line that is wrong is told of, the rest holds.
 * Knows the users of the present moment; refuses to know how they log in.
 * @module
 */
import type { LoginEvents } from "./link.ts";
import { type PasswordLines, readPasswordLines, type User } from "./password_lines.ts";
import { WatchedFile, type WatchOptions } from "./watched_file.ts";

/** Faults of one reading that are told one by one. */
const FAULTS_TOLD_MAX = 20;

/** A file that was read at least once. */
export class PasswordFile {
  #lines: PasswordLines = { users: new Map(), faults: [], fakeSaltKey: undefined };
  #file: WatchedFile | undefined;

  private constructor() {}

  /**
   * Reads the file.
   * @throws what reading throws.
   */
  static async open(path: string, options: WatchOptions = {}): Promise<PasswordFile> {
    const { onEvent = () => {} } = options;
    const one = new PasswordFile();
    one.#file = await WatchedFile.open(path, (text) => {
      one.#lines = readPasswordLines(text, one.#lines.users);
      tellFaults(path, one.#lines, onEvent);
    }, { ...options, isSecret: true });
    return one;
  }

  /** The users by name. A verifier is the same object as long as its line is the same. */
  get users(): ReadonlyMap<string, User> {
    return this.#lines.users;
  }

  /** See `PasswordLines`. */
  get fakeSaltKey(): Uint8Array | undefined {
    return this.#lines.fakeSaltKey;
  }

  /** Reads the file now. An error is an event, and the users stay. */
  async reload(): Promise<void> {
    await this.#file!.reload();
  }

  /** Looks at the file no more. */
  close(): void {
    this.#file!.close();
  }
}

function tellFaults(file: string, { faults }: PasswordLines, onEvent: LoginEvents): void {
  for (const { line, what } of faults.slice(0, FAULTS_TOLD_MAX)) {
    onEvent({
      level: "error",
      message: "password file: line ignored",
      fields: { at: `${file}:${line}`, why: what },
    });
  }
  const more = faults.length - FAULTS_TOLD_MAX;
  if (more > 0) {
    onEvent({ level: "error", message: "password file: more lines ignored", fields: { file, lines: more } });
  }
}
