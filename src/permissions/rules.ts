/**
 * Permissions as data: what users, groups and roles may do.
 * Knows the keys and their faults; refuses to know in which form they are written, and how they are asked.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import { parsePattern, type Pattern } from "./pattern.ts";

/** §5.4.2 An action that needs a permission. A Will is published. */
export type Action = "publish" | "subscribe" | "receive";

/** All of them. */
const ACTIONS: readonly Action[] = ["publish", "subscribe", "receive"];

/** One rule as it is written: `{ publish: "a/#", qos: 1 }`. With several actions or patterns it is several rules. */
export interface RuleData {
  /** Topic Filters for the topics that may be published to. */
  readonly publish?: string | readonly string[];
  /** Topic Filters inside of which subscriptions may be, and for whose topics messages are delivered. */
  readonly subscribe?: string | readonly string[];
  /** Topic Filters for the topics whose messages are delivered, however they are subscribed to. */
  readonly receive?: string | readonly string[];
  /** §3.3.1.2 the highest QoS of a message, §3.8.3.1 and the highest that a subscription is granted; default 2. */
  readonly qos?: QoS;
  /** §3.3.1.3 whether messages may be retained; default true. */
  readonly retain?: boolean;
  /** §4.8.2 the names of shared groups that may be joined, `*` for any; default none. */
  readonly share?: readonly string[];
}

/** What belongs to a user, a group or a role. */
export interface HolderData {
  /** What it may do. */
  readonly allow?: readonly RuleData[];
  /** Denied whatever else allows it. */
  readonly deny?: readonly Omit<RuleData, "qos" | "retain" | "share">[];
  /** Roles whose rules belong to it too. */
  readonly roles?: readonly string[];
}

/** A user may be in groups that the login does not name. */
export interface UserData extends HolderData {
  /** Groups it is in besides. */
  readonly groups?: readonly string[];
}

/** A file of permissions. */
export interface PermissionsData {
  /**
   * A subscription that reaches further than what is granted: it is refused (0x87, default), or granted, and each of its messages
   * is checked.
   */
  readonly "wide-filters"?: "refuse" | "narrow";
  /** Rules for every Client. */
  readonly everyone?: HolderData;
  /** Rules for Clients without a user name. */
  readonly anonymous?: HolderData;
  /** By user name. */
  readonly user?: Readonly<Record<string, UserData>>;
  /** By the name of a group. */
  readonly group?: Readonly<Record<string, HolderData>>;
  /** By the name of a role: rules for several users or groups. */
  readonly role?: Readonly<Record<string, HolderData>>;
}

/** One rule, checked. */
export interface Rule {
  /** A rule that denies wins. */
  readonly effect: "allow" | "deny";
  /** The one action that it is about. */
  readonly action: Action;
  /** The topics that it is about. */
  readonly pattern: Pattern;
  /** See `RuleData.qos`. */
  readonly qos: QoS;
  /** See `RuleData.retain`. */
  readonly retain: boolean;
  /** See `RuleData.share`. */
  readonly share: readonly string[];
  /** Where it stands, as `FILE:LINE`; empty for rules that are in no file. */
  readonly place: string;
}

/** The rules of a user, a group or a role. */
export interface Holder {
  /** Its own. */
  readonly rules: readonly Rule[];
  /** Roles whose rules belong to it too. */
  readonly roles: readonly string[];
  /** Groups that a user is in. */
  readonly groups: readonly string[];
}

/** Permissions, checked. */
export interface Rules {
  /** See `PermissionsData`. */
  readonly wideFilters: "refuse" | "narrow";
  /** Rules for every Client. */
  readonly everyone: Holder;
  /** Rules for Clients without a user name. */
  readonly anonymous: Holder;
  /** By user name. */
  readonly users: ReadonlyMap<string, Holder>;
  /** By the name of a group. */
  readonly groups: ReadonlyMap<string, Holder>;
  /** By the name of a role. */
  readonly roles: ReadonlyMap<string, Holder>;
}

