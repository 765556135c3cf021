/**
 * `node:process` where there is none.
 * Knows an empty environment; refuses to know anything else.
 * @module
 */

/** Of which nothing is there. */
export const env: Readonly<Record<string, string | undefined>> = {};

export default { env };
