/**
 * How each life of a broker is to end, chosen from a seed; operations of the store are swept one by one.
 * Knows the kinds of death; refuses to know how one is brought about.
 * @module
 */
import type { Dice } from "../soak/dice.ts";

/** A way to end. */
export type Plan =
  /** Killed so long after it began to listen. */
  | { readonly kind: "time"; readonly afterMs: number }
  /** Killed so long after it was told to start. */
  | { readonly kind: "start"; readonly afterMs: number }
  /** Kills itself at an operation of one thread on the store, counted from the opening of the file. */
  | {
    readonly kind: "operation";
    readonly thread: "main" | "disk";
    readonly at: number;
    readonly when: "before" | "after";
  }
  /** Asked to end by SIGTERM. */
  | { readonly kind: "term"; readonly afterMs: number }
  /** It lives on, and all connections are cut. */
  | { readonly kind: "cut"; readonly afterMs: number };

/** A kind of plan. */
export type PlanKind = Plan["kind"];

/** How often each is chosen, of 100. */
const WEIGHTS: Readonly<Record<PlanKind, number>> = { time: 38, operation: 44, start: 8, term: 4, cut: 6 };
/** Means of exponential distributions. */
const LOAD_MS = 150;
const START_MS = 40;
/** Operations at the start of each thread that are swept, and the mean of those hit later. */
const SWEPT = { main: 30, disk: 60 } as const;
const LATER = 400;

/** Chooses one after the other. */
export class Planner {
  readonly #kinds: readonly PlanKind[];
  /** Sweeps, one for each thread, and for new directories and old ones. */
  readonly #sweeps: Map<string, number> = new Map();

  constructor(kinds: readonly PlanKind[] = Object.keys(WEIGHTS) as PlanKind[]) {
    this.#kinds = kinds;
  }

  /** The next one. `isFresh` is the first life of a directory, whose start makes the file. */
  next(dice: Dice, isFresh: boolean): Plan {
    const all = this.#kinds.reduce((sum, kind) => sum + WEIGHTS[kind], 0);
    let roll = dice.below(all);
    const kind = this.#kinds.find((kind) => (roll -= WEIGHTS[kind]) < 0)!;
    if (kind === "operation") return this.#operation(dice, isFresh);
    return { kind, afterMs: exponential(dice, kind === "start" ? START_MS : LOAD_MS) };
  }

  /** Two thirds of them sweep, the others hit the disk's thread anywhere. */
  #operation(dice: Dice, isFresh: boolean): Plan {
    if (dice.chance(33)) {
      const at = 1 + Math.floor(exponential(dice, LATER));
      return { kind: "operation", thread: "disk", at, when: dice.pick(["before", "after"]) };
    }
    const thread = dice.pick(["main", "disk"] as const);
    const key = `${thread} ${isFresh}`;
    const count = this.#sweeps.get(key) ?? 0;
    this.#sweeps.set(key, (count + 1) % (SWEPT[thread] * 2));
    return { kind: "operation", thread, at: 1 + (count >> 1), when: count % 2 === 0 ? "before" : "after" };
  }
}

/** A time with this mean. */
function exponential(dice: Dice, mean: number): number {
  return -Math.log(1 - dice.below(1_000_000) / 1_000_000) * mean;
}

/** For people. */
export function describePlan(plan: Plan): string {
  return plan.kind === "operation"
    ? `${plan.when} operation ${plan.at} of the ${plan.thread} thread`
    : `${plan.kind} after ${plan.afterMs.toFixed(1)} ms`;
}
