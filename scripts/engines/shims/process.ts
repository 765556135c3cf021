/**
 * `node:process` where there is none.
 * Knows an empty environment; refuses to know anything else.
 * @module
 */

const process: { readonly env: Readonly<Record<string, string | undefined>> } = { env: {} };

export default process;
