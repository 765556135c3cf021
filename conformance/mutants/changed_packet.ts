/**
 * Packets of one type towards the auditor in another form, for breaks by a proxy.
 * Knows how to take a packet apart and put it together; refuses to know what is wrong with it then.
 * @module
 */
import { type Level, packet, type Part, properties, u16 } from "../wire/bytes.ts";
import { parse, type Seen } from "../wire/parse.ts";
import type { ProxyMutant } from "./mutant.ts";

/** Every packet of `type` as `change` makes it; undefined leaves it as it is, an empty packet takes it away. */
export function remade(
  type: number,
  change: (seen: Seen, level: Level) => Uint8Array | undefined,
): NonNullable<ProxyMutant["toAuditor"]> {
  return (raw, level) => {
    if (raw[0]! >> 4 !== type) return [raw];
    const changed = change(parse(raw, level), level) ?? raw;
    return changed.length === 0 ? [] : [changed];
  };
}

/** A SUBACK or UNSUBACK. */
export function codesPacket(
  type: number,
  level: Level,
  id: number,
  codes: readonly number[],
  all: readonly Part[] = [],
): Uint8Array {
  return packet(type, 0, u16(id), level === 5 ? properties(...all) : [], codes);
}
