/**
 * A text file that is read again when it changes.
 * Knows when to read; refuses to know what the text means.
 * @module
 */
import { readFile, stat } from "node:fs/promises";
import { clearInterval, setInterval } from "node:timers";
import type { LoginEvents } from "./link.ts";
import { type NumberRow, numbersOf } from "./options.ts";

/** The numbers of a file. */
export const FILE_NUMBERS: Readonly<Record<"pollMs", NumberRow>> = {
  pollMs: {
    default: 2_000,
    least: 0,
    most: 86_400_000,
    unit: "ms",
    about:
      "how often a file of passwords, keys or headers is looked at; 0 is never, SIGHUP reads it all the same",
  },
};

/** How a file is watched. */
export interface WatchOptions extends Partial<Readonly<Record<keyof typeof FILE_NUMBERS, number>>> {
  /** Is told of what an owner wants to know. */
  readonly onEvent?: LoginEvents;
  /** Warns if all users of the machine can read it. */
  readonly isSecret?: boolean;
}

/** A file that was read at least once. */
export class WatchedFile {
  readonly path: string;
  readonly #took: (text: string) => void;
  readonly #onEvent: LoginEvents;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  #seen: string;
  #reading: Promise<void> | undefined;
  #isTroubled = false;

  private constructor(path: string, seen: string, took: (text: string) => void, options: WatchOptions) {
    const { pollMs } = numbersOf(FILE_NUMBERS, options);
    this.path = path;
    this.#took = took;
    this.#seen = seen;
    this.#onEvent = options.onEvent ?? (() => {});
    if (pollMs > 0) this.#timer = setInterval(() => void (this.#reading ?? this.#read(false)), pollMs);
    this.#timer?.unref();
  }

  /**
   * Reads the file and gives its text to `took`, now and whenever it changes.
   * @throws what reading throws, and what `took` throws the first time; later both are events, and what was taken last holds.
   */
  static async open(path: string, took: (text: string) => void, options: WatchOptions): Promise<WatchedFile> {
    const { seen, mode } = await lookAt(path);
    took(await readFile(path, "utf8"));
    if (options.isSecret && mode & 0o004) {
      const fields = { file: path, advice: "chmod 600" };
      options.onEvent?.({
        level: "warn",
        message: "every user of this machine can read this file of secrets",
        fields,
      });
    }
    return new WatchedFile(path, seen, took, options);
  }

  /** Reads it now. An error is an event, and what was taken last holds. */
  async reload(): Promise<void> {
    while (this.#reading !== undefined) await this.#reading;
    await this.#read(true);
  }

  /** Looks at it no more. */
  close(): void {
    clearInterval(this.#timer);
  }

  /** Called when no other reading goes on: an older text is never taken after a newer one. */
  #read(isForced: boolean): Promise<void> {
    return this.#reading = this.#take(isForced)
      .catch((error: unknown) => this.#trouble(error)) // it is away, for a moment perhaps
      .finally(() => this.#reading = undefined);
  }

  async #take(isForced: boolean): Promise<void> {
    const { seen } = await lookAt(this.path);
    if (isForced || seen !== this.#seen) {
      this.#took(await readFile(this.path, "utf8"));
      this.#seen = seen;
      this.#onEvent({ level: "info", message: "file read again", fields: { file: this.path } });
    }
    this.#isTroubled = false;
  }

  #trouble(error: unknown): void {
    if (this.#isTroubled) return;
    this.#isTroubled = true;
    const why = error instanceof Error ? error.message : String(error);
    this.#onEvent({
      level: "error",
      message: "file not read again, what it said before holds",
      fields: { file: this.path, why },
    });
  }
}

async function lookAt(path: string): Promise<{ seen: string; mode: number }> {
  const { mtimeMs, ctimeMs, size, ino, mode } = await stat(path);
  return { seen: `${mtimeMs} ${ctimeMs} ${size} ${ino}`, mode };
}
