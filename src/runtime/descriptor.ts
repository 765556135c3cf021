/**
 * Standard output and standard error, written without standing still: a pipe that is not read, or a terminal that is stopped, holds up a
 * thread of the runtime's, not the event loop.
 * Knows how each runtime writes in the background; refuses to know what is written.
 * @module
 */
import { write } from "node:fs";
import { setTimeout } from "node:timers";
import { systemCode } from "./endpoint.ts";

interface DenoWriter {
  write(bytes: Uint8Array): Promise<number>;
}

/** Deno's `node:fs` writes to a descriptor in the foreground, as does every runtime's `process.stdout` and `process.stderr` to a pipe. */
const deno =
  (globalThis as unknown as { Deno?: { readonly stdout: DenoWriter; readonly stderr: DenoWriter } })
    .Deno;

/** A descriptor that another process has made non-blocking, and that is full. */
const FULL = ["EAGAIN", "WouldBlock"];
/** ms until such a descriptor is tried again. */
const AGAIN_MS = 20;

/** Standard output and standard error. */
export type Descriptor = 1 | 2;

/** Writes all of it; resolves when the system has it, and rejects with the system's error: `EPIPE` (see `isBrokenPipe()`), say. */
export async function writeAll(descriptor: Descriptor, bytes: Uint8Array): Promise<void> {
  let left = bytes;
  while (left.length > 0) {
    try {
      left = left.subarray(await writeSome(descriptor, left));
    } catch (error) {
      const { name } = error as Error;
      if (!FULL.includes(systemCode(error)) && !FULL.includes(name)) throw error;
      await new Promise<void>((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

/** Whether nothing reads at the other end any more. */
export function isBrokenPipe(error: unknown): boolean {
  return systemCode(error) === "EPIPE" || (error as Error).name === "BrokenPipe";
}

function writeSome(descriptor: Descriptor, bytes: Uint8Array): Promise<number> {
  if (deno !== undefined) return (descriptor === 1 ? deno.stdout : deno.stderr).write(bytes);
  return new Promise((resolve, reject) =>
    write(
      descriptor,
      bytes,
      0,
      bytes.length,
      null,
      (error, written) => error ? reject(error) : resolve(written),
    )
  );
}
