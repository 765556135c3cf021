/**
 * The version of the auditor, for its reports.
 * Knows one word; a test holds it to deno.json.
 * @module
 */

/** As in deno.json and package.json. */
export const AUDITOR_VERSION = "0.1.0";
