/**
 * How long a Client waits before it tries to connect again.
 * Knows numbers and chance; refuses to know clocks and connections.
 * @module
 */
import type { Random } from "../engine/random.ts";

/**
 * ms before attempt number `attempt` (0 for the first): anything up to a bound that doubles, so that Clients which lost one
 * Server at the same moment do not come back at the same moment.
 */
export function backoffMs(attempt: number, minMs: number, maxMs: number, random: Random): number {
  const bound = Math.min(maxMs, minMs * 2 ** attempt);
  return Math.round(bound * random() / 2 ** 32);
}
