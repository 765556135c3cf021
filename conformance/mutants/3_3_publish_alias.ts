/**
 * Breaks of §3.3.2.3.4.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const ALIAS = "src/broker/alias.ts";
const ALIASES = "src/engine/topic_aliases.ts";
const OPEN = "src/broker/open.ts";
const NEW_ALIASES = "new TopicAliases(limits.topicAliasMaximum)";

/** Code for a table that outlives its connection; `key` says whose it is. */
function kept(name: string, key: string, empty: string): string {
  return `(() => {
    const all: Map<string, any> = ((globalThis as any).${name} ??= new Map());
    const key = ${key};
    if (!all.has(key)) all.set(key, ${empty});
    return all.get(key);
  })()`;
}

/** For the cases of `cases/3_3_publish_alias.ts`. */
export const MUTANTS: readonly Mutant[] = [
  { // one byte of it counts
    kills: "3.3.2/alias-stands-for-topic",
    file: ALIASES,
    find: "topics[alias] = bytes",
    replace: "topics[alias & 255] = bytes",
  },
  { // the first topic stays
    kills: "3.3.2/alias-changes-its-topic",
    file: ALIASES,
    find: "topics[alias] = bytes",
    replace: "topics[alias] ??= bytes",
  },
  {
    kills: "3.3.2/alias-ends-with-connection",
    file: OPEN,
    find: NEW_ALIASES,
    replace: kept("aliasesOfClients", "session.clientId", NEW_ALIASES),
  },
  { // one table for Clients with like names
    kills: "3.3.2/alias-of-another-connection",
    file: OPEN,
    find: NEW_ALIASES,
    replace: kept("aliasesOfAll", "session.clientId.slice(0, -1)", NEW_ALIASES),
  },
  { // any alias will do
    kills: "3.3.2/alias-unknown",
    file: ALIAS,
    find: "const topic = aliases.get(topicAlias);",
    replace: "const all = Array.from({ length: aliases.maximum }, (_, i) => aliases.get(i + 1));\n" +
      "  const topic = aliases.get(topicAlias) ?? all.find((one) => one !== undefined);",
  },
  {
    kills: "3.3.2/alias-0",
    file: "src/codec/publish_view.ts",
    find: "if (bytes[at] === 0 && bytes[at + 1] === 0) {",
    replace: "if (bytes[at]! > 255) {",
  },
  {
    kills: "3.3.2/alias-above-maximum",
    file: ALIAS,
    find: "if (topicAlias > aliases.maximum) {",
    replace: "if (topicAlias > aliases.maximum + 1) {",
  },
  {
    kills: "3.3.2/no-alias-without-maximum",
    file: OPEN,
    find: "aliasesMax: Math.min(properties.topicAliasMaximum ?? 0, limits.topicAliasesOutMax),",
    replace: "aliasesMax: client.level === 5 ? properties.topicAliasMaximum || 1 : 0,",
  },
  {
    kills: "3.3.2/alias-from-server",
    file: "src/engine/outflow.ts",
    find: "aliases.size < this.#aliasesMax ?",
    replace: "aliases.size < this.#aliasesMax + 1 ?",
  },
  {
    kills: "3.3.2/alias-from-server-ends-with-connection",
    file: OPEN,
    find: "this.session = session;",
    replace: `this.session = session;
    const known: Map<string, number> = ${kept("aliasesToClients", "session.clientId", "new Map()")};
    for (const [topic, alias] of this.usesAliases ? known : []) this.setAlias(topic, alias);
    const { setAlias } = this;
    this.setAlias = (topic, alias) => (known.set(topic, alias), setAlias.call(this, topic, alias));`,
  },
];
