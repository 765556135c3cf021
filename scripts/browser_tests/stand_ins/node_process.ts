/**
 * `node:process` where there is none: an environment that is empty at first.
 * Knows that tests read it; refuses to know what they look for.
 * @module
 */

/** The part that tests use. */
const process: { readonly env: Record<string, string | undefined>; readonly platform: string } = {
  env: {},
  platform: "",
};

export default process;
