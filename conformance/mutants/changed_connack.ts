/**
 * CONNACK packets towards the auditor in another form, for breaks by a proxy.
 * Knows how to change one; refuses to know what is wrong with it then.
 * @module
 */
import { bytes, packet, TYPE, varint } from "../wire/bytes.ts";
import { parse } from "../wire/parse.ts";
import type { ProxyMutant } from "./mutant.ts";

/** Every CONNACK of level 5 with these properties behind its own. */
export function told(kills: string, ...more: readonly Uint8Array[]): ProxyMutant {
  return {
    kills,
    toAuditor: (raw, level) => [raw[0] === 0x20 && level === 5 ? longer(raw, bytes(more)) : raw],
  };
}

/** Every CONNACK of level 5 that refuses, with other bytes from the Connect Acknowledge Flags on. */
export function refusing(kills: string, flags: number, code?: number): ProxyMutant {
  return {
    kills,
    toAuditor(raw, level) {
      const seen = parse(raw, level);
      if (seen.type !== TYPE.CONNACK || level !== 5 || (seen.code ?? 0) < 0x80) return [raw];
      const changed = raw.slice();
      changed[afterLength(raw)] = flags;
      changed[afterLength(raw) + 1] = code ?? seen.code!;
      return [changed];
    },
  };
}

function longer(raw: Uint8Array, more: Uint8Array): Uint8Array {
  const at = afterLength(raw);
  let end = at + 2;
  let length = 0;
  for (let shift = 1;; shift *= 128) {
    const byte = raw[end++]!;
    length += (byte & 127) * shift;
    if (byte < 128) break;
  }
  return packet(
    TYPE.CONNACK,
    0,
    raw.subarray(at, at + 2),
    varint(length + more.length),
    raw.subarray(end),
    more,
  );
}

/** Where the body begins. */
export function afterLength(raw: Uint8Array): number {
  let at = 1;
  while (raw[at]! > 127) at++;
  return at + 1;
}
