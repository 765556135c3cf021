/**
 * How a worker asks another one.
 * Knows questions and answers; refuses to know what carries them.
 * @module
 */

/** What one is asked, as by HTTP. */
export interface WorkerQuestion {
  readonly method: string;
  /** From the root, with the query. */
  readonly path: string;
  /** JSON; undefined for none. */
  readonly body?: unknown;
}

/** What it answers. */
export interface WorkerAnswer {
  readonly status: number;
  /** The JSON; undefined for none. */
  readonly json: unknown;
}

/** An answer in pieces. */
export interface WorkerStream {
  readonly status: number;
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** The workers of one broker, for one of them. */
export interface Channel {
  /** Which one this is: 1 to `of`. */
  readonly number: number;
  readonly of: number;
  /** @throws {AwayError} */
  ask(worker: number, question: WorkerQuestion): Promise<WorkerAnswer>;
  /** The same, in pieces as they come, until the signal. @throws {AwayError} */
  read(worker: number, question: WorkerQuestion, signal: AbortSignal): Promise<WorkerStream>;
}

/** A worker does not answer: it starts, stops, or is too busy. */
export class AwayError extends Error {
  override readonly name = "AwayError";
}
