/**
 * Breaks of §3.3.4 on overlapping subscriptions and Subscription Identifiers.
 * @module
 */
import type { Mutant } from "./mutant.ts";

const PUBLISH = "src/broker/publish.ts";

/** For the cases of `cases/3_3_publish_identifiers.ts`. */
export const MUTANTS: readonly Mutant[] = [
  {
    kills: "3.3.4/overlapping-highest-qos",
    file: PUBLISH,
    find: "const granted = Math.max(",
    replace: "const granted = Math.min(",
  },
  { // identifiers of four bytes are lost
    kills: "3.3.4/identifiers-in-one-copy",
    file: PUBLISH,
    find: "identifiersOf(matching),",
    replace: "identifiersOf(matching).filter((identifier) => identifier < 128 ** 3),",
  },
  { // a copy for each subscription, without identifiers
    kills: "3.3.4/identifiers-in-several-copies",
    file: PUBLISH,
    find: "if (deliverOnce(broker, outgoing, subscriptions, publisher, now)) receivers++;",
    replace: "for (const { session, qos: most } of subscriptions) {\n      " +
      "deliver(broker, outgoing, session, Math.min(qos, most) as QoS, false, [], undefined, now);\n    }",
  },
  {
    kills: "3.3.4/equal-identifiers",
    file: PUBLISH,
    find: "identifiersOf(matching),",
    replace: "[...new Set(identifiersOf(matching))],",
  },
  { // those of all subscriptions made so far
    kills: "3.3.4/identifiers-of-those-that-match",
    file: "src/broker/subscribe.ts",
    find: "subscription.set(record);",
    replace:
      "subscription.set(record);\n  subscription.identifiers = [...session.subscriptions.values()].map((one) => one.identifier)" +
      ".filter((one) => one !== 0);",
  },
  {
    kills: "3.3.4/identifier-of-retained",
    file: "src/broker/replay.ts",
    find: "deliver(broker, copy, session, qos, true, subscription.identifiers,",
    replace: "deliver(broker, copy, session, qos, true, [],",
  },
  {
    kills: "3.3.4/identifier-of-queued",
    file: "src/broker/deliver.ts",
    find: "new Delivery(broker.nextOrder++, message, qos, retain, identifiers, group);",
    replace: "new Delivery(broker.nextOrder++, message, qos, retain, " +
      "connection === undefined ? NO_IDENTIFIERS : identifiers, group);",
  },
];
