/**
 * The version of this program.
 * Knows one word; a test holds it to deno.json.
 * @module
 */

/** As in deno.json and package.json. */
export const VERSION = "0.1.0";
