/**
 * §3.3.2.1 Topic Name of PUBLISH: what a Server under audit must do.
 * @module
 */
import { bytes, field, options, packet, type Part, TYPE } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { hexCode, type Peer } from "../../wire/peer.ts";
import { check, fail } from "../../verdict.ts";

/** Not UTF-8: a surrogate, an overlong form, a byte that never occurs, a character cut off. */
const ILL_FORMED: readonly Part[] = [[0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xff], ["a", 0xc3]];

/** The end of the connection, or at level 5 an acknowledgement that refuses. */
async function notTaken(peer: Peer, why: string): Promise<void> {
  for (const seen of await peer.answers()) {
    if (seen.type === TYPE.DISCONNECT) return;
    if (seen.type !== TYPE.PUBACK) continue;
    if (peer.level === 5 && (seen.code ?? 0) >= 0x80) return;
    fail(`PUBACK ${hexCode(seen.code ?? 0)} came, ${why}`);
  }
  check(peer.drained, `The connection was to be closed, ${why}; it stayed open`);
}

/** Cases of §3.3.2.1. */
export const CASES: readonly ServerCase[] = serverCases("3.3.2", {
  "topic-not-utf-8": {
    statements: ["MQTT-3.3.2-1", "MQTT311-3.3.2-1"],
    levels: [4, 5],
    does: "Sends PUBLISH packets, each on a new connection, whose Topic Name is no UTF-8.",
    requires: "Each connection is closed{5|; DISCONNECT 0x81 may say why}.",
    async run(t) {
      for (const bad of ILL_FORMED) {
        const peer = await t.connect();
        peer.send(t.publish({ topic: [t.topic(), bad] }));
        await peer.refused([0x81]);
      }
    },
  },
  "topic-cut-off": {
    statements: ["MQTT-3.3.2-1", "MQTT311-3.3.2-1", "2.1.4/short"],
    levels: [4, 5],
    does: "Sends PUBLISH packets, each on a new connection: one that is empty, one of one byte, one whose " +
      "Topic Name is longer than the packet.",
    requires: "Each connection is closed{5|; DISCONNECT 0x81 may say why}.",
    async run(t) {
      for (const body of [bytes(), bytes(0), bytes(0, 40, t.topic().slice(0, 10))]) {
        const peer = await t.connect();
        peer.send(packet(TYPE.PUBLISH, 0, body));
        await peer.refused([0x81]);
      }
    },
  },
  "topic-with-wildcard": {
    statements: ["MQTT-3.3.2-2", "MQTT-4.7.0-1", "MQTT311-3.3.2-2", "MQTT311-4.7.1-1"],
    levels: [4, 5],
    does: "Publishes to topics with `#` or `+`, each on a new connection, with QoS 1 where there is QoS 1.",
    requires: "The connection is closed{5|, or a PUBACK refuses}. Nobody receives the message.",
    async run(t) {
      const subscriber = await t.connect();
      const all = t.profile.missing.has("wildcards") ? t.topic() : t.topic("#");
      await t.subscribe(subscriber, all, options(0));
      for (const name of ["#", "+", "a/+/b", "a/#", "a+", "#a"]) {
        const peer = await t.connect();
        peer.send(t.publish({ topic: t.topic(name), qos: t.qos(1), id: t.id() }));
        await notTaken(peer, `for the topic has a wildcard (${name})`);
      }
      await subscriber.expectNoPublish("for all topics had wildcards");
    },
  },
  "topic-matches": {
    statements: ["MQTT-3.3.2-3", "MQTT311-3.3.2-3"],
    levels: [4, 5],
    does: "Subscribes to one topic and publishes to it and to others that are like it.",
    requires: "Only the message on the topic that was subscribed to comes, under its own name.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic("end"), options(0));
      await t.subscribe(subscriber, t.topic("a/b"));
      const peer = await t.connect();
      for (const name of ["a", "a/b/c", "a/bb", "ab", "b/a", "a/b/", "/a/b", "a/b"]) {
        peer.send(t.publish({ topic: t.topic(name), payload: name }));
      }
      peer.send(t.publish({ topic: t.topic("end") }));
      const topics = (await subscriber.gather(t.topic("end"))).map(({ topic }) => JSON.stringify(topic));
      const wanted = JSON.stringify(t.topic("a/b"));
      check(
        topics.join() === wanted,
        `One message on ${wanted} was expected; ${topics.join() || "none"} came`,
      );
    },
  },
  "no-topic-and-no-alias": {
    statements: ["3.3.2.1/no-topic", "MQTT-4.7.3-1"],
    levels: [5],
    does: "Sends a PUBLISH with an empty Topic Name and no Topic Alias.",
    requires: "The connection is closed; DISCONNECT 0x82 may say why.",
    async run(t) {
      const peer = await t.connect();
      peer.send(t.publish({ topic: "" }));
      await peer.refused([0x82]);
    },
  },
  "empty-topic": {
    statements: ["MQTT311-4.7.3-1"],
    levels: [4],
    does: "Sends a PUBLISH with an empty Topic Name.",
    requires: "The connection is closed.",
    async run(t) {
      const peer = await t.connect();
      peer.send(t.publish({ topic: "" }));
      await peer.refused();
    },
  },
  "topic-with-null": {
    statements: ["MQTT-4.7.3-2", "MQTT311-4.7.3-2"],
    levels: [4, 5],
    does: "Publishes to a topic with U+0000 in it.",
    requires: "The connection is closed{5|; DISCONNECT 0x81 may say why}. Nobody receives the message.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic());
      const peer = await t.connect();
      peer.send(packet(TYPE.PUBLISH, 0, field([t.topic(), 0, "b"]), t.level === 5 ? 0 : []));
      await peer.refused([0x81]);
      await subscriber.expectNoPublish("for its topic had U+0000");
    },
  },
});
