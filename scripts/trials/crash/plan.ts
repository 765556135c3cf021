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
    /** Only those that begin so count. */
    readonly only?: string;
  }
  /** Asked to end by SIGTERM, and perhaps killed so long after that. */
  | { readonly kind: "term"; readonly afterMs: number; readonly killedMs?: number }
  /** It lives on, and all connections are cut. */
  | { readonly kind: "cut"; readonly afterMs: number };

/** A kind of plan. */
export type PlanKind = Plan["kind"];

/** How often each is chosen, of 100. */
const WEIGHTS: Readonly<Record<PlanKind, number>> = { time: 38, operation: 41, start: 8, term: 7, cut: 6 };
/** Means of exponential distributions. */
const LOAD_MS = 150;
const START_MS = 40;
const END_MS = 15;
/** Operations at the start of each thread that are swept, and the mean of those hit later. */
const SWEPT_AT_ONCE = 5;
/** Lives of a new directory. */
const YOUNG = 3;
const SWEPT = { main: 30, disk: 60 } as const;
const LATER = 400;
const COMMITS = 20;

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
    const afterMs = exponential(dice, kind === "start" ? START_MS : LOAD_MS);
    if (kind === "term" && dice.chance(60)) return { kind, afterMs, killedMs: exponential(dice, END_MS) };
    return { kind, afterMs };
  }

  /** Half of them sweep, the others hit the disk's thread anywhere, or at a commit. */
  #operation(dice: Dice): Plan {
    const when = dice.pick(["before", "after"] as const);
    if (dice.chance(25)) {
      return { kind: "operation", thread: "disk", at: 1 + Math.floor(exponential(dice, LATER)), when };
    }
    if (dice.chance(25)) {
      const at = 1 + Math.floor(exponential(dice, COMMITS));
      return { kind: "operation", thread: "disk", at, when, only: "COMMIT" };
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
  if (plan.kind === "operation") {
    return `${plan.when} ${plan.only ?? "operation"} ${plan.at} of the ${plan.thread} thread`;
  }
  const killed = plan.kind === "term" && plan.killedMs !== undefined
    ? `, killed ${plan.killedMs.toFixed(1)} ms later`
    : "";
  return `${plan.kind} after ${plan.afterMs.toFixed(1)} ms${killed}`;
}
