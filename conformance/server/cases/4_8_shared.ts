/**
 * §4.8.2 Shared Subscriptions: what a Server under audit must do.
 * @module
 */
import { acknowledgement, options, subscribe, TYPE } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { payloadText, type Seen } from "../../wire/parse.ts";
import { hexCode, type Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, fail, Finding } from "../../verdict.ts";

/** A bad filter must not be granted: SUBACK with a failure or the end of the connection. */
async function notGranted(t: Trial, filter: string): Promise<void> {
  const peer = await t.connect();
  peer.send(subscribe(5, 1, [[filter, 0]]));
  const seen = await peer.next();
  if (seen === undefined) return fail(`${filter} is answered by nothing`);
  if (seen.type === "end" || seen.type === TYPE.DISCONNECT) return;
  const code = seen.codes?.[0] ?? 0;
  check(code >= 0x80, `${filter} is granted by SUBACK ${hexCode(code)}`);
}

/** The member that got the one message there is, and the message. */
async function chosen(members: readonly Peer[]): Promise<{ member: Peer; seen: Seen; others: Peer[] }> {
  for (let round = 0; round < ROUNDS; round++) {
    for (const member of members) {
      const seen = (await member.barrier()).find(({ type }) => type === TYPE.PUBLISH);
      if (seen !== undefined) return { member, seen, others: members.filter((one) => one !== member) };
    }
  }
  return fail("The message came to no member");
}

/** Round trips to each member until a message must have come to one. */
const ROUNDS = 100;

/** A member whose session is kept. */
async function member(t: Trial, name: string, qos: number): Promise<Peer> {
  const { peer } = await t.session({ clientId: t.clientId(name) });
  await t.subscribeAt(peer, shared(t), qos);
  return peer;
}

function shared(t: Trial, group = "g"): string {
  return `$share/${group}/${t.topic()}`;
}

/** A member refuses a message: neither the others nor the member itself get it then. */
async function refusedByMember(t: Trial, qos: 1 | 2): Promise<void> {
  const members = [await t.connect(), await t.connect()];
  for (const peer of members) await t.subscribeAt(peer, shared(t), qos);
  const publisher = await t.connect();
  await t.published(publisher, { topic: t.topic(), payload: "x", qos });
  const { member, seen, others } = await chosen(members);
  member.send(acknowledgement(qos === 1 ? TYPE.PUBACK : TYPE.PUBREC, seen.id!, 0x80));
  await member.expectNoPublish("it had refused the message");
  for (const other of others) await other.expectNoPublish("another member had refused the message");
}

