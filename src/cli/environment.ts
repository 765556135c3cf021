/**
 * Environment variables.
 * Knows that Deno may not let us see them; refuses to know which there are.
 * @module
 */
import process from "node:process";
import { isPermitted } from "./permitted.ts";

/** Gives a variable, or undefined. */
export type Environment = (name: string) => string | undefined;

/** The variables of this process. A variable that Deno may not read counts as not set: no prompt for each of dozens of variables. */
export const environment: Environment = (name) =>
  isPermitted({ name: "env", variable: name }) ? process.env[name] : undefined;

/** For a command without variables: those of its flags would be read by everything else. */
export const NO_VARIABLES: Environment = () => undefined;