/** Permissions that are not right: where, what, and what would be right, in one line. */
export class PermissionsError extends Error {
  /** Always "PermissionsError". */
  override readonly name = "PermissionsError";
}

/** A key, from the outermost one inwards; a number is a place in a list, from 0. */
export type Path = readonly (string | number)[];

const NO_RULES: Holder = { rules: [], roles: [], groups: [] };
const TOP_KEYS = ["wide-filters", "everyone", "anonymous", "user", "group", "role"];

/**
 * Permissions from data, which may come from a file: then `placeOf` gives the place of a key as `FILE:LINE`.
 * @throws {PermissionsError}
 */
export function rulesOf(data: PermissionsData, placeOf: (path: Path) => string = () => ""): Rules {
  const reader = new RulesReader(placeOf);
  const top = reader.table(data, [], TOP_KEYS);
  const wide = reader.choice(top["wide-filters"], ["wide-filters"], ["refuse", "narrow"]);
  const holders = (key: string) => {
    const found = new Map<string, Holder>();
    const path = [key];
    if (top[key] === undefined) return found;
    for (const [name, holder] of Object.entries(reader.table(top[key], path))) {
      found.set(name, reader.holder(holder, [...path, name], key === "user"));
    }
    return found;
  };
  const one = (key: string) => top[key] === undefined ? NO_RULES : reader.holder(top[key], [key], false);
  const [roles, groups, users] = [holders("role"), holders("group"), holders("user")];
  const rules: Rules = {
    wideFilters: wide ?? "refuse",
    everyone: one("everyone"),
    anonymous: one("anonymous"),
    users,
    groups,
    roles,
  };
  reader.requireNamed(rules);
  return rules;
}

class RulesReader {
  readonly #placeOf: (path: Path) => string;
  /** Roles and groups that are named, to be looked for when all of them are known. */
  readonly #named: { readonly kind: "role" | "group"; readonly name: string; readonly path: Path }[] = [];

  constructor(placeOf: (path: Path) => string) {
    this.#placeOf = placeOf;
  }

