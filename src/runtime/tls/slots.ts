/**
 * TLS handshakes, or PROXY headers, that are under way at one listener, and how many there may be: a handshake costs a millisecond of one
 * core.
 * Knows their number; refuses to know sockets.
 * @module
 */

/** Handshakes that may be under way if nothing is said. */
const DEFAULT_MAX = 10_000;

/** The places of one listener. */
export class HandshakeSlots {
  readonly #most: number;
  #taken = 0;

  constructor(most: number = DEFAULT_MAX) {
    this.#most = most;
  }

  /** Takes a place; returns the function that gives it back, as often as it is called. Undefined: none is free. */
  take(): (() => void) | undefined {
    if (this.#taken >= this.#most) return undefined;
    this.#taken++;
    let isTaken = true;
    return () => {
      if (isTaken) this.#taken--;
      isTaken = false;
    };
  }
}

/** Why a connection was refused. */
export function noSlot(): Error {
  return Object.assign(new Error("As many TLS handshakes are under way as may be (handshakesMax)"), {
    code: "EHANDSHAKES",
  });
}
