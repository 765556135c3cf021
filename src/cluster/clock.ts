/**
 * The time that the parts of a cluster are given.
 * Knows what they need of a loop; refuses to know one.
 * @module
 */
import type { Loop } from "../runtime/loop.ts";

export type { Cancel } from "../runtime/loop.ts";

/** The runtime's loop in production (`systemLoop`), a schedule of virtual time in simulations. */
export type Clock = Pick<Loop, "now" | "at" | "endOfTurn">;
