/**
 * `node:util` where there is none: what `@std/assert` needs of it, with nothing but the language.
 * Knows when two values are the same, and how one is written; refuses to know tests.
 * @module
 */

type Bag = Record<PropertyKey, unknown>;

/** As that of Node, for what our tests compare. */
export function isDeepStrictEqual(one: unknown, other: unknown): boolean {
  return equal(one, other, new Map());
}

function equal(one: unknown, other: unknown, met: Map<object, object>): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false;
  if (Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
  if (met.get(one) === other) return true;
  met.set(one, other);
  if (one instanceof Date) return Object.is(one.getTime(), (other as Date).getTime());
  if (one instanceof RegExp) return String(one) === String(other);
  if (ArrayBuffer.isView(one)) {
    const [a, b] = [bytesOf(one), bytesOf(other as ArrayBufferView)];
    return a.length === b.length && a.every((byte, i) => byte === b[i]);
  }
  if (one instanceof Map) return sameEntries(one, other as Map<unknown, unknown>, met);
  if (one instanceof Set) return sameMembers(one, other as Set<unknown>, met);
  if (one instanceof Error) {
    const { name, message } = other as Error;
    if (one.name !== name || one.message !== message) return false;
  }
  if (Array.isArray(one) && one.length !== (other as unknown[]).length) return false;
  const [keys, others] = [keysOf(one), keysOf(other)];
  return keys.length === others.length &&
    keys.every((key) =>
      Object.prototype.propertyIsEnumerable.call(other, key) &&
      equal((one as Bag)[key], (other as Bag)[key], met)
    );
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function keysOf(value: object): PropertyKey[] {
  const isShown = (key: PropertyKey) => Object.prototype.propertyIsEnumerable.call(value, key);
  return Reflect.ownKeys(value).filter(isShown);
}

function sameEntries(
  one: ReadonlyMap<unknown, unknown>,
  other: ReadonlyMap<unknown, unknown>,
  met: Map<object, object>,
): boolean {
  return one.size === other.size &&
    [...one].every(([key, value]) => {
      if (other.has(key)) return equal(value, other.get(key), met);
      return [...other].some((entry) => equal([key, value], entry, met));
    });
}

function sameMembers(
  one: ReadonlySet<unknown>,
  other: ReadonlySet<unknown>,
  met: Map<object, object>,
): boolean {
  return one.size === other.size &&
    [...one].every((value) => other.has(value) || [...other].some((each) => equal(value, each, met)));
}

/** Levels of a value that are written. */
const DEPTH = 8;

/** A value as a person reads it. */
export function inspect(value: unknown, _options?: unknown): string {
  return written(value, DEPTH, []);
}

function written(value: unknown, depth: number, inside: readonly object[]): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `[Function ${value.name}]`;
  if (typeof value !== "object" || value === null) return String(value);
  if (inside.includes(value)) return "[Circular]";
  if (depth === 0) return "[Object]";
  const deeper = (each: unknown) => written(each, depth - 1, [...inside, value]);
  if (value instanceof Date || value instanceof RegExp) return String(value);
  if (value instanceof Error) return `[${value.name}: ${value.message}]`;
  if (Array.isArray(value)) return `[ ${value.map(deeper).join(", ")} ]`;
  if (ArrayBuffer.isView(value)) {
    return `${value.constructor.name}(${value.byteLength}) [ ${bytesOf(value).join(", ")} ]`;
  }
  if (value instanceof Map) {
    return `Map { ${[...value].map(([key, each]) => `${deeper(key)} => ${deeper(each)}`).join(", ")} }`;
  }
  if (value instanceof Set) return `Set { ${[...value].map(deeper).join(", ")} }`;
  const fields = keysOf(value).map((key) => `${String(key)}: ${deeper((value as Bag)[key])}`);
  const name = (Object.getPrototypeOf(value) as object | null)?.constructor.name ?? "[null prototype]";
  return `${name === "Object" ? "" : `${name} `}{ ${fields.join(", ")} }`;
}
