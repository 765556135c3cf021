/**
 * A line of a password file.
 * Knows its form; refuses to know which user of which trial it is for.
 * @module
 */
import { doHashJob } from "../../src/login/hash.ts";
import { ARGON2ID, type Argon2id, formatVerifier } from "../../src/login/verifier.ts";

/** Work that a hash is: less than the default where something else is tried. */
export type Cost = Pick<Argon2id, "memoryKib" | "passes" | "lanes">;

/** A thousandth of what `plumb passwd` makes a hash cost, or less. */
export const CHEAP: Cost = { memoryKib: 64, passes: 1, lanes: 1 };

/** The line of a user whose password is this; at the cost that `plumb passwd` takes, unless another is given. */
export async function passwordLine(name: string, password: string, cost: Cost = ARGON2ID): Promise<string> {
  const { memoryKib, passes, lanes } = cost;
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const argon2id = { scheme: "argon2id", memoryKib, passes, lanes, salt } as const;
  const digest = await doHashJob({ argon2id }, new TextEncoder().encode(password)) as Uint8Array;
  return `${name}:${formatVerifier({ ...argon2id, digest })}\n`;
}
