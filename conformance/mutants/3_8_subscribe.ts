/**
 * Breaks of §3.8.
 * @module
 */
import { TYPE } from "../wire/bytes.ts";
import type { Mutant } from "./mutant.ts";
import { codesPacket, remade } from "./changed_packet.ts";

const CODEC = "src/codec/subscribe.ts";
const BROKER = "src/broker/subscribe.ts";

/** For the cases of `cases/3_8_subscribe.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.8/reserved-flags",
    file: CODEC,
    find: 'requireFlags2(flags, level, "MQTT-3.8.1-1");',
    replace: "",
  },
  {
    kills: "3.8/no-filter",
    file: CODEC,
    find: "do {\n    subscriptions.push(decodeSubscription(reader, level));\n  } while (reader.left > 0);",
    replace: "while (reader.left > 0) subscriptions.push(decodeSubscription(reader, level));",
  },
  {
    kills: "3.8/reserved-option-bits",
    file: CODEC,
    find: "if ((options & reserved) !== 0) {",
    replace: "if ((options & reserved) === 0xff) {",
  },
  {
    kills: "3.8/qos-3",
    file: CODEC,
    find: "const qos = options & QOS;",
    replace: "const qos = Math.min(2, options & QOS);",
  },
  {
    kills: "3.8/retain-handling-3",
    file: CODEC,
    find: "if (retainHandling === 3) {",
    replace: "if (retainHandling > 3) {",
  },
  {
    kills: "3.8/identifier-zero",
    file: "src/codec/property.ts",
    find: '[SUBSCRIBE]: "3.8.2.1.2/zero",',
    replace: "",
  },
  {
    kills: "3.8/identifier-twice",
    file: "src/codec/property.ts",
    find: "if (found[row.name] !== undefined) throw",
    replace: 'if (found[row.name] !== undefined && twice !== "3.8.2.1.2/twice") throw',
  },
  {
    kills: "3.8/no-local",
    file: "src/broker/run.ts",
    find: "if (subscription.noLocal && receiver === connection) continue;",
    replace: "",
  },
  {
    kills: "3.8/no-local-is-of-the-client",
    file: "src/broker/connect.ts",
    find: "return { session: stored, present: true };",
    replace:
      "for (const one of stored.subscriptions.values()) one.set({ ...one, qos: one.qos, noLocal: false } as any);\n" +
      "    return { session: stored, present: true };",
  },
  {
    kills: "3.8/no-local-shared",
    file: BROKER,
    find: "if (filter.share !== undefined && request.noLocal) {",
    replace: 'if (filter.share === "" && request.noLocal) {',
  },
  {
    kills: "3.8/answered",
    toAuditor: remade(
      TYPE.SUBACK,
      (seen, level) => codesPacket(TYPE.SUBACK, level, seen.id! === 1 ? 2 : seen.id!, seen.codes!),
    ),
  },
  { kills: "3.8/answered", toAuditor: remade(TYPE.SUBACK, () => new Uint8Array()) },
  {
    kills: "3.8/same-filter-replaces",
    file: BROKER,
    find: "subscription.set(record);",
    replace: "subscription.set({ ...record, qos: Math.max(record.qos, subscription.qos) as QoS });",
  },
  {
    kills: "3.8/same-filter-replaces-options",
    file: BROKER,
    find: "subscription.set(record);",
    replace: "subscription.set({ ...record, identifier: record.identifier || subscription.identifier });",
  },
  {
    kills: "3.8/same-filter-brings-retained-again",
    file: BROKER,
    find: "const wanted = request.retainHandling === 0 ||",
    replace: "const wanted = (request.retainHandling === 0 && !known) ||",
  },
  {
    kills: "3.8/replacing-loses-nothing",
    file: BROKER,
    find: "let subscription = session.subscriptions.get(filter.text);",
    replace: `let subscription = session.subscriptions.get(filter.text) as Subscription & { away?: boolean };
  if (subscription !== undefined && subscription.away !== true) {
    const gone = subscription;
    gone.away = true;
    broker.tree.remove(filter.match, gone);
    broker.topics.changed(filter.match, filter.wildcard);
    setTimeout(() => {
      gone.away = false;
      broker.tree.add(filter.match, gone);
      broker.topics.changed(filter.match, filter.wildcard);
    }, 2);
  }`,
  },
  {
    kills: "3.8/wildcards-work-or-are-refused",
    file: BROKER,
    find: "broker.tree.add(filter.match, subscription);",
    replace: "if (!filter.wildcard) broker.tree.add(filter.match, subscription);",
  },
  {
    kills: "3.8/several-filters",
    file: BROKER,
    find: "const known = session.subscriptions.has(request.filter);",
    replace: `const known = session.subscriptions.has(request.filter);
    if (fresh.some((one) => one.subscription.filter === request.filter)) {
      reasonCodes.push(request.qos);
      continue;
    }`,
  },
  {
    kills: "3.8/lower-qos",
    file: "src/broker/run.ts",
    find: "subscription.qos >= qos &&",
    replace: "",
  },
];
