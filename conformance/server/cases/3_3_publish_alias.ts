/**
 * §3.3.2.3.4 Topic Alias, both ways: what a Server under audit must do.
 * @module
 */
import { options, property } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { numberOf, payloadText, type Seen } from "../../wire/parse.ts";
import type { Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, Finding } from "../../verdict.ts";

/** Publishes QoS 0 with an alias; without `name` the alias stands alone. */
function send(t: Trial, peer: Peer, alias: number, payload: string, name?: string): void {
  const topic = name === undefined ? "" : t.topic(name);
  peer.send(t.publish({ topic, payload, properties: [property.topicAlias(alias)] }));
}

/** Subscribes to each of the topics, at QoS 0. */
async function subscribeAll(t: Trial, peer: Peer, names: readonly string[]): Promise<void> {
  for (const name of names) await t.subscribe(peer, t.topic(name), options(0));
}

/** What came, as `topic=payload` behind the trial's own prefix. */
function shown(t: Trial, found: readonly Seen[]): string {
  return found.map((seen) => `${seen.topic?.slice(t.topic("").length)}=${payloadText(seen)}`).join(" ");
}

/** The topics as a receiver of aliases understands them; each alias is within `maximum` and known where it stands alone. */
function resolved(found: readonly Seen[], maximum: number): Seen[] {
  const aliases = new Map<number, string>();
  return found.map((seen) => {
    const alias = numberOf(seen, 0x23);
    if (alias === undefined) {
      check(seen.topic !== "", "A PUBLISH came with neither Topic Name nor Topic Alias");
      return seen;
    }
    check(alias !== 0, "A PUBLISH came with Topic Alias 0");
    check(alias <= maximum, `Topic Alias ${alias} came; the Topic Alias Maximum is ${maximum}`);
    if (seen.topic !== "") aliases.set(alias, seen.topic!);
    const topic = aliases.get(alias);
    check(topic !== undefined, `Topic Alias ${alias} came alone, and no topic was given to it before`);
    return { ...seen, topic };
  });
}

