/**
 * How long tests wait. A bound here only turns a hang into a failure that says what was awaited: whatever comes in the end is in time.
 * Knows minutes; refuses to know what is awaited, and on which runtime.
 * @module
 */
import { setImmediate, setTimeout } from "node:timers";

/** ms: one thing that is awaited takes no longer, however busy the machine is. */
export const WAIT_MS = 180_000;
/** ms: nor does one test. A wait in vain ends before it, and says for what. */
export const TEST_MS = 600_000;
/** For a test that may be slow: without it Bun gives a test 5 s, unless it is called with `--timeout`, as scripts/test.ts does. */
export const patient: { readonly timeout: number } = { timeout: TEST_MS };

/** Looks that follow each other at once; behind them the core belongs to the process that is waited for. */
const QUICK_LOOKS = 200;
const LOOK_MS = 2;

/** Waits until it is so, a turn of the loop or more between two looks. `what` is awaited; a function may say how far it came. */
export async function until(condition: () => boolean, what: string | (() => string)): Promise<void> {
  const end = performance.now() + WAIT_MS;
  for (let looks = 0; !condition(); looks++) {
    if (performance.now() > end) {
      throw new Error(`It never came to this: ${typeof what === "string" ? what : what()}`);
    }
    await new Promise<void>((resolve) => {
      if (looks < QUICK_LOOKS) setImmediate(resolve);
      else setTimeout(resolve, LOOK_MS);
    });
  }
}
