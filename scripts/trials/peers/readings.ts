/**
 * How we read the fails of other brokers, where more is to be said than the case does: each was looked at by hand.
 * Knows brokers and cases; refuses to judge what it does not name.
 * @module
 */

/** By broker, then by case, with the version of the standard before it where that matters: `3.1.1 3.8/several-filters`. */
export const READINGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {};
