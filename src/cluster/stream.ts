/**
 * Numbered messages that are kept by several servers. The other thing that a cluster needs of an engine; logs are made of it.
 * Knows one try of each operation and how it ended; refuses to know what a message says, and to try again.
 * @module
 */

/**
 * How an `add()` ended that has not added anything for certain.
 * - `refused`: the last message was not the expected one; not added.
 * - `absent`: nobody was there to take it, as during an election, or there was no connection; not added.
 * - `unsure`: no answer, or one that leaves it open; it may be there, or come yet.
 */
export interface NotAdded {
  readonly why: "refused" | "absent" | "unsure";
  /** For a log line. */
  readonly reason: string;
}

/** A message of a stream. */
export interface StreamMessage {
  /** Its number, from 1, one more than that of the message before it. Numbers are never given twice. */
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/** Some messages in order. */
export interface StreamPage {
  readonly messages: readonly StreamMessage[];
  /** The number of the first message that is there, or that comes next if none is. */
  readonly first: number;
  /**
   * The number of the last message that has ever been added; 0 if none was. A page from a number up to this one which has no
   * messages says that they are not seen yet where it was read: ask again.
   */
  readonly last: number;
}

/**
 * A stream as one node sees it. Everything happens by callback, none of which is called from inside a call of the stream; each
 * is called once, in bounded time.
 */
export interface Stream {
  /** The most bytes that one message may have; more is an error of the caller, and thrown. */
  readonly bytesMax: number;
  /**
   * Adds a message, and tells its number when it is safe: so many servers have it that no fault of one loses it. `key`: the
   * message takes the place of the one before it with the same key, in a stream that keeps the last of each. `expectedLast`: it is
   * only added if this is the number of the last message. Messages of one node are added in the order of the calls.
   */
  add(
    bytes: Uint8Array,
    key: string | undefined,
    expectedLast: number | undefined,
    answered: (sequence: number | NotAdded) => void,
  ): void;
  /**
   * Reads on from a number. With `waitMs`, and no message there yet, the answer waits so long for one. A string says why
   * nothing could be read. The bytes are the caller's.
   */
  read(from: number, waitMs: number, answered: (page: StreamPage | string) => void): void;
  /** Removes the messages up to this number; a string says why it could not. Numbers beyond the last one are an error of the caller. */
  purge(through: number, answered: (trouble?: string) => void): void;
  /** Ends its use. Nothing is called any more. */
  close(): void;
}
