/**
 * Policies that change while Clients are connected: which limits hold at once, and which keep the value that CONNACK announced.
 * Knows limits and who has which; refuses to know where a new value comes from.
 * @module
 */
import { type LimitName, type LimitRow, LIMITS, type Limits } from "./limits.ts";
import type { Policy } from "./policy.ts";

/** When a changed limit holds: at once, for new connections, or with the next start. */
export type LimitReload = "now" | "new connections" | "restart";

/** Limits of a connection that are read each time they are needed, and that no Client has been told. */
const READ_EACH_TIME: ReadonlySet<LimitName> = /* @__PURE__ */ new Set<LimitName>([
  "closeTimeoutMs",
  "filtersPerPacketMax",
  "nameBytesMax",
  "pendingBytesMax",
  "topicLevelsMax",
]);

/** Limits that are the size of something that is made once. */
const MADE_ONCE: ReadonlySet<LimitName> = /* @__PURE__ */ new Set<LimitName>([
  "knownTopicsMax",
  "batchMessagesMax",
]);

/** When a change of each limit holds. */
export const RELOAD_OF_LIMITS: Readonly<Record<LimitName, LimitReload>> = /* @__PURE__ */ reloads();

function reloads(): Record<LimitName, LimitReload> {
  const rows = Object.entries(LIMITS) as [LimitName, LimitRow][];
  return Object.fromEntries(rows.map(([name, { scope }]) => [name, reloadOf(name, scope)])) as Record<
    LimitName,
    LimitReload
  >;
}

function reloadOf(name: LimitName, scope: LimitRow["scope"]): LimitReload {
  if (MADE_ONCE.has(name)) return "restart";
  return scope !== "connection" || READ_EACH_TIME.has(name) ? "now" : "new connections";
}

/** The new values of the limits that a change reaches, over the old ones. */
function reached(before: Limits, after: Limits, reload: (of: LimitReload) => boolean): Limits {
  const limits: Record<LimitName, number> = { ...before };
  for (const name of Object.keys(limits) as LimitName[]) {
    if (reload(RELOAD_OF_LIMITS[name])) limits[name] = after[name];
  }
  return limits;
}

/** The policy that new connections get: as it is given, but for the limits that need a restart. */
export function successor(before: Policy, after: Policy): Policy {
  return { ...after, limits: reached(before.limits, after.limits, (of) => of !== "restart") };
}

/**
 * Which policy each limits object of a connection or a session stands for, through any number of changes. A connection keeps the
 * features, the authenticator and the announced limits of its CONNECT, so its policy is a mixture, one for each policy it began with.
 */
export class Succession {
  readonly #standsFor: WeakMap<Limits, Policy> = new WeakMap();

  /** One change: `moved` has the new policy for each one that has one. */
  change(moved: ReadonlyMap<Policy, Policy>): Change {
    const made = new Map<Limits, Limits>();
    const ofOld = new Map([...moved.keys()].map((policy) => [policy.limits, policy]));
    const limitsOf = (limits: Limits): Limits => {
      const known = made.get(limits);
      if (known !== undefined) return known;
      const before = this.#standsFor.get(limits) ?? ofOld.get(limits);
      const after = before && moved.get(before);
      const now = after === undefined ? limits : reached(limits, after.limits, (of) => of === "now");
      if (after !== undefined) this.#standsFor.set(now, after);
      made.set(limits, now);
      return now;
    };
    const policies = new Map<Limits, Policy>();
    return {
      limitsOf,
      policyOf(policy) {
        const limits = limitsOf(policy.limits);
        if (limits === policy.limits) return policy;
        const known = policies.get(limits) ?? { ...policy, limits };
        policies.set(limits, known);
        return known;
      },
      nextOf: (policy) => moved.get(policy),
    };
  }
}

/** What a change makes of policies and limits that are in use; what it does not reach stays the same object. */
export interface Change {
  policyOf(policy: Policy): Policy;
  /** What has taken the place of a listener's policy; undefined if the listener is gone. */
  nextOf(policy: Policy): Policy | undefined;
  limitsOf(limits: Limits): Limits;
}
