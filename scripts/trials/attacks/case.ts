/**
 * What a case of the attack suite is.
 * Knows the shape; refuses to know which cases there are.
 * @module
 */
import type { Attack } from "./attacker.ts";
import type { BrokerNeeds } from "./broker.ts";

/** One attack. */
export interface Case extends BrokerNeeds {
  /** The kind, and behind a slash which of its forms: `A5/ends`. Forms in `small` stay just inside usual limits. */
  readonly id: string;
  readonly title: string;
  /** Puts things in place, calls `attack.begins()`, and attacks until the broker has taken it all or the time is over. */
  readonly run: (attack: Attack) => Promise<void>;
}
