/**
 * The policy for the connections of one listener: limits, features, authentication, authorization.
 * Knows defaults and which value wins; refuses to know the effects of a value.
 * @module
 */
import { UsageError } from "../codec/error.ts";
import { type ToleranceName, TOLERANCES } from "../codec/mend.ts";
import type { QoS } from "../codec/packet.ts";
import { type LimitName, LIMITS, type Limits } from "./limits.ts";
import type { PolicyOptions } from "./options.ts";

/** A policy with every value in it. */
export interface Policy extends Omit<PolicyOptions, "limits"> {
  /** Every limit: the given values, the values of the broker, or the defaults. */
  readonly limits: Limits;
  /** Deviations from the standard that Clients may make; default none. */
  readonly tolerate: readonly ToleranceName[];
  /** §4.12 the Authentication Methods that `authenticate` knows; default none. */
  readonly authenticationMethods: readonly string[];
  /** §3.2.2.3.4 the highest QoS of a PUBLISH and of a subscription. */
  readonly maximumQos: QoS;
  /** §3.2.2.3.5 whether messages may be retained. */
  readonly retainAvailable: boolean;
  /** §3.2.2.3.11 whether a Topic Filter may have wildcards. */
  readonly wildcardSubscriptionAvailable: boolean;
  /** §3.2.2.3.12 whether a SUBSCRIBE may have a Subscription Identifier. */
  readonly subscriptionIdentifiersAvailable: boolean;
  /** §3.2.2.3.13 whether a Topic Filter may begin with `$share/`. */
  readonly sharedSubscriptionAvailable: boolean;
  /** §3.1.3.1 whether a Client may take over the session of another user. */
  readonly takeoverByOthers: boolean;
}

/**
 * The given values; for others the values of `base`; for others the defaults.
 * @throws {UsageError} for a limit that does not exist, is out of range, or holds for the whole broker alone, and for a tolerance
 * that does not exist.
 */
export function policyOf(given: PolicyOptions, base?: Policy): Policy {
  const { limits, ...rest } = given;
  for (const name of given.tolerate ?? []) {
    if (!Object.hasOwn(TOLERANCES, name)) {
      const names = Object.keys(TOLERANCES).join(", ");
      throw new UsageError(`There is no tolerance ${JSON.stringify(name)}: there are ${names}`);
    }
  }
  return {
    tolerate: [],
    authenticationMethods: [],
    maximumQos: 2,
    retainAvailable: true,
    wildcardSubscriptionAvailable: true,
    subscriptionIdentifiersAvailable: true,
    sharedSubscriptionAvailable: true,
    takeoverByOthers: false,
    ...base,
    ...defined(rest),
    limits: limitsOf(limits ?? {}, base?.limits),
  };
}

/** For a Client of the owner's own, under this user name: no login and no permissions; `base` gives the limits. */
export function ownPolicy(base: Policy, username: string): Policy {
  return { ...policyOf({ authenticate: () => ({ code: 0, username }) }), limits: base.limits };
}

/** The values that are given: an option that is undefined is none. */
function defined(options: Omit<PolicyOptions, "limits">): Omit<PolicyOptions, "limits"> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** The given limits over the limits of the broker, or over the defaults. */
function limitsOf(given: Partial<Limits>, base: Limits | undefined): Limits {
  const limits = {} as Record<LimitName, number>;
  for (const [name, row] of Object.entries(LIMITS) as [LimitName, typeof LIMITS[LimitName]][]) {
    const value = given[name] ?? base?.[name] ?? row.default;
    if (!Number.isInteger(value) || value < row.least || value > row.most) {
      throw new UsageError(
        `Limit ${name} is ${value}: it takes a whole number from ${row.least} to ${row.most} (${row.unit})`,
      );
    }
    if (base !== undefined && row.scope === "broker" && value !== base[name]) {
      throw new UsageError(`Limit ${name} holds for the whole broker, not for one listener`);
    }
    limits[name] = value;
  }
  for (const name of Object.keys(given)) {
    if (!(name in LIMITS)) throw new UsageError(`There is no limit ${JSON.stringify(name)}`);
  }
  return limits;
}