/** Cases of §3.3.2.3.4. */
export const CASES: readonly ServerCase[] = serverCases("3.3.2", {
  "alias-stands-for-topic": {
    statements: ["MQTT-3.3.2-12"],
    levels: [5],
    needs: ["topic alias"],
    does:
      "Gives topics to the least, a middle and the greatest Topic Alias that CONNACK allows, then publishes " +
      "with each alone.",
    requires: "All messages come, on the topics that the aliases stand for.",
    async run(t) {
      const { topicAliasMaximum: most } = t.profile;
      const aliases = [...new Set([1, Math.ceil(most / 2), most])];
      const names = aliases.map((alias) => `t${alias}`);
      const subscriber = await t.connect();
      await subscribeAll(t, subscriber, [...names, "end"]);
      const peer = await t.connect();
      for (const alias of aliases) send(t, peer, alias, "set", `t${alias}`);
      for (const alias of aliases) send(t, peer, alias, "alone");
      peer.send(t.publish({ topic: t.topic("end") }));
      const came = shown(t, await subscriber.gather(t.topic("end")));
      const wanted = [...names.map((name) => `${name}=set`), ...names.map((name) => `${name}=alone`)].join(
        " ",
      );
      check(came === wanted, `${wanted} was published; ${came || "nothing"} came`);
    },
  },
  "alias-changes-its-topic": {
    statements: ["MQTT-3.3.2-12"],
    levels: [5],
    needs: ["topic alias"],
    does: "Gives a topic to Topic Alias 1, then another one, and publishes with the alias alone after each.",
    requires: "Each message comes on the topic that the alias stood for when it was sent.",
    async run(t) {
      const subscriber = await t.connect();
      await subscribeAll(t, subscriber, ["a", "b", "end"]);
      const peer = await t.connect();
      send(t, peer, 1, "1", "a");
      send(t, peer, 1, "2");
      send(t, peer, 1, "3", "b");
      send(t, peer, 1, "4");
      peer.send(t.publish({ topic: t.topic("end") }));
      const came = shown(t, await subscriber.gather(t.topic("end")));
      check(came === "a=1 a=2 b=3 b=4", `a=1 a=2 b=3 b=4 was published; ${came || "nothing"} came`);
    },
  },
  "alias-ends-with-connection": {
    statements: ["MQTT-3.3.2-7", "3.3.4/alias-unknown"],
    levels: [5],
    needs: ["topic alias"],
    does:
      "Gives a topic to a Topic Alias, leaves, comes back to its session and publishes with the alias alone.",
    requires: "The connection is closed; DISCONNECT 0x82 may say why. Nobody receives the message.",
    async run(t) {
      const subscriber = await t.connect();
      await subscribeAll(t, subscriber, ["a", "end"]);
      const { peer: first } = await t.session();
      send(t, first, 1, "first", "a");
      await first.barrier();
      await first.leave();
      const { peer: second } = await t.session();
      send(t, second, 1, "second");
      await second.refused([0x82], "for its alias was of an earlier connection");
      (await t.connect()).send(t.publish({ topic: t.topic("end") }));
      const came = shown(t, await subscriber.gather(t.topic("end")));
      check(came === "a=first", `a=first was expected; ${came || "nothing"} came`);
    },
  },
  "alias-of-another-connection": {
    statements: ["MQTT-3.3.2-7", "3.3.4/alias-unknown"],
    levels: [5],
    needs: ["topic alias"],
    does: "Gives a topic to a Topic Alias on one connection and publishes with the alias alone on another.",
    requires: "The other connection is closed; DISCONNECT 0x82 may say why.",
    async run(t) {
      const peer = await t.connect();
      send(t, peer, 1, "first", "a");
      await peer.barrier();
      const other = await t.connect();
      send(t, other, 1, "second");
      await other.refused([0x82], "for its alias was of another connection");
    },
  },
  "alias-unknown": {
    statements: ["3.3.4/alias-unknown"],
    levels: [5],
    needs: ["topic alias"],
    does: "Publishes with a Topic Alias alone that no topic was given to; another one has a topic.",
    requires: "The connection is closed; DISCONNECT 0x82 may say why.",
    async run(t) {
      const peer = await t.connect();
      const { topicAliasMaximum: most } = t.profile;
      if (most > 1) send(t, peer, 1, "x", "a");
      send(t, peer, most, "x");
      await peer.refused([0x82]);
    },
  },
  "alias-0": {
    statements: ["MQTT-3.3.2-8", "3.3.4/alias-zero"],
    levels: [5],
    does: "Publishes with Topic Alias 0 beside a topic.",
    requires: "The connection is closed; DISCONNECT 0x94 may say why.",
    async run(t) {
      const peer = await t.connect();
      send(t, peer, 0, "x", "a");
      await peer.refused([0x94]);
    },
  },
  "alias-above-maximum": {
    statements: ["3.3.4/alias-above-maximum"],
    levels: [5],
    does:
      "Publishes with a Topic Alias one above the maximum of CONNACK (0 if there is none), beside a topic.",
    requires: "The connection is closed; DISCONNECT 0x94 may say why.",
    async run(t) {
      const { topicAliasMaximum: most } = t.profile;
      if (most === 65_535) throw new Finding("unsupported", "Every alias is allowed");
      const peer = await t.connect();
      send(t, peer, most + 1, "x", "a");
      await peer.refused([0x94]);
    },
  },
  "no-alias-without-maximum": {
    statements: ["MQTT-3.3.2-11", "MQTT-3.1.2-27"],
    levels: [5],
    does: "Publishes one topic three times, with a Topic Alias where the Server takes one, to subscribers " +
      "without Topic Alias Maximum and with 0.",
    requires: "They get the topic each time, and no alias.",
    async run(t) {
      const subscribers = [
        await t.connect(),
        await t.connect({ properties: [property.topicAliasMaximum(0)] }),
      ];
      for (const subscriber of subscribers) await subscribeAll(t, subscriber, ["a"]);
      const peer = await t.connect();
      const allowed = !t.profile.missing.has("topic alias");
      for (let i = 0; i < 3; i++) {
        if (allowed) send(t, peer, 1, "x", i === 1 ? undefined : "a");
        else peer.send(t.publish({ topic: t.topic("a"), payload: "x" }));
      }
      for (const subscriber of subscribers) {
        for (let i = 0; i < 3; i++) {
          const received = await subscriber.expectPublish();
          const alias = numberOf(received, 0x23);
          check(alias === undefined, `Topic Alias ${alias} came; none is allowed`);
          check(received.topic === t.topic("a"), `The topic is ${JSON.stringify(received.topic)}`);
        }
      }
    },
  },
  "alias-from-server": {
    statements: ["MQTT-3.3.2-11", "MQTT-3.3.2-8", "MQTT-3.1.2-26"],
    levels: [5],
    does:
      "Allows two Topic Aliases and subscribes to four topics, to each of which three messages are published.",
    requires:
      "If aliases come, they are 1 or 2, stand for the topic they were given, and every message arrives.",
    async run(t) {
      const names = ["a", "b", "c", "d"];
      const subscriber = await t.connect({ properties: [property.topicAliasMaximum(2)] });
      await subscribeAll(t, subscriber, [...names, "end"]);
      const peer = await t.connect();
      for (let i = 0; i < 3; i++) {
        for (const name of names) peer.send(t.publish({ topic: t.topic(name), payload: `${name}${i}` }));
      }
      peer.send(t.publish({ topic: t.topic("end") }));
      const found = resolved(await subscriber.gather(t.topic("end")), 2);
      const came = found.map((seen) => shown(t, [seen])).sort().join(" ");
      const wanted = names.flatMap((name) => [0, 1, 2].map((i) => `${name}=${name}${i}`)).join(" ");
      check(came === wanted, `${wanted} was published; ${came} came`);
    },
  },
  "alias-from-server-ends-with-connection": {
    statements: ["MQTT-3.3.2-7"],
    levels: [5],
    does:
      "Receives two messages on a topic with aliases allowed, leaves, comes back to its session and receives " +
      "two more.",
    requires: "No alias of the first connection is used on the second one.",
    async run(t) {
      const init = { properties: [property.topicAliasMaximum(10)] };
      const { peer: first } = await t.session(init);
      await subscribeAll(t, first, ["a"]);
      const publisher = await t.connect();
      const receive = async (subscriber: Peer) => {
        const found: Seen[] = [];
        for (let i = 0; i < 2; i++) {
          publisher.send(t.publish({ topic: t.topic("a"), payload: "x" }));
          found.push(await subscriber.expectPublish());
        }
        for (const { topic } of resolved(found, 10)) {
          check(topic === t.topic("a"), `The topic is ${JSON.stringify(topic)}`);
        }
      };
      await receive(first);
      await first.leave();
      await receive(await t.resume(init));
    },
  },
});
