/**
 * The output of a command, and the runtime it runs on.
 * Knows the streams of the process; refuses to know the texts.
 * @module
 */
import process from "node:process";
import { setTimeout } from "node:timers";
import { writeStderr } from "../runtime/stderr.ts";

interface Writable {
  write(text: string, done: () => void): unknown;
}

/** Writes a text; resolves when it is handed over, so that the process may end. */
export async function say(text: string, stream: Writable = process.stdout): Promise<void> {
  await new Promise<void>((resolve) => stream.write(text, () => resolve()));
}

/** How long a complaint waits to be read. */
const COMPLAINT_MS = 1000;

/** Writes to stderr, for which the end of the process does not wait longer than a second. */
export async function complain(text: string): Promise<void> {
  const late = new Promise<void>((resolve) => setTimeout(resolve, COMPLAINT_MS).unref());
  await Promise.race([writeStderr(text), late]);
}

/** `Deno 2.9.6`. */
export function runtime(): string {
  const versions: Record<string, string | undefined> = process.versions;
  const name = ["deno", "bun", "node"].find((one) => versions[one] !== undefined);
  return name === undefined ? "" : `${name[0]!.toUpperCase()}${name.slice(1)} ${versions[name]}`;
}
