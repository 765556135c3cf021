/**
 * The rules of one user, group or role, compiled: found by topic, however many there are. All Clients that they hold for share it.
 * Knows which of its rules match a topic for a Client; refuses to know what follows from several of them.
 * @module
 */
import { matches } from "../topic/filter.ts";
import { FilterTree } from "../topic/tree.ts";
import { levelsOf, overlap } from "./filters.ts";
import { fillAllow, fillDeny, type Subject } from "./pattern.ts";
import { type Action, ACTIONS, type Rule } from "./rules.ts";

/** The rules of one action. */
class ActionRules {
  /** Rules that allow, by skeleton. */
  readonly allow: FilterTree<Rule> = new FilterTree();
  readonly allAllow: Rule[] = [];
  /** Rules without variables that deny. */
  readonly deny: FilterTree<Rule> = new FilterTree();
  /** Rules with variables that deny: a value that is not usable makes them deny more than their skeleton matches. */
  readonly filledDeny: Rule[] = [];
  readonly allDeny: Rule[] = [];

  add(rule: Rule): void {
    const { skeleton, levels } = rule.pattern;
    if (rule.effect === "allow") {
      this.allow.add(skeleton, rule);
      this.allAllow.push(rule);
      return;
    }
    this.allDeny.push(rule);
    if (levels === undefined) this.deny.add(skeleton, rule);
    else this.filledDeny.push(rule);
  }
}

/** Compiled rules. */
export class RuleSet {
  readonly #by: Readonly<Record<Action, ActionRules>>;
  /** The most levels of a pattern. */
  readonly levelsMax: number;
  readonly #found: Rule[] = [];

  constructor(rules: readonly Rule[]) {
    this.#by = { publish: new ActionRules(), subscribe: new ActionRules(), receive: new ActionRules() };
    for (const rule of rules) this.#by[rule.action].add(rule);
    this.levelsMax = levelsOf(rules.map(({ pattern }) => pattern.skeleton));
  }

  /** Whether it has no rule at all. */
  get isEmpty(): boolean {
    return ACTIONS.every((action) =>
      this.#by[action].allAllow.length + this.#by[action].allDeny.length === 0
    );
  }

  /** Appends the rules that allow the action on this topic. */
  allowing(action: Action, topic: string, client: Subject, out: Rule[]): void {
    const { allow } = this.#by[action];
    if (allow.size === 0) return;
    const found = this.#found;
    allow.match(topic, found);
    for (const rule of found) {
      if (rule.pattern.levels === undefined) {
        out.push(rule);
        continue;
      }
      const filter = fillAllow(rule.pattern, client);
      if (filter !== undefined && matches(filter, topic)) out.push(rule);
    }
    found.length = 0;
  }

  /** A rule that denies the action on this topic. */
  denying(action: Action, topic: string, client: Subject): Rule | undefined {
    const { deny, filledDeny } = this.#by[action];
    if (deny.size > 0) {
      const found = this.#found;
      deny.match(topic, found);
      const rule = found[0];
      found.length = 0;
      if (rule !== undefined) return rule;
    }
    return filledDeny.find(({ pattern }) => {
      const filter = fillDeny(pattern, client);
      return filter !== undefined && matches(filter, topic);
    });
  }

  /** A rule that denies the action on a topic that `filter` matches. */
  denyingSome(action: Action, filter: string, client: Subject): Rule | undefined {
    return this.#by[action].allDeny.find(({ pattern }) => {
      const denied = fillDeny(pattern, client);
      return denied !== undefined && overlap(denied, filter);
    });
  }

  /** The rules that allow the action on a topic that `filter` matches. */
  allowingSome(action: Action, filter: string, client: Subject): readonly Rule[] {
    return this.#by[action].allAllow.filter(({ pattern }) => {
      const allowed = fillAllow(pattern, client);
      return allowed !== undefined && overlap(allowed, filter);
    });
  }
}
