/**
 * Standard output for bytes that come faster than it takes them.
 * Knows what waits, and when the other end is gone; refuses to know messages.
 * @module
 */
import { Buffer } from "node:buffer";
import { isBrokenPipe, writeAll } from "../../runtime/descriptor.ts";

/** Bytes that wait before `isFull`. */
const BEHIND_BYTES = 1_048_576;

/** Written in turns: what comes while the system takes the bytes of one turn leaves together in the next. */
export class Output {
  readonly #drained: () => void;
  readonly #failed: (error: Error, isClosed: boolean) => void;
  #chunks: Uint8Array[] = [];
  #written: (() => void)[] = [];
  #bytes = 0;
  #isBroken = false;
  #writing: Promise<void> | undefined;

  /** `drained` is called when there is room again; `failed` once, when nothing more can be written: `isClosed` says that nothing reads it. */
  constructor(drained: () => void, failed: (error: Error, isClosed: boolean) => void) {
    this.#drained = drained;
    this.#failed = failed;
  }

  /** Whether as much waits as should. */
  get isFull(): boolean {
    return this.#bytes >= BEHIND_BYTES;
  }

  /** Takes bytes, which are not changed afterwards; calls `written` when the system has them. */
  write(chunks: readonly Uint8Array[], written?: () => void): void {
    if (this.#isBroken) return;
    for (const chunk of chunks) {
      this.#bytes += chunk.length;
      this.#chunks.push(chunk);
    }
    if (written !== undefined) this.#written.push(written);
    this.#writing ??= this.#write();
  }

  /** Resolves when all is written, or nothing more can be. */
  async end(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve)); // the rest of this turn's messages
    while (this.#chunks.length > 0 || this.#written.length > 0) {
      const bytes = Buffer.concat(this.#chunks);
      const written = this.#written;
      const wasFull = this.isFull;
      this.#chunks = [];
      this.#written = [];
      try {
        await writeAll(1, bytes);
      } catch (error) {
        this.#isBroken = true;
        this.#failed(error as Error, isBrokenPipe(error));
        return;
      }
      this.#bytes -= bytes.length;
      for (const each of written) each();
      if (wasFull && !this.isFull) this.#drained();
    }
    this.#writing = undefined;
  }
}