  table(value: unknown, path: Path, keys?: readonly string[]): Record<string, unknown> {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.#fault(path, `is a table${keys === undefined ? "" : ` with ${keys.join(", ")}`}`);
    }
    const table = value as Record<string, unknown>;
    for (const key of keys === undefined ? [] : Object.keys(table)) {
      if (keys!.includes(key)) continue;
      throw this.#fault([...path, key], `unknown key ${JSON.stringify(key)}; there are ${keys!.join(", ")}`);
    }
    return table;
  }

  choice<T extends string | number>(value: unknown, path: Path, choices: readonly T[]): T | undefined {
    if (value === undefined) return undefined;
    if (!choices.includes(value as T)) {
      throw this.#fault(path, `takes ${choices.map(shown).join(", ")}, not ${shown(value)}`);
    }
    return value as T;
  }

  holder(value: unknown, path: Path, isUser: boolean): Holder {
    const table = this.table(value, path, ["allow", "deny", "roles", ...isUser ? ["groups"] : []]);
    const names = (key: string, kind: "role" | "group") => {
      const listed = this.#texts(table[key], [...path, key]);
      listed.forEach((name, i) => this.#named.push({ kind, name, path: [...path, key, i] }));
      return listed;
    };
    const rules = (["allow", "deny"] as const).flatMap((effect) => this.#rules(table, path, effect));
    return { rules, roles: names("roles", "role"), groups: names("groups", "group") };
  }

  requireNamed({ roles, groups }: Rules): void {
    for (const { kind, name, path } of this.#named) {
      if ((kind === "role" ? roles : groups).has(name)) continue;
      throw this.#fault(path, `there is no [${kind}.${keyed(name)}]`);
    }
  }

  #rules(table: Record<string, unknown>, holder: Path, effect: "allow" | "deny"): Rule[] {
    const list = table[effect];
    const path = [...holder, effect];
    if (list === undefined) return [];
    if (!Array.isArray(list)) throw this.#fault(path, 'is a list of rules such as { publish = "a/#" }');
    return list.flatMap((one: unknown, i) => this.#rule(one, [...path, i], effect));
  }

  #rule(value: unknown, path: Path, effect: "allow" | "deny"): Rule[] {
    const more = effect === "allow" ? ["qos", "retain", "share"] : [];
    const table = this.table(value, path, [...ACTIONS, ...more]);
    const actions = ACTIONS.filter((action) => table[action] !== undefined);
    if (actions.length === 0) throw this.#fault(path, `a rule names one of ${ACTIONS.join(", ")}`);
    const qos = this.choice<QoS>(table["qos"], [...path, "qos"], [0, 1, 2]) ?? 2;
    const retain = this.#boolean(table["retain"], [...path, "retain"]) ?? true;
    const share = this.#texts(table["share"], [...path, "share"]);
    if (table["retain"] !== undefined && !actions.includes("publish")) {
      throw this.#fault([...path, "retain"], "belongs to a rule with publish");
    }
    if (table["share"] !== undefined && !actions.includes("subscribe")) {
      throw this.#fault([...path, "share"], "belongs to a rule with subscribe");
    }
    if (table["qos"] !== undefined && actions.every((action) => action === "receive")) {
      throw this.#fault([...path, "qos"], "belongs to a rule with publish or subscribe");
    }
    share.forEach((name, i) => this.#requireShare(name, [...path, "share", i]));
    return actions.flatMap((action) => {
      const at = [...path, action];
      const value = table[action];
      const texts = typeof value === "string" ? [value] : this.#texts(value, at);
      if (texts.length === 0) throw this.#fault(at, "takes a Topic Filter, or a list of them");
      return texts.map((text, i) => {
        const where = typeof value === "string" ? at : [...at, i];
        const pattern = this.#pattern(text, where, effect, action);
        return { effect, action, pattern, qos, retain, share, place: this.#placeOf(where) };
      });
    });
  }

  #pattern(text: string, path: Path, effect: "allow" | "deny", action: Action): Pattern {
    const pattern = parsePattern(text);
    if ("fault" in pattern) throw this.#fault(path, `${shown(text)}: ${pattern.fault}`);
    if (effect === "allow" && action === "publish" && /^\$SYS(\/|$)/.test(pattern.skeleton)) {
      throw this.#fault(path, `${shown(text)}: only the Server publishes there; subscribe may be allowed`);
    }
    return pattern;
  }

  /** §4.8.2 [MQTT-4.8.2-2] */
  #requireShare(name: string, path: Path): void {
    const pattern = name === "*" ? undefined : parsePattern(name);
    if (pattern === undefined || (!("fault" in pattern) && !/[/+#]/.test(name))) return;
    throw this.#fault(path, `${shown(name)} is no ShareName: it has no /, + and #; * is any group`);
  }

  #boolean(value: unknown, path: Path): boolean | undefined {
    if (value === undefined || typeof value === "boolean") return value;
    throw this.#fault(path, `takes true or false, not ${shown(value)}`);
  }

  #texts(value: unknown, path: Path): readonly string[] {
    if (value === undefined) return [];
    if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value;
    throw this.#fault(path, `takes a list of texts, not ${shown(value)}`);
  }

  #fault(path: Path, what: string): PermissionsError {
    const place = this.#placeOf(path);
    const key = path.map((part) => typeof part === "number" ? `[${part + 1}]` : `.${keyed(part)}`).join("");
    return new PermissionsError([place, key.slice(1), what].filter((part) => part !== "").join(": "));
  }
}

/** A key as TOML writes it. */
export function keyed(name: string): string {
  return /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name);
}

function shown(value: unknown): string {
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "a table";
  return JSON.stringify(value) ?? String(value);
}
