/**
 * `plumb import`.
 * Knows ; refuses to know .
 * @module
 */
import type { Environment } from "./environment.ts";
import { CallError } from "./error.ts";
export async function importMain(_args: readonly string[], _environment: Environment): Promise<number> {
  throw await new CallError("not yet");
}
