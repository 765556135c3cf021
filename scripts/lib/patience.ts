/**
 * How long one test may take.
 * Knows a number; refuses to know the runtimes.
 * @module
 */

/** ms, on either runtime, however busy the machine is: what takes longer hangs. */
export const TEST_MS = 120_000;
