/**
 * Permissions by rules: who has which, for a broker that asks.
 * Knows which rules hold for a Client, and that they may be replaced at any time; refuses to know files and connections.
 * @module
 */
import type { QoS } from "../codec/packet.ts";
import type { ReasonCode } from "../codec/reason_code.ts";
import type { ClientInfo, ClientPermissions, PermissionSource } from "../broker/options.ts";
import { isOdd, type Subject } from "./pattern.ts";
import { RuleSet } from "./rule_set.ts";
import type { Action, Holder, Rules } from "./rules.ts";
import {
  explain,
  type Explained,
  grant,
  type Holding,
  mayReceive,
  publishBit,
  publishMask,
  reasonsOf,
} from "./verdict.ts";

const NOT_AUTHORIZED = 0x87;
/** Answers that are remembered for one Client and kind; then all of them are forgotten. */
const ANSWERS_MAX = 256;
/** Topic Names of more UTF-16 units are asked for anew each time. */
const REMEMBERED_NAME_MAX = 256;

/** A user, group or role with its rules compiled, and the roles behind it. */
interface CompiledHolder {
  readonly sets: readonly RuleSet[];
  readonly groups: readonly string[];
}

/** Rules compiled, each holder once for all of its Clients. */
class Compiled {
  readonly narrows: boolean;
  readonly everyone: CompiledHolder;
  readonly anonymous: CompiledHolder;
  readonly users: ReadonlyMap<string, CompiledHolder>;
  readonly groups: ReadonlyMap<string, CompiledHolder>;

  constructor({ wideFilters, everyone, anonymous, users, groups, roles }: Rules) {
    this.narrows = wideFilters === "narrow";
    const setOf = ({ rules }: Holder) => new RuleSet(rules);
    const roleSets = new Map([...roles].map(([name, role]) => [name, setOf(role)]));
    const nested = new Map([...roles].map(([name, role]) => [name, role.roles]));
    const compile = (holder: Holder): CompiledHolder => {
      const named = new Set<string>();
      const visit = (name: string): void => {
        if (named.has(name)) return;
        named.add(name);
        nested.get(name)?.forEach(visit);
      };
      holder.roles.forEach(visit);
      const sets = [setOf(holder), ...[...named].map((name) => roleSets.get(name)!)];
      return { sets: sets.filter((set) => !set.isEmpty), groups: holder.groups };
    };
    const all = (holders: ReadonlyMap<string, Holder>) =>
      new Map([...holders].map(([name, holder]) => [name, compile(holder)]));
    this.everyone = compile(everyone);
    this.anonymous = compile(anonymous);
    this.users = all(users);
    this.groups = all(groups);
  }

  /** All that holds for a Client. */
  of(client: Subject): Holding {
    const { username } = client;
    const own = username === undefined ? this.anonymous : this.users.get(username);
    const sets = new Set([...this.everyone.sets, ...own?.sets ?? []]);
    for (const name of [...client.groups ?? [], ...own?.groups ?? []]) {
      for (const set of this.groups.get(name)?.sets ?? []) sets.add(set);
    }
    return { sets: [...sets], client, isOdd: isOdd(client), narrows: this.narrows };
  }
}

/** Permissions by rules. One of it may serve several listeners. */
export class Permissions implements PermissionSource {
  #compiled: Compiled;
  #version = 1;
  readonly #watchers: (() => void)[] = [];

  /** Permissions with these rules; `rulesOf()` and `readPermissions()` make them. */
  constructor(rules: Rules) {
    this.#compiled = new Compiled(rules);
  }

  /** Grows with each `replace()`. */
  get version(): number {
    return this.#version;
  }

  /** The permissions of a Client. They stay right when the rules are replaced. */
  of(client: ClientInfo): ClientPermissions {
    return new RulesOfClient(this, client);
  }

  /** Other rules from now on, for Clients that are connected too: what they have lost ends. */
  replace(rules: Rules): void {
    this.#compiled = new Compiled(rules);
    this.#version++;
    for (const changed of this.#watchers) changed();
  }

  /** Has `changed` called when rules are replaced. */
  watch(changed: () => void): void {
    this.#watchers.push(changed);
  }

  /** The verdict on one action, with the rules that decided. */
  explain(client: Subject, action: Action, topic: string, qos: QoS = 0, retain = false): Explained {
    return explain(this.holding(client), action, topic, qos, retain);
  }

  /** @internal All that holds for a Client at present. */
  holding(client: Subject): Holding {
    return this.#compiled.of(client);
  }
}

/** The answers for one Client, remembered until the rules are replaced. */
class RulesOfClient implements ClientPermissions {
  readonly #permissions: Permissions;
  readonly #client: Subject;
  #version = 0;
  #holding: Holding | undefined;
  #isNarrowed = false;
  #publishes: Map<string, number> | undefined;
  #receives: Map<string, boolean> | undefined;

  constructor(permissions: Permissions, client: Subject) {
    this.#permissions = permissions;
    this.#client = client;
  }

  get version(): number {
    return this.#permissions.version;
  }

  get isNarrowed(): boolean {
    return this.#isNarrowed && this.#version === this.#permissions.version;
  }

  publish(topic: string, qos: QoS, retain: boolean): ReasonCode {
    const holding = this.#present();
    let mask = this.#publishes?.get(topic);
    if (mask === undefined) {
      mask = publishMask(holding, topic);
      this.#publishes = remembered(this.#publishes, topic, mask);
    }
    return (mask & publishBit(qos, retain)) !== 0 ? 0 : NOT_AUTHORIZED;
  }

  subscribe(filter: string, qos: QoS): ReasonCode {
    const granted = grant(this.#present(), filter, qos);
    if (granted.isNarrowed) this.#isNarrowed = true;
    return granted.qos < 0 ? NOT_AUTHORIZED : granted.qos as QoS;
  }

  receive(topic: string): boolean {
    const holding = this.#present();
    let answer = this.#receives?.get(topic);
    if (answer === undefined) {
      answer = mayReceive(holding, topic);
      this.#receives = remembered(this.#receives, topic, answer);
    }
    return answer;
  }

  explain(action: "publish" | "receive", topic: string, qos: QoS, retain: boolean): readonly string[] {
    return reasonsOf(explain(this.#present(), action, topic, qos, retain));
  }

  forget(): void {
    this.#holding = this.#publishes = this.#receives = undefined;
  }

  /** The present rules; what was remembered of others is forgotten. */
  #present(): Holding {
    const { version } = this.#permissions;
    if (this.#version !== version) {
      this.#version = version;
      this.#isNarrowed = false;
      this.forget();
    }
    return this.#holding ??= this.#permissions.holding(this.#client);
  }
}

function remembered<T>(
  answers: Map<string, T> | undefined,
  topic: string,
  answer: T,
): Map<string, T> | undefined {
  if (topic.length > REMEMBERED_NAME_MAX) return answers;
  const kept = answers ?? new Map<string, T>();
  if (kept.size >= ANSWERS_MAX) kept.clear();
  return kept.set(topic, answer);
}
