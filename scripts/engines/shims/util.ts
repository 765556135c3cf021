/**
 * The two functions of `node:util` that assertions need, and `structuredClone()`, where there is no runtime.
 * Knows equality in depth and how to show a value; refuses to know what should be equal.
 * @module
 */

/** As `util.isDeepStrictEqual()`, for what tests compare: plain values, arrays, bytes, Map, Set, errors and objects. */
export function isDeepStrictEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (ArrayBuffer.isView(a)) {
    const [one, other] = [a as Uint8Array, b as Uint8Array];
    return one.length === other.length && one.every((value, i) => Object.is(value, other[i]));
  }
  if (a instanceof Map) {
    const other = b as Map<unknown, unknown>;
    return a.size === other.size &&
      [...a].every(([key, value]) => other.has(key) && isDeepStrictEqual(value, other.get(key)));
  }
  if (a instanceof Set) {
    const others = [...b as Set<unknown>];
    return a.size === others.length &&
      [...a].every((one) => others.some((other) => isDeepStrictEqual(one, other)));
  }
  if (a instanceof Error && (a.message !== (b as Error).message || a.name !== (b as Error).name)) {
    return false;
  }
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = Object.keys(one);
  return keys.length === Object.keys(other).length && (!Array.isArray(a) || a.length === (b as []).length) &&
    keys.every((key) => Object.hasOwn(other, key) && isDeepStrictEqual(one[key], other[key]));
}

/** A value as a person may read it. */
export function inspect(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (ArrayBuffer.isView(value)) return `[${[...value as Uint8Array].join()}]`;
  const seen = new Set<unknown>();
  return JSON.stringify(value, (_, one: unknown) => {
    if (typeof one === "bigint" || typeof one === "function") return String(one);
    if (one instanceof Map || one instanceof Set) return [...one];
    if (typeof one !== "object" || one === null) return one;
    if (seen.has(one)) return "…";
    seen.add(one);
    return one;
  });
}

/** As the Web API's, for plain values, arrays and bytes. */
export function structuredClone<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) return value.slice() as T;
  if (Array.isArray(value)) return value.map((one) => structuredClone(one) as unknown) as T;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, structuredClone(one)])) as T;
}
