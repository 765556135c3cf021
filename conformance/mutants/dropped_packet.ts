/**
 * Packets that never reach the broker, for breaks by a proxy: a broker that does not look at them does not refuse them.
 * Knows how to leave packets out; refuses to know what a Server should have done.
 * @module
 */
import type { Level } from "../wire/bytes.ts";
import { parse, type Seen } from "../wire/parse.ts";
import type { ProxyMutant } from "./mutant.ts";

/** The packets that `test` names do not reach the broker. */
export function unseen(kills: string, test: (seen: Seen, level: Level) => boolean): ProxyMutant {
  return { kills, toBroker: (raw, level) => test(parse(raw, level), level) ? [] : [raw] };
}

/** Malformed packets of `type` do not reach the broker. */
export function unseenMalformed(kills: string, type: number): ProxyMutant {
  return unseen(kills, (seen) => seen.type === type && seen.faults.length > 0);
}
