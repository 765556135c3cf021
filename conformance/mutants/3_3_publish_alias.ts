/**
 * Breaks of §3.3.2.3.4.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const ALIAS = "src/broker/alias.ts";

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
    file: ALIAS,
    find: "aliases[topicAlias] = frame",
    replace: "aliases[topicAlias & 255] = frame",
  },
  { // the first topic stays
    kills: "3.3.2/alias-changes-its-topic",
    file: ALIAS,
    find: "aliases[topicAlias] = frame",
    replace: "aliases[topicAlias] ??= frame",
  },
  {
    kills: "3.3.2/alias-ends-with-connection",
    file: ALIAS,
    find: "const aliases = (connection.aliasesIn ??= []);",
    replace: `const aliases = ${kept("aliasesOfClients", "connection.session!.clientId", "[]")};`,
  },
  { // one table for Clients with like names
    kills: "3.3.2/alias-of-another-connection",
    file: ALIAS,
    find: "const aliases = (connection.aliasesIn ??= []);",
    replace: `const aliases = ${kept("aliasesOfAll", "connection.session!.clientId.slice(0, -1)", "[]")};`,
  },
  { // any alias will do
    kills: "3.3.2/alias-unknown",
    file: ALIAS,
    find: "const topic = aliases[topicAlias];",
    replace: "const topic = aliases[topicAlias] ?? aliases.find((one) => one !== undefined);",
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
    find: "if (topicAlias > broker.limits.topicAliasMaximum) {",
    replace: "if (topicAlias > connection.broker.limits.topicAliasMaximum + 1) {",
  },
  {
    kills: "3.3.2/no-alias-without-maximum",
    file: "src/broker/connect.ts",
    find: "if (connection.aliasesOutMax > 0) connection.aliasesOut = new Map();",
    replace: "connection.aliasesOutMax ||= 1;\n    connection.aliasesOut = new Map();",
  },
  {
    kills: "3.3.2/alias-from-server",
    file: "src/broker/deliver.ts",
    find: "aliases.size < connection.aliasesOutMax ?",
    replace: "aliases.size < connection.aliasesOutMax + 1 ?",
  },
  {
    kills: "3.3.2/alias-from-server-ends-with-connection",
    file: "src/broker/connect.ts",
    find: "connection.aliasesOut = new Map();",
    replace: `connection.aliasesOut = ${kept("aliasesToClients", "clientId", "new Map()")};`,
  },
];
