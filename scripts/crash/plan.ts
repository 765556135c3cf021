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
const SWEPT_AT_ONCE = 5;
/** Lives of a new directory. */
const YOUNG = 3;
const SWEPT = { main: 30, disk: 60 } as const;
const LATER = 400;

/** Chooses one after the other. */
export class Planner {
  readonly #kinds: readonly PlanKind[];
  /** Where the sweep over each thread stands: one directory goes on where that of the seed before it ends, or so. */
  readonly #sweeps: Record<"main" | "disk", number>;

  /** For one directory, by its seed. */
  constructor(seed: number, kinds: readonly PlanKind[] = Object.keys(WEIGHTS) as PlanKind[]) {
    this.#kinds = kinds;
    this.#sweeps = { main: seed * SWEPT_AT_ONCE, disk: seed * SWEPT_AT_ONCE };
  }

  /** The next one; `life` counts from 0, and the first ones die more often while the file is made. */
  next(dice: Dice, life: number): Plan {
    const isYoung = life < YOUNG && this.#kinds.includes("operation");
    if (isYoung && dice.chance(60)) return this.#sweep("main");
    const all = this.#kinds.reduce((sum, kind) => sum + WEIGHTS[kind], 0);
    let roll = dice.below(all);
    const kind = this.#kinds.find((kind) => (roll -= WEIGHTS[kind]) < 0)!;
    if (kind === "operation") return this.#operation(dice);
    return { kind, afterMs: exponential(dice, kind === "start" ? START_MS : LOAD_MS) };
  }

  /** Two thirds of them sweep, the others hit the disk's thread anywhere. */
  #operation(dice: Dice): Plan {
    if (dice.chance(33)) {
      const at = 1 + Math.floor(exponential(dice, LATER));
      return { kind: "operation", thread: "disk", at, when: dice.pick(["before", "after"]) };
    }
    return this.#sweep(dice.pick(["main", "disk"] as const));
  }

  #sweep(thread: "main" | "disk"): Plan {
    const count = this.#sweeps[thread]++ % (SWEPT[thread] * 2);
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
