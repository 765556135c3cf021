/**
 * Hashes of texts and bytes, for tables that hold Topic Names and their levels.
 * Knows numbers of 32 bits with a sign; refuses to know the tables. A table uses the result of {@linkcode mixed}.
 * @module
 */

/** The hash of what stands before, continued by one byte or one UTF-16 unit (FNV-1a). */
export function hashUnit(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x0100_0193);
}

/** The hash of `text[from, end)`. Another `seed`, other hashes. */
export function hashText(seed: number, text: string, from: number, end: number): number {
  let hash = seed;
  for (let i = from; i < end; i++) hash = hashUnit(hash, text.charCodeAt(i));
  return hash;
}

/** The hash of `bytes[at, end)`. Another `seed`, other hashes. Four bytes at a time, for whole names. */
export function hashBytes(seed: number, bytes: Uint8Array, at: number, end: number): number {
  let hash = seed ^ (end - at);
  let i = at;
  for (const fours = end - 3; i < fours; i += 4) {
    const four = bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 | bytes[i + 3]! << 24;
    hash = Math.imul(hash ^ four, 0x21f0_aaad);
    hash ^= hash >>> 15;
  }
  for (; i < end; i++) hash = hashUnit(hash, bytes[i]!);
  return hash;
}

/** Every bit of the result depends on every bit of `hash`. */
export function mixed(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x21f0_aaad);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a_2d97);
  return hash ^ (hash >>> 15);
}
