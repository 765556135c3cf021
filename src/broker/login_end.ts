/**
 * §4.12.1 The end of a login that holds for a time, such as that of a token.
 * Knows the deadline of one connection; refuses to know how it is put off.
 * @module
 */
import type { Deadline } from "../engine/timers.ts";
import type { Refusal } from "./refusal.ts";

/** Ends the connection when it is due; made for a verdict with `expiresAt` alone. */
export class LoginEnd implements Deadline {
  /** For the timers. */
  heapIndex: number = -1;
  /** For the timers. */
  heapTime = 0;
  readonly #open: { end(refusal: Refusal): void };

  constructor(open: { end(refusal: Refusal): void }) {
    this.#open = open;
  }

  /** The login has expired. */
  due(): void {
    this.#open.end({ code: 0x87, rule: "policy/login-expired", message: "The login has expired" });
  }
}
