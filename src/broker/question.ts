/**
 * What takes time: a commit, a page of messages, a verdict, a permission. It leaves the engine by `Broker.flush()` and comes back
 * by `Broker.answered()` or `Broker.rejected()`.
 * Knows the promise and what its answer does; refuses to know who waits for it in the meantime.
 * @module
 */
import type { Later } from "./store.ts";

/** One question that is with the owner or the store. */
export interface Question {
  /** Which one it is. */
  readonly kind: "commit" | "page in" | "authenticate" | "authorize";
  /** Its answer, when it comes: a promise. */
  readonly later: PromiseLike<unknown> & { catch?(failed: () => void): unknown };
  /** @internal What the answer does. */
  readonly answered: (answer: never) => void;
  /** @internal What an error does in its place. */
  readonly rejected: (error: unknown) => void;
}

/** Whether this is an answer that comes later. */
export function isLater<T>(answer: Later<T>): answer is Extract<Later<T>, PromiseLike<T>> {
  return typeof answer === "object" && answer !== null && "then" in answer;
}
