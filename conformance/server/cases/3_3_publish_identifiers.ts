/**
 * §3.3.4 (3.1.1: §3.3.5) Overlapping subscriptions and Subscription Identifiers: what a Server under audit must do.
 * @module
 */
import { options, property } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { type Seen, valuesOf } from "../../wire/parse.ts";
import type { Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, Finding } from "../../verdict.ts";

/** The greatest Subscription Identifier. */
const GREATEST = 268_435_455;

/** Subscription Identifiers of a PUBLISH, the least first. */
function identifiersOf(seen: Seen): number[] {
  return valuesOf(seen, 0x0b).map(Number).sort((a, b) => a - b);
}

async function subscribe(
  t: Trial,
  peer: Peer,
  filter: string,
  identifier?: number,
  qos = 0,
): Promise<number> {
  const all = identifier === undefined ? [] : [property.subscriptionIdentifier(identifier)];
  return await t.subscribe(peer, t.topic(filter), options(qos), all);
}

/** The copies of one message for a Client whose filters all match. */
async function copies(t: Trial, subscriber: Peer, qos = 0): Promise<Seen[]> {
  await t.subscribe(subscriber, t.topic("end"), options(0));
  const peer = await t.connect();
  await t.published(peer, { topic: t.topic("a/b"), payload: "x", qos });
  const first = await subscriber.take();
  peer.send(t.publish({ topic: t.topic("end") }));
  return [first, ...await subscriber.gather(t.topic("end"))];
}

/** A message came with exactly these identifiers. */
function checkIdentifiers(seen: Seen, ...wanted: readonly number[]): void {
  const came = identifiersOf(seen).join(", ");
  check(
    came === wanted.join(", "),
    `Identifiers ${wanted.join(", ") || "none"} were due; ${came || "none"} came`,
  );
}

