/**
 * §5.4.2 What the rules that hold for a Client add up to: deny before allow, and what nothing allows is denied.
 * Knows how rules combine; refuses to know which rules hold for whom, and when they change.
 *
 * - publish: allowed if a rule allows the topic with this QoS and RETAIN.
 * - subscribe: allowed if all that the filter matches is allowed, by one rule or by several together, and nothing of it is denied. With
 *   `wide-filters = "narrow"` it is always allowed, but for Shared Subscriptions: a message that one member may not have would be
 *   lost to the whole group.
 * - receive: allowed if a rule allows to subscribe to the topic, or to receive it, and none denies either.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import { parseFilter } from "../topic/filter.ts";
import { probes, readable, split } from "./filters.ts";
import { fillsTo, type Subject } from "./pattern.ts";
import type { Action, Rule } from "./rules.ts";
import type { Asked, RuleSet } from "./rule_set.ts";

/** All that holds for one Client. */
export interface Holding extends Asked {
  readonly sets: readonly RuleSet[];
  /** `wide-filters = "narrow"` */
  readonly narrows: boolean;
}

/** Bits of a publish mask: one for each QoS without RETAIN, the next three with it. */
const WITH_RETAIN = 3;

/** The bit of one kind of message. */
export function publishBit(qos: QoS, retain: boolean): number {
  return 1 << (retain ? qos + WITH_RETAIN : qos);
}

function firstDeny(holding: Holding, action: Action, topic: string): Rule | undefined {
  for (const set of holding.sets) {
    const rule = set.denying(action, topic, holding);
    if (rule !== undefined) return rule;
  }
  return undefined;
}

function someDeny(holding: Holding, action: Action, filter: readonly string[]): Rule | undefined {
  for (const set of holding.sets) {
    const rule = set.denyingSome(action, filter, holding);
    if (rule !== undefined) return rule;
  }
  return undefined;
}

function allowing(holding: Holding, action: Action, topic: string, out: Rule[]): void {
  for (const set of holding.sets) set.allowing(action, topic, holding, out);
}

/** The messages on this topic that may be published, as bits of `publishBit()`. */
export function publishMask(holding: Holding, topic: string): number {
  if (firstDeny(holding, "publish", topic) !== undefined) return 0;
  const rules: Rule[] = [];
  allowing(holding, "publish", topic, rules);
  let mask = 0;
  for (const rule of rules) mask |= maskOf(rule);
  return mask;
}

function maskOf({ qos, retain }: Rule): number {
  const without = (2 << qos) - 1;
  return retain ? without | without << WITH_RETAIN : without;
}

/** Whether a message on this topic may be delivered. */
export function mayReceive(holding: Holding, topic: string): boolean {
  if (firstDeny(holding, "receive", topic) ?? firstDeny(holding, "subscribe", topic)) return false;
  const rules: Rule[] = [];
  allowing(holding, "subscribe", topic, rules);
  if (rules.length === 0) allowing(holding, "receive", topic, rules);
  return rules.length > 0;
}

/** The answer to a SUBSCRIBE. */
export interface Granted {
  /** The highest QoS that is granted; -1 if the subscription is refused. */
  readonly qos: QoS | -1;
  /** `receive` has to be asked for each message: the filter matches topics that may not be received. */
  readonly isNarrowed: boolean;
  /** The rules that decided. */
  readonly rules: readonly Rule[];
  /** A topic that the filter matches and no rule allows. */
  readonly lacking: string | undefined;
}

/** §3.8 The answer to a subscription with this filter, `$share/…` included. `isExplained`: with all rules that bear on it. */
export function grant(holding: Holding, filter: string, asked: QoS, isExplained = false): Granted {
  const parsed = parseFilter(filter);
  if (typeof parsed === "string") return { qos: -1, isNarrowed: false, rules: [], lacking: undefined };
  const { match, share } = parsed;
  const levels = split(match);
  const denied = someDeny(holding, "subscribe", levels);
  const isPartly = denied ?? someDeny(holding, "receive", levels);
  const { narrows } = holding;
  if (denied !== undefined && (!narrows || share !== undefined)) {
    return { qos: -1, isNarrowed: false, rules: [denied], lacking: undefined };
  }
  if (isPartly !== undefined && share !== undefined) {
    return { qos: -1, isNarrowed: false, rules: [isPartly], lacking: undefined };
  }
  const inside = covering(holding, match, share, narrows);
  if (inside.qos >= 0) {
    const qos = Math.min(asked, inside.qos) as QoS;
    if (isPartly === undefined) return { ...inside, qos, isNarrowed: false };
    return { ...inside, qos, isNarrowed: true, rules: [...inside.rules, isPartly] };
  }
  if (!narrows || share !== undefined) return { ...inside, isNarrowed: false };
  if (!isExplained && !holding.sets.some(({ grantsLess }) => grantsLess)) {
    return { ...inside, qos: asked, isNarrowed: true };
  }
  let most = -1;
  const rules: Rule[] = [];
  for (const action of ["subscribe", "receive"] as const) {
    for (const set of holding.sets) set.allowingSome(action, levels, holding, rules);
  }
  for (const { action, qos } of rules) most = Math.max(most, action === "receive" ? 2 : qos);
  const qos = most < 0 ? asked : Math.min(asked, most) as QoS;
  if (isPartly !== undefined) rules.push(isPartly);
  return { qos, isNarrowed: true, rules, lacking: inside.lacking };
}

