/**
 * Where the `deno` is that scripts call: the one that runs them, since `npx deno` puts none on the PATH of others.
 * @module
 */

/** The command that starts Deno. */
export function deno(): string {
  return "Deno" in globalThis ? process.execPath : "deno";
}
