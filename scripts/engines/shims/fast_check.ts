/**
 * fast-check with a bound on how often a property is tried: engines without a compiler take a hundred times as long.
 * Knows that number; refuses to know properties.
 * @module
 */
import fc, { type Parameters } from "fast-check";

/** Set by the entry of the bundle. */
function numRunsMax(): number {
  return (globalThis as unknown as { readonly numRunsMax: number }).numRunsMax;
}

/** As fast-check's. */
function assert<T>(property: fc.IRawProperty<T>, parameters: Parameters<T> = {}): unknown {
  const { numRuns = 100 } = parameters;
  return fc.assert(property, { ...parameters, numRuns: Math.min(numRuns, numRunsMax()) });
}

const bounded: typeof fc = { ...fc, assert: assert as typeof fc.assert };

export default bounded;
