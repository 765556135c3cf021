/**
 * §3.2, §3.9, §3.11, §3.13 The packets that only a Server sends, for the audit of a Client.
 * Knows bytes; refuses to know when they are right.
 * @module
 */
import { type Level, packet, type Part, type Properties, properties, TYPE, u16 } from "../wire/bytes.ts";

/** What `connack()` builds; everything can be overridden, right or wrong. */
export interface ConnackParts {
  readonly sessionPresent?: boolean;
  /** Connect Acknowledge Flags in place of the flags that follow from the rest. */
  readonly flags?: number;
  readonly code?: number;
  /** Level 5 only. */
  readonly properties?: Properties;
}

/** §3.2 */
export function connack(level: Level, parts: ConnackParts = {}): Uint8Array {
  const flags = parts.flags ?? (parts.sessionPresent === true ? 1 : 0);
  return packet(TYPE.CONNACK, 0, flags, parts.code ?? 0, section(level, parts.properties));
}

/** §3.9 */
export function suback(
  level: Level,
  id: number,
  codes: readonly number[],
  all: Properties = [],
): Uint8Array {
  return packet(TYPE.SUBACK, 0, u16(id), section(level, all), codes);
}

/** §3.11; at level 4 it has no codes. */
export function unsuback(
  level: Level,
  id: number,
  codes: readonly number[] = [0],
  all: Properties = [],
): Uint8Array {
  return packet(TYPE.UNSUBACK, 0, u16(id), section(level, all), level === 5 ? codes : []);
}

/** §3.13 */
export function pingresp(): Uint8Array {
  return packet(TYPE.PINGRESP, 0);
}

function section(level: Level, all: Properties = []): Part {
  if (level === 4) return [];
  return all instanceof Uint8Array ? all : properties(...all);
}
