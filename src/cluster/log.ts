/**
 * Logs of a cluster: of each shard, with one writer at a time.
 * Knows what their users are promised; refuses to know streams and servers.
 * @module
 */
/**
 * How an append ended.
 * - `appended`: the batch is in the log, once, behind `expectedLast`, and outlives the loss of any one server.
 * - `fenced`: somebody else has written behind `expectedLast`. The batch is not in the log and will not be.
 * - `unsure`: for all the time of `CLUSTER.retryMs` nobody could tell. It may be in the log. To append the same batch at the same
 *   `expectedLast` as `again` finds it there, or appends it.
 * - `failed`: for all that time nobody was there to take it. It is not in the log.
 */
export type Appended =
  | { readonly kind: "appended"; readonly last: number }
  | { readonly kind: "fenced" }
  | { readonly kind: "unsure"; readonly reason: string; readonly number: number }
  | { readonly kind: "failed"; readonly reason: string };

/** A batch in a log. */
export interface Entry {
  /** Where it is: what an append behind it expects to be the last. */
  readonly position: number;
  readonly batch: Uint8Array;
}

/** Some entries in order. */
export interface LogPage {
  readonly entries: readonly Entry[];
  /** The log ended here when this was read. */
  readonly isEnd: boolean;
  /** Where the reading stands: at the end, what an append has to expect. */
  readonly last: number;
}

/**
 * Why a page could not be read: entries behind the position where the reading stands have been purged, so that whoever
 * has applied those before must begin anew; or for all the time of `CLUSTER.retryMs` nobody has answered.
 */
export interface ReadTrouble {
  readonly trouble: "purged" | "failed";
  readonly reason: string;
}

/** One pass over a log. Whoever does not ask gets nothing: that is the flow control. */
export interface Reading {
  /** Asks for the entries that follow; one question at a time. The bytes are the caller's. */
  next(answered: (page: LogPage | ReadTrouble) => void): void;
}

/**
 * An append-only log. Entries are read in the order in which they were appended, by everybody the same; numbers of
 * positions grow, with gaps. Every callback is called once, never from inside the call, and at the latest somewhat behind
 * `CLUSTER.retryMs`.
 */
export interface Log {
  /**
   * Appends a batch if `expectedLast` is still the last position. One append at a time: the next one waits for the answer. The
   * bytes must not change until then. `again` is the number of an append with the same batch and position that was `unsure`.
   */
  append(
    batch: Uint8Array,
    expectedLast: number,
    answered: (outcome: Appended) => void,
    again?: number,
  ): void;
  /** Reads the entries behind a position, 0 for all that there are. */
  read(after: number): Reading;
  /** Tells the last position, 0 for a log that never had an entry, or why it cannot. */
  last(answered: (last: number | ReadTrouble) => void): void;
  /** Removes the entries up to this position, which must be one that was read or appended; tells why it could not. */
  purge(through: number, answered: (trouble?: ReadTrouble) => void): void;
}
