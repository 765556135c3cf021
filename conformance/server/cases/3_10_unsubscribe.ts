/**
 * §3.10 UNSUBSCRIBE, §3.11 UNSUBACK: what a Server under audit must do.
 * @module
 */
import {
  acknowledgement,
  field,
  type Level,
  options,
  packet,
  properties,
  TYPE,
  u16,
  unsubscribe,
} from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { payloadText, type Seen, strayProperties } from "../../wire/parse.ts";
import { hexCode, type Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, Finding } from "../../verdict.ts";

/** §3.11.3 */
const CODES = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91];

/** An UNSUBSCRIBE with any flags. */
function unsubscribeFlags(level: Level, flags: number, filter: string): Uint8Array {
  return packet(TYPE.UNSUBSCRIBE, flags, u16(1), level === 5 ? properties() : [], field(filter));
}

/** Unsubscribes and takes the UNSUBACK. */
async function unsubscribed(t: Trial, peer: Peer, ...filters: readonly string[]): Promise<Seen> {
  const id = t.id();
  peer.send(unsubscribe(t.level, id, filters));
  const unsuback = await peer.pick(TYPE.UNSUBACK);
  check(unsuback.id === id, `UNSUBACK has id ${unsuback.id}, its UNSUBSCRIBE ${id}`);
  return unsuback;
}

/** 0x11 says that there was nothing to remove; 0x00 in its place is not forbidden in so many words. */
function checkNothing(code: number | undefined, what: string): void {
  if (code === 0x11) return;
  throw new Finding("lenient", `${what} is answered by ${hexCode(code!)}; 0x11 says that there was none`);
}

/** UNSUBSCRIBE packets that may be answered by different codes, and the UNSUBACK packets. */
async function provoke(t: Trial, peer: Peer): Promise<Seen[]> {
  const found: Seen[] = [];
  await t.subscribe(peer, t.topic("x"));
  const all = [[t.topic("x"), t.topic("none")], ["$SYS/#", `$share/g/${t.topic()}`], [t.topic("a#")]];
  for (const filters of all) {
    peer.send(unsubscribe(t.level, t.id(), filters));
    const seen = await peer.next();
    if (seen === undefined || seen.type === "end") break; // it may end the connection on a bad one
    if (seen.type === TYPE.UNSUBACK) found.push(seen);
  }
  return found;
}

