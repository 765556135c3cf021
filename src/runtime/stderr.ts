/**
 * Standard error for those who can do nothing when it fails.
 * Knows that there is no other place to complain; refuses to know what is written.
 * @module
 */
import { writeAll } from "./descriptor.ts";

/** Writes all of it; resolves when the system has it, or when it never will. Never rejects. */
export async function writeStderr(text: string): Promise<void> {
  await writeAll(2, new TextEncoder().encode(text)).catch(() => {});
}
