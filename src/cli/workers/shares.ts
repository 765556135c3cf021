/**
 * The share of a worker in what is limited for the whole broker.
 * Knows which limits are sums; refuses to know where they are enforced.
 * @module
 */
import { type LimitName, LIMITS, type Limits } from "../../broker/limits.ts";

/**
 * Limits of what is at one worker alone. Of retained messages each worker has all, and keeps the limit whole; a limit of one Client, user or
 * address holds at each worker.
 */
export const SHARED: readonly LimitName[] = [
  "connectionsMax",
  "connectingMax",
  "connectRateMax",
  "sessionsMax",
  "memoryBytesMax",
];

/** The limits of one of `of` workers: of a sum its part, rounded up. Without `memoryBytesMax` that goes by the memory of the machine. */
export function sharesOf(limits: Partial<Limits>, of: number): Partial<Limits> {
  const shares: Partial<Record<LimitName, number>> = { ...limits };
  for (const name of SHARED) {
    const { least, default: value } = LIMITS[name];
    if (name === "memoryBytesMax" && limits[name] === undefined) continue;
    shares[name] = Math.max(least, Math.ceil((limits[name] ?? value) / of));
  }
  return shares;
}