/** Cases of §3.10. */
const UNSUBSCRIBE: readonly ServerCase[] = serverCases("3.10", {
  "reserved-flags": {
    statements: ["MQTT-3.10.1-1", "MQTT311-3.10.1-1", "MQTT-2.1.3-1", "MQTT311-2.2.2-1", "MQTT311-2.2.2-2"],
    levels: [4, 5],
    does: "Sends UNSUBSCRIBE with flags 0000, 1010 and 0011, each on a connection of its own.",
    requires: "Each connection is closed{5|; DISCONNECT 0x81 may say why}.",
    async run(t) {
      for (const flags of [0, 10, 3]) {
        const peer = await t.connect();
        peer.send(unsubscribeFlags(t.level, flags, t.topic()));
        await peer.refused([0x81], `for flags ${flags.toString(2).padStart(4, "0")}`);
      }
    },
  },
  "no-filter": {
    statements: ["MQTT-3.10.3-2", "MQTT311-3.10.3-2"],
    levels: [4, 5],
    does: "Sends UNSUBSCRIBE without a single filter.",
    requires: "The connection is closed{5|; DISCONNECT 0x82 may say why}.",
    async run(t) {
      const peer = await t.connect();
      peer.send(unsubscribe(t.level, 1, []));
      await peer.refused([0x82]);
    },
  },
  "compared-literally": {
    statements: ["MQTT-3.10.4-1", "MQTT311-3.10.4-1"],
    levels: [4, 5],
    does: "Subscribes to a/b, then unsubscribes from a/+, a/#, A/b and a/b/.",
    requires: "The subscription stays: none of them is equal to it{5|; the code is 0x11}.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic("a/b"));
      const others = ["a/+", "a/#", "A/b", "a/b/"].map((name) => t.topic(name));
      const { codes } = await unsubscribed(t, subscriber, ...others);
      await t.published(await t.connect(), { topic: t.topic("a/b"), payload: "x", qos: t.qos(1) });
      await subscriber.take("for its filter was not unsubscribed from");
      if (t.level === 5) others.forEach((filter, at) => checkNothing(codes![at], filter));
    },
  },
  "wildcards-compared-literally": {
    statements: ["MQTT-3.10.4-1", "MQTT311-3.10.4-1"],
    levels: [4, 5],
    needs: ["wildcards"],
    does: "Subscribes to a/+, then unsubscribes from a/b and a/#; then from a/+.",
    requires: "The subscription stays until its own filter is unsubscribed from.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic("a/+"));
      await unsubscribed(t, subscriber, t.topic("a/b"), t.topic("a/#"));
      const publisher = await t.connect();
      await t.published(publisher, { topic: t.topic("a/b"), payload: "1", qos: t.qos(1) });
      await subscriber.take("for its filter was not unsubscribed from");
      await unsubscribed(t, subscriber, t.topic("a/+"));
      await t.published(publisher, { topic: t.topic("a/b"), payload: "2", qos: t.qos(1) });
      await publisher.barrier();
      await subscriber.expectNoPublish("its filter was unsubscribed from");
    },
  },
  "no-new-messages": {
    statements: ["MQTT-3.10.4-2", "MQTT311-3.10.4-2"],
    levels: [4, 5],
    does: "Subscribes to two topics, unsubscribes from the first, and publishes at every QoS to both.",
    requires: "After UNSUBACK only messages of the second topic come.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic("gone"));
      await t.subscribe(subscriber, t.topic("stays"));
      await unsubscribed(t, subscriber, t.topic("gone"));
      const publisher = await t.connect();
      for (let qos = 0; qos <= t.qos(2); qos++) {
        await t.published(publisher, { topic: t.topic("gone"), payload: "gone", qos });
        await t.published(publisher, { topic: t.topic("stays"), payload: "stays", qos });
        const came = payloadText(await subscriber.take());
        check(came === "stays", "A message came by the filter that was unsubscribed from");
      }
      await subscriber.expectNoPublish("the rest is of the filter that was unsubscribed from");
    },
  },
  "begun-qos-2-is-completed": {
    statements: ["MQTT-3.10.4-3", "MQTT311-3.10.4-3"],
    levels: [4, 5],
    needs: ["qos 2"],
    does: "Receives a QoS 2 message, unsubscribes, and only then sends PUBREC.",
    requires: "PUBREL comes: the delivery had begun.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribeAt(subscriber, t.topic(), 2);
      await t.published(await t.connect(), { topic: t.topic(), payload: "x", qos: 2 });
      const { id } = await subscriber.expectPublish();
      await unsubscribed(t, subscriber, t.topic());
      subscriber.send(acknowledgement(TYPE.PUBREC, id!));
      const pubrel = await subscriber.pick(TYPE.PUBREL, "for its PUBREC was sent");
      check(pubrel.id === id, `PUBREL has id ${pubrel.id}, its PUBREC ${id}`);
      check(pubrel.code === undefined || pubrel.code === 0, "PUBREL says that the identifier is not known");
      subscriber.send(acknowledgement(TYPE.PUBCOMP, id!));
    },
  },
  "begun-qos-1-is-completed": {
    statements: ["MQTT-3.10.4-3", "MQTT311-3.10.4-3"],
    levels: [4, 5],
    needs: ["qos 1"],
    does:
      "Receives a QoS 1 message, unsubscribes, resets the connection without PUBACK, and comes back to its " +
      "session.",
    requires: "The message comes again: the delivery had begun.",
    async run(t) {
      const { peer: first } = await t.session();
      await t.subscribeAt(first, t.topic(), 1);
      await t.published(await t.connect(), { topic: t.topic(), payload: "x", qos: 1 });
      const { id } = await first.expectPublish();
      await unsubscribed(t, first, t.topic());
      first.abort();
      const again = await (await t.resume()).take("for it was not acknowledged");
      check(again.id === id, `It came again under id ${again.id}, before under ${id}`);
    },
  },
  "answered": {
    statements: ["MQTT-3.10.4-4", "MQTT-3.10.4-5", "MQTT-2.2.1-6", "MQTT311-3.10.4-4", "MQTT311-2.3.1-7"],
    levels: [4, 5],
    does: "Sends three UNSUBSCRIBE packets in one chunk with identifiers 1, 0x1234 and 65535.",
    requires: "An UNSUBACK for each, with its identifier.",
    async run(t) {
      const peer = await t.connect();
      const ids = [1, 0x1234, 65_535];
      for (const id of ids) await t.subscribe(peer, t.topic(String(id)));
      peer.send(...ids.map((id) => unsubscribe(t.level, id, [t.topic(String(id))])));
      const came: number[] = [];
      for (const _ of ids) came.push((await peer.expect(TYPE.UNSUBACK)).id!);
      check(
        ids.every((id) => came.includes(id)),
        `UNSUBACK came with ${came.join(", ")}; ${ids.join(", ")} were sent`,
      );
    },
  },
  "answered-for-nothing": {
    statements: ["MQTT-3.10.4-5", "MQTT311-3.10.4-5"],
    levels: [4, 5],
    does: "Unsubscribes from a filter that it never subscribed to.",
    requires: "UNSUBACK comes all the same{5|; its code is 0x11}.",
    async run(t) {
      const { codes } = await unsubscribed(t, await t.connect(), t.topic());
      if (t.level === 5) checkNothing(codes![0], "A filter without a subscription");
    },
  },
  "several-filters": {
    statements: ["MQTT-3.10.4-6", "MQTT311-3.10.4-6"],
    levels: [4, 5],
    does:
      "Subscribes to three topics, and unsubscribes from the first and the third in one UNSUBSCRIBE, which has " +
      "the first one twice.",
    requires: "One UNSUBACK{5|, with code 0x11 for the repetition}; only the second topic still brings " +
      "messages.",
    async run(t) {
      const subscriber = await t.connect();
      const [a, b, c] = [t.topic("a"), t.topic("b"), t.topic("c")];
      for (const filter of [a, b, c]) await t.subscribe(subscriber, filter, options(2));
      const { codes } = await unsubscribed(t, subscriber, a, c, a);
      const more = (await subscriber.barrier()).filter(({ type }) => type === TYPE.UNSUBACK);
      check(more.length === 0, `${more.length + 1} UNSUBACK packets came for one UNSUBSCRIBE`);
      const publisher = await t.connect();
      for (const topic of [a, c, b]) await t.published(publisher, { topic, payload: "x", qos: t.qos(1) });
      const { topic } = await subscriber.take();
      check(topic === b, `A message on ${topic} came, which was unsubscribed from`);
      await subscriber.expectNoPublish("the other topics were unsubscribed from");
      if (t.level === 4) return;
      check(codes!.length === 3, `UNSUBACK has ${codes!.length} codes for 3 filters`);
      checkNothing(codes![2], "The same filter the second time");
    },
  },
});

