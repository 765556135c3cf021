/**
 * Standard error, written without standing still: a pipe that is not read, or a terminal that is stopped, holds up a thread of the
 * runtime's, not the event loop.
 * Knows how each runtime writes in the background; refuses to know what is written.
 * @module
 */
import { write } from "node:fs";
import { setTimeout } from "node:timers";
import { systemCode } from "./endpoint.ts";

interface DenoSlice {
  readonly stderr: { write(bytes: Uint8Array): Promise<number> };
}

/** Deno's `node:fs` writes to descriptor 2 in the foreground, as do both runtimes' `process.stderr` to a pipe. */
const deno = (globalThis as unknown as { Deno?: DenoSlice }).Deno;

/** A descriptor that another process has made non-blocking, and that is full. */
const FULL = ["EAGAIN", "WouldBlock"];
/** ms until such a descriptor is tried again. */
const AGAIN_MS = 20;

/** Writes all of it; resolves when the system has it, or when it never will. Never rejects: there is no other place to complain. */
export async function writeStderr(text: string): Promise<void> {
  let left: Uint8Array = new TextEncoder().encode(text);
  while (left.length > 0) {
    try {
      left = left.subarray(await writeSome(left));
    } catch (error) {
      const { name } = error as Error;
      if (!FULL.includes(systemCode(error)) && !FULL.includes(name)) return;
      await new Promise<void>((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

function writeSome(bytes: Uint8Array): Promise<number> {
  if (deno !== undefined) return deno.stderr.write(bytes);
  return new Promise((resolve, reject) =>
    write(2, bytes, 0, bytes.length, null, (error, written) => error ? reject(error) : resolve(written))
  );
}
