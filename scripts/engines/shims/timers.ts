/**
 * `node:timers` where there is none: for modules that import it, and tests that do not wait.
 * Knows that nothing waits; refuses to.
 * @module
 */

function none(): never {
  throw new Error("There are no timers here");
}

export { none as clearTimeout, none as setImmediate, none as setTimeout };
