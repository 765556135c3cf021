/**
 * How much memory this process may use.
 * Knows the machine and its container; refuses to know what for.
 * @module
 */
import { totalmem } from "node:os";
import process from "node:process";
import { isPermitted } from "./permitted.ts";

/** Bytes of memory of the machine, or of the container if that has less; undefined where it cannot be known. */
export function machineMemory(): number | undefined {
  // Not to be asked for on a terminal: it is a nicety.
  if (!isPermitted({ name: "sys", kind: "systemMemoryInfo" })) return undefined;
  try {
    const total = totalmem();
    const constrained = process.constrainedMemory?.() ?? 0; // 0, the total, or a number without meaning where nothing constrains
    const least = constrained > 0 ? Math.min(total, constrained) : total;
    return Number.isFinite(least) && least > 0 ? least : undefined;
  } catch {
    return undefined;
  }
}

/** The memory for what peers cause to be held, unless it is set: half of what there is, at most `most`, at least `least`. */
export function memoryFor(there: number | undefined, least: number, most: number): number {
  return there === undefined ? most : Math.max(least, Math.min(most, Math.floor(there / 2)));
}
