/**
 * What two ends of a transport over a bus say to each other.
 * Knows these bytes; refuses to know what follows from them.
 * @module
 */

/** u8 kind, u32 number; then the bytes. */
export const PIECE_HEAD_BYTES = 5;
/** u8 kind, u8 flags, u32 pieces sent, u32 pieces received, f64 granted. */
const STATE_BYTES = 18;
const PIECE = 1;
const STATE = 2;
const HEARS = 1;
const ENDED = 2;
const ABORTED = 4;
const ASKS = 8;

/** Where one end stands. It is said again and again, so that none of it is lost for long. */
export interface State {
  /** It has heard the other end. */
  readonly hears: boolean;
  /** No piece follows. */
  readonly hasEnded: boolean;
  /** All is over. */
  readonly isAborted: boolean;
  /** The other end is to say where it stands. */
  readonly asks: boolean;
  /** Pieces that it has sent so far, modulo 2^32. */
  readonly pieces: number;
  /** Pieces that have reached it, modulo 2^32. */
  readonly received: number;
  /** Bytes that the other end may have sent, from the first. */
  readonly granted: number;
}

/** A piece, with room for its bytes behind `PIECE_HEAD_BYTES`. */
export function pieceFrame(number: number, bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(PIECE_HEAD_BYTES + bytes.length);
  frame[0] = PIECE;
  frame[1] = number >>> 24;
  frame[2] = number >>> 16;
  frame[3] = number >>> 8;
  frame[4] = number;
  frame.set(bytes, PIECE_HEAD_BYTES);
  return frame;
}

/** The number of a piece; undefined if the frame is none. */
export function pieceNumber(frame: Uint8Array): number | undefined {
  if (frame.length <= PIECE_HEAD_BYTES || frame[0] !== PIECE) return undefined;
  return (frame[1]! << 24 | frame[2]! << 16 | frame[3]! << 8 | frame[4]!) >>> 0;
}

/** Encodes a state. */
export function stateFrame(state: State): Uint8Array {
  const frame = new Uint8Array(STATE_BYTES);
  const view = new DataView(frame.buffer);
  frame[0] = STATE;
  frame[1] = (state.hears ? HEARS : 0) | (state.hasEnded ? ENDED : 0) | (state.isAborted ? ABORTED : 0) |
    (state.asks ? ASKS : 0);
  view.setUint32(2, state.pieces);
  view.setUint32(6, state.received);
  view.setFloat64(10, state.granted);
  return frame;
}

/** Decodes a state; undefined if the frame is none. */
export function readState(frame: Uint8Array): State | undefined {
  if (frame.length !== STATE_BYTES || frame[0] !== STATE) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset);
  const flags = frame[1]!;
  return {
    hears: (flags & HEARS) !== 0,
    hasEnded: (flags & ENDED) !== 0,
    isAborted: (flags & ABORTED) !== 0,
    asks: (flags & ASKS) !== 0,
    pieces: view.getUint32(2),
    received: view.getUint32(6),
    granted: view.getFloat64(10),
  };
}
