/**
 * Environment variables.
 * Knows that Deno may not let us see them; refuses to know which there are.
 * @module
 */
import process from "node:process";

/** Gives a variable, or undefined. */
export type Environment = (name: string) => string | undefined;

interface DenoSlice {
  readonly permissions: {
    querySync(what: { readonly name: "env"; readonly variable: string }): { readonly state: string };
  };
}

const deno = (globalThis as unknown as { Deno?: DenoSlice }).Deno;

/** The variables of this process. A variable that Deno may not read counts as not set: no prompt for each of dozens of variables. */
export const environment: Environment = (name) => {
  const hidden = deno !== undefined &&
    deno.permissions.querySync({ name: "env", variable: name }).state !== "granted";
  return hidden ? undefined : process.env[name];
};

/** For a command without variables: those of its flags would be read by everything else. */
export const NO_VARIABLES: Environment = () => undefined;