/** Cases of §4.8.2. */
export const CASES: readonly ServerCase[] = serverCases("4.8.2", {
  "no-share-name": {
    statements: ["MQTT-4.8.2-1"],
    levels: [5],
    needs: ["shared"],
    does: "Subscribes to $share//t.",
    requires: "It is not granted: SUBACK with a failure, or the end of the connection.",
    run: (t) => notGranted(t, shared(t, "")),
  },
  "wildcard-in-share-name": {
    statements: ["MQTT-4.8.2-2"],
    levels: [5],
    needs: ["shared"],
    does:
      "Subscribes to $share/+/t, $share/g+/t, $share/#/t and $share/g#/t, each on a connection of its own.",
    requires: "None is granted: SUBACK with a failure, or the end of the connection.",
    async run(t) {
      for (const name of ["+", "g+", "#", "g#"]) await notGranted(t, shared(t, name));
    },
  },
  "no-filter-behind-share-name": {
    statements: ["MQTT-4.8.2-2"],
    levels: [5],
    needs: ["shared"],
    does: "Subscribes to $share/g/ and $share/g, each on a connection of its own.",
    requires: "Neither is granted; one who takes $share/g for an ordinary filter is lenient.",
    async run(t) {
      await notGranted(t, "$share/g/");
      try {
        await notGranted(t, "$share/g");
      } catch (error) {
        throw error instanceof Finding ? new Finding("lenient", error.message) : error;
      }
    },
  },
  "one-member": {
    statements: ["4.8.2/one-member"],
    levels: [5],
    needs: ["shared", "qos 1"],
    does: "Publishes 12 messages to a topic that a group of three and a group of two share.",
    requires: "Each message comes to one member of each group.",
    async run(t) {
      const groups: Peer[][] = [];
      for (const [name, count] of [["g", 3], ["h", 2]] as const) {
        const members: Peer[] = [];
        for (let i = 0; i < count; i++) {
          const peer = await t.connect();
          await t.subscribe(peer, shared(t, name), options(1));
          members.push(peer);
        }
        groups.push(members);
      }
      const publisher = await t.connect();
      for (let i = 0; i < 12; i++) {
        await t.published(publisher, { topic: t.topic(), payload: String(i), qos: 1 });
        for (const members of groups) {
          const { member, seen, others } = await chosen(members);
          member.acknowledge(seen);
          check(payloadText(seen) === String(i), `Message ${payloadText(seen)} came, ${i} was published`);
          await member.expectNoPublish("the member had the message already");
          for (const other of others) {
            await other.expectNoPublish("another member of the group had the message");
          }
        }
      }
    },
  },
  "granted-qos": {
    statements: ["MQTT-4.8.2-3"],
    levels: [5],
    needs: ["shared", "qos 1"],
    does: "Publishes at every QoS to groups of one member, granted QoS 0 and QoS 1, and to a group of both.",
    requires: "No member gets a message at a higher QoS than it was granted.",
    async run(t) {
      const members: [group: string, peer: Peer, granted: number][] = [];
      for (const [group, qos] of [["zero", 0], ["one", 1], ["both", 0], ["both", 1]] as const) {
        const peer = await t.connect();
        members.push([group, peer, await t.subscribe(peer, shared(t, group), options(qos))]);
      }
      const publisher = await t.connect();
      for (let qos = 0; qos <= t.qos(2); qos++) {
        for (let i = 0; i < 4; i++) await t.published(publisher, { topic: t.topic(), payload: "x", qos });
        await publisher.barrier();
        for (const [group, peer, granted] of members) {
          const came = group === "both"
            ? []
            : [await peer.expectPublish(`for group "${group}" has no other member`)];
          for (const seen of [...came, ...await peer.barrier()]) {
            peer.acknowledge(seen);
            if (seen.type !== TYPE.PUBLISH) continue;
            check(
              seen.qos! <= granted,
              `QoS ${granted} is granted, QoS ${qos} published, QoS ${seen.qos} came`,
            );
          }
        }
      }
    },
  },
  "finished-with-the-same-member": {
    statements: ["MQTT-4.8.2-4"],
    levels: [5],
    needs: ["shared", "qos 2"],
    does:
      "Has a member of two get a QoS 2 message, resets its connection before PUBREC, and comes back to its session.",
    requires: "The message comes again to that member, under its identifier, and not to the other one.",
    async run(t) {
      const names = ["one", "two"];
      const members = [await member(t, "one", 2), await member(t, "two", 2)];
      await t.published(await t.connect(), { topic: t.topic(), payload: "x", qos: 2 });
      const { member: first, seen, others } = await chosen(members);
      first.abort();
      const again = await t.resume({ clientId: t.clientId(names[members.indexOf(first)]!) });
      const repeat = await again.take("for its exchange is open");
      check(repeat.id === seen.id, `It came again under id ${repeat.id}, before under ${seen.id}`);
      for (const other of others) await other.expectNoPublish("the message was begun with the other member");
    },
  },
  "released-with-the-same-member": {
    statements: ["MQTT-4.8.2-4"],
    levels: [5],
    needs: ["shared", "qos 2"],
    does:
      "Has a member of two get a QoS 2 message, resets its connection after PUBREC and PUBREL, and comes back.",
    requires: "PUBREL comes again to that member, and nothing to the other one.",
    async run(t) {
      const names = ["one", "two"];
      const members = [await member(t, "one", 2), await member(t, "two", 2)];
      await t.published(await t.connect(), { topic: t.topic(), payload: "x", qos: 2 });
      const { member: first, seen, others } = await chosen(members);
      first.send(acknowledgement(TYPE.PUBREC, seen.id!));
      await first.pick(TYPE.PUBREL);
      first.abort();
      const again = await t.resume({ clientId: t.clientId(names[members.indexOf(first)]!) });
      const pubrel = await again.pick(TYPE.PUBREL, "for its exchange is open");
      check(pubrel.id === seen.id, `PUBREL has id ${pubrel.id}, before ${seen.id}`);
      again.send(acknowledgement(TYPE.PUBCOMP, seen.id!));
      await again.expectNoPublish("its PUBREL was sent before");
      for (const other of others) await other.expectNoPublish("the message was begun with the other member");
    },
  },
  "begun-goes-to-no-other": {
    statements: ["MQTT-4.8.2-5"],
    levels: [5],
    needs: ["shared", "qos 2"],
    does:
      "Has a member of two get a QoS 2 message, resets its connection before PUBREC, and ends its session by " +
      "Clean Start 1.",
    requires: "The message comes to nobody any more.",
    async run(t) {
      const names = ["one", "two"];
      const members = [await member(t, "one", 2), await member(t, "two", 2)];
      await t.published(await t.connect(), { topic: t.topic(), payload: "x", qos: 2 });
      const { member: first, others } = await chosen(members);
      first.abort();
      const again = await t.connect({ clientId: t.clientId(names[members.indexOf(first)]!) });
      await again.expectNoPublish("its session is new");
      for (const other of others) await other.expectNoPublish("the message was begun with the other member");
    },
  },
  "refused-qos-1": {
    statements: ["MQTT-4.8.2-6"],
    levels: [5],
    needs: ["shared", "qos 1"],
    does: "Has a member of two get a QoS 1 message, and refuses it by PUBACK 0x80.",
    requires: "The message comes to nobody any more.",
    run: (t) => refusedByMember(t, 1),
  },
  "refused-qos-2": {
    statements: ["MQTT-4.8.2-6"],
    levels: [5],
    needs: ["shared", "qos 2"],
    does: "Has a member of two get a QoS 2 message, and refuses it by PUBREC 0x80.",
    requires: "The message comes to nobody any more.",
    run: (t) => refusedByMember(t, 2),
  },
  "no-retained-messages": {
    statements: ["4.8.2/retained"],
    levels: [5],
    needs: ["shared", "retain"],
    does: "Makes a Shared Subscription to the topic of a retained message, then publishes another one.",
    requires: "Only the other one comes.",
    async run(t) {
      const publisher = await t.connect();
      await t.published(publisher, { topic: t.topic(), payload: "kept", retain: true, qos: t.qos(1) });
      await publisher.barrier();
      const subscriber = await t.connect();
      await t.subscribe(subscriber, shared(t));
      await t.published(publisher, { topic: t.topic(), payload: "live", qos: t.qos(1) });
      const came = payloadText(await subscriber.take());
      check(came === "live", `"${came}" came, "live" was published after the subscription`);
    },
  },
});
