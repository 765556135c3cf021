/**
 * §4.2 Network Connections: the small interface between a byte stream and an engine.
 * Knows bytes, back-pressure and the end of a stream; refuses to know packets, sockets and runtimes.
 * @module
 */

/** One ordered, lossless, two-way byte stream [MQTT-4.2-1]. Everything happens by callback, nothing by promise. */
export interface Transport {
  /** For log lines: protocol and peer, as `tcp 127.0.0.1:50312`. */
  readonly label: string;
  /** The memory that the runtime takes for it, beside this object: bytes; 0 if not said. */
  readonly memoryBytes?: number;
  /** `pause()` has no effect: the runtime reads whatever its user does. */
  readonly isUnpausable?: boolean;
  /** Begins to call `handler`. Called once, before anything else. */
  start(handler: TransportHandler): void;
  /**
   * Takes as many bytes from the front of `chunk` as it can at once and returns how many (0 to `chunk.length`).
   * When it returns, the chunk is the caller's again. Fewer than given: the rest waits until `drained()`.
   * After `close()`, `abort()` or the end of the stream it takes none and nothing is called.
   */
  write(chunk: Uint8Array): number;
  /** Stops reading soon; chunks already under way may still arrive. */
  pause(): void;
  /** Reads again after `pause()`. */
  resume(): void;
  /**
   * Ends our half: what `write()` took is sent, then the end of the stream. What still arrives is read and thrown
   * away until the peer ends too (closing earlier would reset the connection and the peer would lose our last words), but
   * not without bound.
   */
  close(): void;
  /** Ends at once, both halves; bytes not yet sent are lost. */
  abort(): void;
}

/** What a transport tells its user. None of these is called before `start()`, nor from inside `write()`. */
export interface TransportHandler {
  /** Bytes arrived, 1 or more. `chunk` is the callee's only during the call. Not called after our `close()`. */
  received(chunk: Uint8Array): void;
  /** After a short `write()`: more can be taken now. */
  drained(): void;
  /** The stream is over, in whatever way, ours included. The last call, and called exactly once. */
  closed(error?: Error): void;
}
