/**
 * Questions that take time: a commit, a page of messages, a verdict, a permission, a look at every socket. A question leaves the engine by `Broker.flush()` and comes back
 * by `Broker.answered()` or `Broker.rejected()`.
 * Knows the promise and the effect of its answer; refuses to know the driver.
 * @module
 */
import type { Later } from "./store.ts";

/** One question that is with the owner or the store. */
export interface Question {
  /** Which one it is. */
  readonly kind: "commit" | "page in" | "authenticate" | "authorize" | "look";
  /** Its answer, when it comes: a promise. That of a look is kept: a driver answers when it has read from every socket where bytes wait. */
  readonly later: PromiseLike<unknown> & { catch?(failed: () => void): unknown };
  /** @internal Called with the answer. */
  readonly answered: (answer: never) => void;
  /** @internal Called with the error if there is no answer. */
  readonly rejected: (error: unknown) => void;
}

/** Whether this is an answer that comes later. */
export function isLater<T>(answer: Later<T>): answer is Extract<Later<T>, PromiseLike<T>> {
  return typeof answer === "object" && answer !== null && "then" in answer &&
    typeof answer.then === "function";
}
