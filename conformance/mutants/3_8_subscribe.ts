/**
 * Breaks of §3.8.
 * @module
 */
import { TYPE } from "../wire/bytes.ts";
import type { Mutant } from "./mutant.ts";
import { codesPacket, remade } from "./changed_packet.ts";

const CODEC = "src/codec/subscribe.ts";
const BROKER = "src/broker/subscribe.ts";
const ROUTER = "src/broker/router.ts";
const REPLACED = "subscription.set(record);\n      this.#groups";

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
    find: ', "3.8.2.1.2/zero"',
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
    file: "src/broker/batch.ts",
    find: "if (target.noLocal && target.session === publisher.session) {",
    replace: "if (target.noLocal && count === 0) {",
  },
  {
    kills: "3.8/no-local-is-of-the-client",
    file: "src/broker/sessions.ts",
    find: "return { session: known, isPresent: true };",
    replace: `for (const one of known.subscriptions.values()) {
        const { filter, qos, retainAsPublished, retainHandling, identifier } = one;
        one.set({ filter, qos, noLocal: false, retainAsPublished, retainHandling, identifier });
      }
      return { session: known, isPresent: true };`,
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
    file: ROUTER,
    find: REPLACED,
    replace:
      "subscription.set({ ...record, qos: Math.max(record.qos, subscription.qos) as QoS });\n      this.#groups",
  },
  {
    kills: "3.8/same-filter-replaces-options",
    file: ROUTER,
    find: REPLACED,
    replace:
      "subscription.set({ ...record, identifier: record.identifier || subscription.identifier });\n      this.#groups",
  },
  {
    kills: "3.8/same-filter-brings-retained-again",
    file: BROKER,
    find: "const isWanted = request.retainHandling === 0 ||",
    replace: "const isWanted = (request.retainHandling === 0 && !isKnown) ||",
  },
  {
    kills: "3.8/filter-twice-brings-retained-twice",
    file: BROKER,
    find: "if (begun.has(subscription)) router.retainedDeliveries.beginAgain(subscription);",
    replace: "if (begun.has(subscription)) continue;",
  },
  {
    kills: "3.8/replacing-loses-nothing",
    file: ROUTER,
    find: "let subscription = session.subscriptions.get(filter.text);",
    replace: `let subscription = session.subscriptions.get(filter.text) as Subscription & { away?: boolean };
    if (subscription !== undefined && subscription.away !== true) {
      const gone = subscription;
      gone.away = true;
      this.#remove(filter.match, gone);
      setTimeout(() => {
        gone.away = false;
        this.#add(filter.match, filter.wildcard, gone);
      }, 2);
    }`,
  },
  {
    kills: "3.8/wildcards-work-or-are-refused",
    file: ROUTER,
    find: "if (filter.share === undefined) this.#add(filter.match, filter.wildcard, subscription);",
    replace:
      "if (filter.share === undefined) {\n        if (!filter.wildcard) this.#add(filter.match, false, subscription);\n      }",
  },
  {
    kills: "3.8/several-filters",
    file: BROKER,
    find: "const isKnown = session.subscriptions.has(request.filter);",
    replace: `const isKnown = session.subscriptions.has(request.filter);
    if (fresh.some((one) => one.subscription.filter === request.filter)) {
      reasonCodes.push(request.qos);
      return;
    }`,
  },
  {
    kills: "3.8/lower-qos",
    file: "src/broker/batch.ts",
    find: "const qos = copies.qos = Math.min(this.#qos, target.qos) as QoS;",
    replace: "const qos = copies.qos = this.#qos;",
  },
];
