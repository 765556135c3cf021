/**
 * The rules of one user, group or role, compiled: found by topic, however many there are. All Clients that they hold for share it.
 * Knows which of its rules match a topic for a Client; refuses to know what follows from several of them.
 * @module
 */
import { matches } from "../topic/filter.ts";
import { FilterTree } from "../topic/tree.ts";
import { levelsOf, overlap, split } from "./filters.ts";
import { fillAllow, fillDeny, type Subject } from "./pattern.ts";
import type { Action, Rule } from "./rules.ts";

/** The Client that is asked about. */
export interface Asked {
  readonly client: Subject;
  /** See `isOdd()` of pattern.ts: a rule that denies may then match more than its skeleton does. */
  readonly isOdd: boolean;
}

/** Rules of one effect for one action. */
class RuleIndex {
  readonly #fill: typeof fillAllow;
  /** By skeleton. */
  readonly #tree: FilterTree<Rule> = new FilterTree();
  /** Rules with variables. */
  readonly filled: Rule[] = [];
  /** With the levels of the skeleton, by the first of these. */
  readonly #byFirst: Map<string, { readonly rule: Rule; readonly levels: readonly string[] }[]> = new Map();
  readonly #found: Rule[] = [];

  constructor(fill: typeof fillAllow) {
    this.#fill = fill;
  }

  add(rule: Rule): void {
    const { skeleton } = rule.pattern;
    const levels = split(skeleton);
    if (rule.pattern.levels !== undefined) this.filled.push(rule);
    this.#tree.add(skeleton, rule);
    const some = this.#byFirst.get(levels[0]!);
    if (some === undefined) this.#byFirst.set(levels[0]!, [{ rule, levels }]);
    else some.push({ rule, levels });
  }

  /** Appends the rules that match a topic. */
  matching(topic: string, client: Subject, out: Rule[]): void {
    const found = this.#found;
    this.#tree.match(topic, found);
    for (const rule of found) {
      if (rule.pattern.levels === undefined) {
        out.push(rule);
        continue;
      }
      const filter = this.#fill(rule.pattern, client);
      if (filter !== undefined && matches(filter, topic)) out.push(rule);
    }
    found.length = 0;
  }

  /** Calls `visit` for the rules that match a topic that `filter` matches, until that returns true. */
  overlapping(filter: readonly string[], client: Subject, visit: (rule: Rule) => boolean): boolean {
    const isWild = filter[0] === "+" || filter[0] === "#";
    const firsts = isWild ? this.#byFirst.keys() : new Set([filter[0]!, "+", "#"]);
    for (const first of firsts) {
      for (const { rule, levels } of this.#byFirst.get(first) ?? []) {
        if (!overlap(levels, filter)) continue;
        if (rule.pattern.levels !== undefined) {
          const filled = this.#fill(rule.pattern, client);
          if (filled === undefined || !overlap(split(filled), filter)) continue;
        }
        if (visit(rule)) return true;
      }
    }
    return false;
  }
}

/** Compiled rules. */
export class RuleSet {
  /** Most holders have rules for one or two actions. */
  readonly #allow: Partial<Record<Action, RuleIndex>> = {};
  readonly #deny: Partial<Record<Action, RuleIndex>> = {};
  /** Whether it has no rule at all. */
  readonly isEmpty: boolean;
  /** The most levels of a pattern. */
  readonly levelsMax: number;
  /** Whether a subscription may be granted less than QoS 2. */
  readonly grantsLess: boolean;
  readonly #one: Rule[] = [];

  constructor(rules: readonly Rule[]) {
    this.isEmpty = rules.length === 0;
    for (const rule of rules) {
      const { action } = rule;
      if (rule.effect === "allow") (this.#allow[action] ??= new RuleIndex(fillAllow)).add(rule);
      else (this.#deny[action] ??= new RuleIndex(fillDeny)).add(rule);
    }
    this.levelsMax = levelsOf(rules.map(({ pattern }) => pattern.skeleton));
    this.grantsLess = rules.some(({ action, qos }) => action === "subscribe" && qos < 2);
  }

  /** Appends the rules that allow the action on this topic. */
  allowing(action: Action, topic: string, { client }: Asked, out: Rule[]): void {
    this.#allow[action]?.matching(topic, client, out);
  }

  /** A rule that denies the action on this topic. */
  denying(action: Action, topic: string, { client, isOdd }: Asked): Rule | undefined {
    const deny = this.#deny[action];
    if (deny === undefined) return undefined;
    const found = this.#one;
    found.length = 0;
    deny.matching(topic, client, found);
    if (found.length > 0 || !isOdd) return found[0];
    return deny.filled.find(({ pattern }) => {
      const filter = fillDeny(pattern, client);
      return filter !== undefined && matches(filter, topic);
    });
  }

  /** A rule that denies the action on a topic that a filter of these levels matches. */
  denyingSome(action: Action, filter: readonly string[], { client, isOdd }: Asked): Rule | undefined {
    const deny = this.#deny[action];
    if (deny === undefined) return undefined;
    let one: Rule | undefined;
    deny.overlapping(filter, client, (rule) => {
      one = rule;
      return true;
    });
    if (one !== undefined || !isOdd) return one;
    return deny.filled.find(({ pattern }) => {
      const denied = fillDeny(pattern, client);
      return denied !== undefined && overlap(split(denied), filter);
    });
  }

  /** Appends the rules that allow the action on a topic that a filter of these levels matches. */
  allowingSome(action: Action, filter: readonly string[], { client }: Asked, out: Rule[]): void {
    this.#allow[action]?.overlapping(filter, client, (rule) => {
      out.push(rule);
      return false;
    });
  }
}
