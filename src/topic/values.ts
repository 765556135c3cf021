/**
 * The values at one place of a tree: none, one, or several.
 * Knows that most places have one, and a few very many; refuses to know what kind of value it is, but that it is neither an array nor a Set.
 * @module
 */

/** An array for each of a million filters would cost dearly; in a long one a value that goes could not be found in time. */
export type Values<V> = V | V[] | Set<V> | undefined;

/** From so many on they are a Set. */
const MANY = 64;

/** With `value` at the end. */
export function plus<V>(values: Values<V>, value: V): Values<V> {
  if (values === undefined) return value;
  if (values instanceof Set) return values.add(value);
  if (!Array.isArray(values)) return [values, value];
  values.push(value);
  return values.length < MANY ? values : new Set(values);
}

/** Without `value`. */
export function minus<V>(values: Values<V>, value: V): Values<V> {
  if (values instanceof Set) {
    values.delete(value);
    return values.size > 1 ? values : values.values().next().value;
  }
  if (!Array.isArray(values)) return values === value ? undefined : values;
  const at = values.indexOf(value);
  if (at >= 0) values.splice(at, 1);
  return values.length === 1 ? values[0] : values;
}

/** Whether `value` is there. */
export function has<V>(values: Values<V>, value: V): boolean {
  if (values instanceof Set) return values.has(value);
  return Array.isArray(values) ? values.includes(value) : values !== undefined && values === value;
}

/** Appends all of them to `out`, in the order in which they came. */
export function append<V>(values: Values<V>, out: V[]): void {
  if (values === undefined) return;
  if (!Array.isArray(values) && !(values instanceof Set)) out.push(values);
  else for (const value of values) out.push(value);
}

/** All of them, in the order in which they came. */
export function* each<V>(values: Values<V>): Generator<V, void> {
  if (values === undefined) return;
  if (!Array.isArray(values) && !(values instanceof Set)) yield values;
  else yield* values;
}