/** Cases of §3.11. */
const UNSUBACK: readonly ServerCase[] = serverCases("3.11", {
  "codes-in-order": {
    statements: ["MQTT-3.11.3-1"],
    levels: [5],
    does: "Subscribes to one topic, then unsubscribes from four filters, of which it is the third.",
    requires: "Four codes: the third is 0x00, the others 0x11.",
    async run(t) {
      const peer = await t.connect();
      await t.subscribe(peer, t.topic("2"));
      const { codes } = await unsubscribed(t, peer, ...[0, 1, 2, 3].map((at) => t.topic(String(at))));
      check(codes!.length === 4, `UNSUBACK has ${codes!.length} codes for 4 filters`);
      check(codes![2] === 0, `Code 3 is ${hexCode(codes![2]!)}; that filter was subscribed to`);
      for (const at of [0, 1, 3]) checkNothing(codes![at], `Filter ${at + 1}, which was not subscribed to,`);
    },
  },
  "known-codes": {
    statements: ["MQTT-3.11.3-2", "3.11.2.1.2/twice"],
    levels: [5],
    does: "Unsubscribes from a filter that it has, and from others good and bad that it has not.",
    requires: "Each code is one of UNSUBACK; it has no property but User Properties and one Reason String.",
    async run(t) {
      for (const seen of await provoke(t, await t.connect())) {
        const faults = [...seen.faults, ...strayProperties(seen, [0x1f, 0x26])];
        check(faults.length === 0, `UNSUBACK is not well formed: ${faults.join(", ")}`);
        for (const code of seen.codes!) {
          check(CODES.includes(code), `UNSUBACK has ${hexCode(code)}, which is not among its codes`);
        }
      }
    },
  },
  "within-maximum-packet-size": {
    statements: ["MQTT-3.11.2-1", "MQTT-3.11.2-2"],
    levels: [5],
    does:
      "Unsubscribes from a filter that it has, and from others good and bad that it has not. Its Maximum " +
      "Packet Size has no room for a Reason String.",
    requires: "No UNSUBACK is larger than the Maximum Packet Size.",
    async run(t) {
      const { peer, size } = await t.narrow();
      for (const { raw } of await provoke(t, peer)) {
        check(raw.length <= size, `UNSUBACK of ${raw.length} bytes, ${size} are allowed`);
      }
    },
  },
});

/** Cases of §3.10 and §3.11. */
export const CASES: readonly ServerCase[] = [...UNSUBSCRIBE, ...UNSUBACK];