/** Cases of §3.3.4 on subscriptions. */
export const CASES: readonly ServerCase[] = serverCases("3.3.4", {
  "overlapping-highest-qos": {
    statements: ["MQTT-3.3.4-2", "MQTT311-3.3.5-1"],
    levels: [4, 5],
    needs: ["wildcards", "qos 1"],
    does:
      "Subscribes to three filters that match one topic, with QoS 0, 2 and 1, and has a message published.",
    requires:
      "One copy, or one for each subscription at most; the highest QoS among them is the highest granted.",
    async run(t) {
      const subscriber = await t.connect();
      const granted = [
        await subscribe(t, subscriber, "a/b", undefined, 0),
        await subscribe(t, subscriber, "a/+", undefined, 2),
        await subscribe(t, subscriber, "a/#", undefined, 1),
      ];
      const qos = t.qos(2);
      const found = await copies(t, subscriber, qos);
      const due = Math.min(qos, Math.max(...granted));
      const came = found.map((seen) => seen.qos!);
      check(Math.max(...came) === due, `A copy with QoS ${due} was due; QoS ${came.join(", ")} came`);
      check(found.length <= 3, `${found.length} copies came for three subscriptions`);
    },
  },
  "identifiers-in-one-copy": {
    statements: ["MQTT-3.3.4-3", "MQTT-3.3.4-4"],
    levels: [5],
    needs: ["wildcards", "identifiers"],
    does: "Subscribes to three filters that match one topic, two of them with identifiers.",
    requires:
      "The one copy has both identifiers. (A Server that sends several copies is looked at elsewhere.)",
    async run(t) {
      const subscriber = await t.connect();
      await subscribe(t, subscriber, "a/b", 11);
      await subscribe(t, subscriber, "a/+", GREATEST);
      await subscribe(t, subscriber, "a/#");
      const found = await copies(t, subscriber);
      if (found.length > 1) throw new Finding("unsupported", "A copy comes for each subscription");
      checkIdentifiers(found[0]!, 11, GREATEST);
    },
  },
  "identifiers-in-several-copies": {
    statements: ["MQTT-3.3.4-3", "MQTT-3.3.4-5"],
    levels: [5],
    needs: ["wildcards", "identifiers"],
    does: "Subscribes to three filters that match one topic, two of them with identifiers.",
    requires:
      "Where several copies come, each has the identifier of its own subscription, and one has none. (One copy " +
      "for all is looked at elsewhere.)",
    async run(t) {
      const subscriber = await t.connect();
      await subscribe(t, subscriber, "a/b", 11);
      await subscribe(t, subscriber, "a/+", GREATEST);
      await subscribe(t, subscriber, "a/#");
      const found = await copies(t, subscriber);
      if (found.length === 1) throw new Finding("unsupported", "One copy comes for all subscriptions");
      check(found.length === 3, `${found.length} copies came for three subscriptions`);
      const came = found.map((seen) => identifiersOf(seen).join("+")).sort().join(", ");
      check(came === `, 11, ${GREATEST}`, `One of 11, ${GREATEST} and none was due in each; ${came} came`);
    },
  },
  "equal-identifiers": {
    statements: ["MQTT-3.3.4-3"],
    levels: [5],
    needs: ["wildcards", "identifiers"],
    does: "Subscribes to two filters that match one topic, with the same identifier.",
    requires: "One copy has it twice (once is lenient); of two copies each has it.",
    async run(t) {
      const subscriber = await t.connect();
      await subscribe(t, subscriber, "a/b", 7);
      await subscribe(t, subscriber, "a/+", 7);
      const found = await copies(t, subscriber);
      if (found.length > 1) { for (const seen of found) checkIdentifiers(seen, 7); }
      else if (identifiersOf(found[0]!).join() === "7") {
        throw new Finding("lenient", "Two subscriptions with identifier 7 match; it came once");
      } else checkIdentifiers(found[0]!, 7, 7);
    },
  },
  "identifiers-of-those-that-match": {
    statements: ["3.3.4/subscription-identifier-unknown", "MQTT-3.3.4-3"],
    levels: [5],
    needs: ["identifiers"],
    does: "Subscribes to three topics, to the first two with identifiers, and publishes to each.",
    requires: "Each message has the identifier of its own subscription, the third has none.",
    async run(t) {
      const subscriber = await t.connect();
      await subscribe(t, subscriber, "a", 1);
      await subscribe(t, subscriber, "b", GREATEST);
      await subscribe(t, subscriber, "c");
      const peer = await t.connect();
      for (const [name, ...identifiers] of [["a", 1], ["b", GREATEST], ["c"]] as const) {
        peer.send(t.publish({ topic: t.topic(name) }));
        checkIdentifiers(await subscriber.take(), ...identifiers);
      }
    },
  },
  "identifier-of-retained": {
    statements: ["MQTT-3.3.4-3"],
    levels: [5],
    needs: ["identifiers", "retain", "qos 1"],
    does: "Subscribes with an identifier to a topic that has a retained message.",
    requires: "The retained message has the identifier.",
    async run(t) {
      await t.published(await t.connect(), { topic: t.topic("a"), payload: "x", qos: 1, retain: true });
      const subscriber = await t.connect();
      await subscribe(t, subscriber, "a", 128);
      checkIdentifiers(await subscriber.take(), 128);
    },
  },
  "identifier-of-queued": {
    statements: ["MQTT-3.3.4-3"],
    levels: [5],
    needs: ["identifiers", "qos 1"],
    does: "Subscribes with an identifier, is away while a message is published, and comes back.",
    requires: "The message has the identifier.",
    async run(t) {
      const { peer: subscriber } = await t.session();
      if (await subscribe(t, subscriber, "a", 16_384, 1) < 1) {
        throw new Finding("unsupported", "QoS 0 is granted, QoS 1 is needed");
      }
      await subscriber.leave();
      await t.published(await t.connect(), { topic: t.topic("a"), payload: "x", qos: 1 });
      checkIdentifiers(await (await t.resume()).take(), 16_384);
    },
  },
});
