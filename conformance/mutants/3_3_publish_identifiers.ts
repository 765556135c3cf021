/**
 * Breaks of §3.3.4 on overlapping subscriptions and Subscription Identifiers.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const MATCH = "src/broker/match.ts";
const ALL = "this.identifiers = identifiers.length === 0 ? NO_IDENTIFIERS : identifiers;";

/** For the cases of `cases/3_3_publish_identifiers.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.3.4/overlapping-highest-qos",
    file: MATCH,
    find: "if (subscription.qos > qos) qos",
    replace: "if (subscription === all[0] || subscription.qos < qos) qos",
  },
  { // identifiers of four bytes are lost
    kills: "3.3.4/identifiers-in-one-copy",
    file: MATCH,
    find: ALL,
    replace: "this.identifiers = identifiers.filter((identifier) => identifier < 128 ** 3);",
  },
  { // a copy for each subscription, without identifiers
    kills: "3.3.4/identifiers-in-several-copies",
    file: MATCH,
    find:
      "const target = targetOf(subscriptions);\n    if (target.session.isNode) (nodes ??= []).push(target);\n    else targets.push(target);",
    replace: `{
    for (const { session, qos } of subscriptions) {
      const each = () => {};
      targets.push({ session, qos, noLocal: false, retainAsPublished: false, identifiers: [], others: undefined, each });
    }
  }`,
  },
  {
    kills: "3.3.4/equal-identifiers",
    file: MATCH,
    find: ALL,
    replace: "this.identifiers = [...new Set(identifiers)];",
  },
  { // those of all subscriptions made so far
    kills: "3.3.4/identifiers-of-those-that-match",
    file: "src/broker/router.ts",
    find: "return subscription;",
    replace: "subscription.identifiers = [...session.subscriptions.values()].map((one) => one.identifier)" +
      ".filter((one) => one !== 0);\n    return subscription;",
  },
  {
    kills: "3.3.4/identifier-of-retained",
    file: "src/broker/retained_deliveries.ts",
    find: "deliver(copy, session, qos, true, subscription.identifiers,",
    replace: "deliver(copy, session, qos, true, [],",
  },
  {
    kills: "3.3.4/identifier-of-queued",
    file: "src/broker/deliver.ts",
    find: "new Delivery(this.takeOrder(), message, qos, retain, identifiers, share),",
    replace:
      "new Delivery(this.takeOrder(), message, qos, retain, connection === undefined ? [] : identifiers, share),",
  },
];
