/**
 * The changes of the core that no test can notice.
 * Knows why; refuses to know how they were found. `deno task mutate` fails when a text is no longer there.
 * @module
 */
import type { Equivalent } from "./equivalence.ts";

/** By file, in the order of its text. */
export const EQUIVALENTS: readonly Equivalent[] = [];
