/**
 * What an attack on a closed broker is.
 * Knows the shape; refuses to know which there are.
 * @module
 */
import type { Strangers } from "./strangers.ts";

/** One attack. */
export interface StrangersCase {
  readonly id: string;
  readonly title: string;
  /** How many of what the title names: in CI, and by `deno task strangers`. */
  readonly counts: readonly [ci: number, whole: number];
  /** Attacks until the broker has dealt with all of it; throws where it did not as it should. Resolves to what was seen. */
  readonly run: (strangers: Strangers, count: number) => Promise<string>;
}