/** The rules inside of which a filter is, and the QoS that they grant; -1 with a topic that none of them allows. */
function covering(
  holding: Holding,
  filter: string,
  share: string | undefined,
  withReceive: boolean,
): Omit<Granted, "isNarrowed"> {
  let least: QoS | -1 = 2;
  const decisive = new Set<Rule>();
  const rules: Rule[] = [];
  const levelsMax = holding.sets.reduce((most, set) => Math.max(most, set.levelsMax), 0);
  for (const topic of probes(filter, levelsMax)) {
    rules.length = 0;
    allowing(holding, "subscribe", topic, rules);
    if (withReceive && share === undefined) allowing(holding, "receive", topic, rules);
    let best: Rule | undefined;
    for (const rule of rules) {
      if (share !== undefined && !sharesIn(rule, share, holding.client)) continue;
      if (best === undefined || qosOf(rule) > qosOf(best)) best = rule;
    }
    if (best === undefined) return { qos: -1, rules: [], lacking: readable(topic) };
    decisive.add(best);
    least = Math.min(least, qosOf(best)) as QoS;
  }
  return { qos: least, rules: [...decisive], lacking: undefined };
}

function qosOf({ action, qos }: Rule): QoS {
  return action === "receive" ? 2 : qos;
}

/** §4.8.2 whether the rule allows to join groups of this name. */
function sharesIn({ share }: Rule, name: string, client: Subject): boolean {
  return share.some((each) => each === "*" || fillsTo(each, client, name));
}

/** One question, answered with its reason. */
export interface Explained {
  /** The verdict. */
  readonly isAllowed: boolean;
  /** The QoS that a subscription is granted. */
  readonly qos: QoS | undefined;
  /** `receive` is asked for each message. */
  readonly isNarrowed: boolean;
  /** The rules that decided. */
  readonly rules: readonly Rule[];
  /** Why, where no rule says it: one line. */
  readonly why: string | undefined;
}

/** Each reason as a person reads it: with the place of its rule. */
export function reasonsOf({ rules, why }: Explained): string[] {
  const reasons = rules.map(({ place, effect, action, pattern }) =>
    `${place === "" ? "" : `${place}: `}${effect} ${action} ${pattern.text}`
  );
  if (why !== undefined) reasons.unshift(why);
  return reasons;
}

/** The verdict on an action, and the rules that decided. */
export function explain(
  holding: Holding,
  action: Action,
  topic: string,
  qos: QoS,
  retain: boolean,
): Explained {
  if (action === "subscribe") return explainSubscribe(holding, topic, qos);
  const base = { qos: undefined, isNarrowed: false };
  const denied = firstDeny(holding, action, topic) ??
    (action === "receive" ? firstDeny(holding, "subscribe", topic) : undefined);
  if (denied !== undefined) return { ...base, isAllowed: false, rules: [denied], why: undefined };
  const rules: Rule[] = [];
  allowing(holding, action, topic, rules);
  if (action === "receive") allowing(holding, "subscribe", topic, rules);
  const bit = publishBit(qos, retain);
  const rule = action === "receive" ? rules[0] : rules.find((each) => (maskOf(each) & bit) !== 0);
  if (rule !== undefined) return { ...base, isAllowed: true, rules: [rule], why: undefined };
  if (rules.length === 0) return { ...base, isAllowed: false, rules, why: "no rule allows it" };
  const what = retain ? `QoS ${qos} with RETAIN` : `QoS ${qos}`;
  return { ...base, isAllowed: false, rules, why: `the rules for this topic do not allow ${what}` };
}

function explainSubscribe(holding: Holding, filter: string, asked: QoS): Explained {
  const { qos, isNarrowed, rules, lacking } = grant(holding, filter, asked, true);
  if (qos >= 0) return { isAllowed: true, qos: qos as QoS, isNarrowed, rules, why: undefined };
  const why = rules.length > 0
    ? undefined
    : lacking === undefined
    ? "this is no Topic Filter"
    : `no rule allows ${lacking}, which it matches${
      filter.startsWith("$share/") ? ", in a shared group of this name" : ""
    }`;
  return { isAllowed: false, qos: undefined, isNarrowed, rules, why };
}
