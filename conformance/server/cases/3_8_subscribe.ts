/**
 * §3.8 SUBSCRIBE: what a Server under audit must do.
 * @module
 */
import {
  field,
  type Level,
  options,
  packet,
  type Part,
  properties,
  property,
  subscribe,
  TYPE,
  u16,
} from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { numberOf, payloadText } from "../../wire/parse.ts";
import type { Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, fail } from "../../verdict.ts";

/** A SUBSCRIBE with any flags, the same at both levels but for its properties. */
function subscribeFlags(level: Level, flags: number, filter: Part): Uint8Array {
  return packet(TYPE.SUBSCRIBE, flags, u16(1), level === 5 ? properties() : [], field(filter), 0);
}

/** Each of these options bytes must end a connection of its own. */
async function optionsRefused(t: Trial, all: readonly number[], codes: readonly number[]): Promise<void> {
  for (const bits of all) {
    const peer = await t.connect();
    peer.send(subscribe(t.level, 1, [[t.topic(), bits]]));
    await peer.refused(codes, `for options 0x${bits.toString(16).padStart(2, "0")}`);
  }
}

/** Publishes `payload` at the highest QoS there is, and `end` behind it; returns what of `payload` came before `end`. */
async function copies(t: Trial, subscriber: Peer, topic: string, payload: string) {
  const publisher = await t.connect();
  const qos = t.qos(2);
  await t.published(publisher, { topic, payload, qos });
  await t.published(publisher, { topic, payload: "end", qos });
  return (await subscriber.takeUntil("end")).filter((seen) => payloadText(seen) === payload);
}

/** Cases of §3.8. */
export const CASES: readonly ServerCase[] = serverCases("3.8", {
  "reserved-flags": {
    statements: ["MQTT-3.8.1-1", "MQTT311-3.8.1-1", "MQTT-2.1.3-1", "MQTT311-2.2.2-1", "MQTT311-2.2.2-2"],
    levels: [4, 5],
    does: "Sends SUBSCRIBE with flags 0000, 1010 and 0011, each on a connection of its own.",
    requires: "Each connection is closed{5|; DISCONNECT 0x81 may say why}.",
    async run(t) {
      for (const flags of [0, 10, 3]) {
        const peer = await t.connect();
        peer.send(subscribeFlags(t.level, flags, t.topic()));
        await peer.refused([0x81], `for flags ${flags.toString(2).padStart(4, "0")}`);
      }
    },
  },
  "no-filter": {
    statements: ["MQTT-3.8.3-2", "MQTT311-3.8.3-3"],
    levels: [4, 5],
    does: "Sends SUBSCRIBE without a single filter.",
    requires: "The connection is closed{5|; DISCONNECT 0x82 may say why}.",
    async run(t) {
      const peer = await t.connect();
      peer.send(subscribe(t.level, 1, []));
      await peer.refused([0x82]);
    },
  },
  "reserved-option-bits": {
    statements: ["MQTT-3.8.3-5", "MQTT311-3.8.3-4"],
    levels: [4, 5],
    does: "Subscribes with each reserved bit of the options byte, each on a connection of its own: " +
      "{5|bits 6 and 7}{4|all from bit 2 on}.",
    requires: "Each connection is closed{5|; DISCONNECT 0x81 may say why}.",
    async run(t) {
      await optionsRefused(t, t.level === 5 ? [0x40, 0x80] : [0x04, 0x08, 0x10, 0x20, 0x40, 0x80], [0x81]);
    },
  },
  "qos-3": {
    statements: ["3.8.3.1/qos-3", "MQTT311-3.8.3-4"],
    levels: [4, 5],
    does: "Subscribes with both QoS bits set.",
    requires: "The connection is closed{5|; DISCONNECT 0x82 may say why}.",
    run: (t) => optionsRefused(t, [3], [0x82]),
  },
  "retain-handling-3": {
    statements: ["3.8.3.1/retain-handling-3"],
    levels: [5],
    does: "Subscribes with both bits of Retain Handling set.",
    requires: "The connection is closed; DISCONNECT 0x82 may say why.",
    run: (t) => optionsRefused(t, [options(0, { retainHandling: 3 })], [0x82]),
  },
  "identifier-zero": {
    statements: ["3.8.2.1.2/zero"],
    levels: [5],
    needs: ["identifiers"],
    does: "Subscribes with Subscription Identifier 0.",
    requires: "The connection is closed; DISCONNECT 0x82 may say why.",
    async run(t) {
      const peer = await t.connect();
      peer.send(subscribe(5, 1, [[t.topic(), 0]], [property.subscriptionIdentifier(0)]));
      await peer.refused([0x82]);
    },
  },
  "identifier-twice": {
    statements: ["3.8.2.1.2/twice"],
    levels: [5],
    needs: ["identifiers"],
    does: "Subscribes with two Subscription Identifiers.",
    requires: "The connection is closed; DISCONNECT 0x82 may say why.",
    async run(t) {
      const peer = await t.connect();
      const two = [property.subscriptionIdentifier(1), property.subscriptionIdentifier(2)];
      peer.send(subscribe(5, 1, [[t.topic(), 0]], two));
      await peer.refused([0x82]);
    },
  },
  "no-local": {
    statements: ["MQTT-3.8.3-3"],
    levels: [5],
    does: "Subscribes with No Local; publishes by itself at every QoS, then by another Client.",
    requires: "Only the other Client's message comes.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic(), options(2, { noLocal: true }));
      for (let qos = 0; qos <= t.qos(2); qos++) {
        await t.published(subscriber, { topic: t.topic(), payload: "own", qos });
        await subscriber.expectNoPublish(`the Client itself had published at QoS ${qos}`);
      }
      await t.published(await t.connect(), { topic: t.topic(), payload: "other", qos: t.qos(1) });
      const came = payloadText(await subscriber.take());
      check(came === "other", `"${came}" came, "other" is the other Client's`);
    },
  },
  "no-local-is-of-the-client": {
    statements: ["MQTT-3.8.3-3"],
    levels: [5],
    does:
      "Subscribes with No Local, and comes back to its session on a new connection; publishes by itself, then " +
      "by another Client.",
    requires: "Only the other Client's message comes: what counts is the Client Identifier.",
    async run(t) {
      const { peer: first } = await t.session();
      await t.subscribe(first, t.topic(), options(2, { noLocal: true }));
      first.abort();
      const subscriber = await t.resume();
      await t.published(subscriber, { topic: t.topic(), payload: "own", qos: t.qos(1) });
      await subscriber.expectNoPublish("the Client itself had published");
      await t.published(await t.connect(), { topic: t.topic(), payload: "other", qos: t.qos(1) });
      const came = payloadText(await subscriber.take());
      check(came === "other", `"${came}" came, "other" is the other Client's`);
    },
  },
  "no-local-shared": {
    statements: ["MQTT-3.8.3-4"],
    levels: [5],
    needs: ["shared"],
    does: "Makes a Shared Subscription with No Local.",
    requires: "The connection is closed; DISCONNECT 0x82 may say why.",
    async run(t) {
      const peer = await t.connect();
      peer.send(subscribe(5, 1, [[`$share/g/${t.topic()}`, options(0, { noLocal: true })]]));
      await peer.refused([0x82]);
    },
  },
  "answered": {
    statements: [
      "MQTT-3.8.4-1",
      "MQTT-3.8.4-2",
      "MQTT-2.2.1-6",
      "MQTT311-3.8.4-1",
      "MQTT311-3.8.4-2",
      "MQTT311-2.3.1-7",
    ],
    levels: [4, 5],
    does: "Sends three SUBSCRIBE packets in one chunk with identifiers 1, 0x1234 and 65535.",
    requires: "A SUBACK for each, with its identifier.",
    async run(t) {
      const peer = await t.connect();
      const ids = [1, 0x1234, 65_535];
      peer.send(...ids.map((id) => subscribe(t.level, id, [[t.topic(String(id)), 0]])));
      const came: number[] = [];
      for (const _ of ids) came.push((await peer.expect(TYPE.SUBACK)).id!);
      check(
        ids.every((id) => came.includes(id)),
        `SUBACK came with ${came.join(", ")}; ${ids.join(", ")} were sent`,
      );
    },
  },
  "same-filter-replaces": {
    statements: ["MQTT-3.8.4-3", "MQTT311-3.8.4-3"],
    levels: [4, 5],
    needs: ["qos 1"],
    does:
      "Subscribes at QoS 0, again to the same filter at QoS 2, and again at QoS 0, and publishes after each.",
    requires: "One copy of each message comes, at the QoS granted last.",
    async run(t) {
      const subscriber = await t.connect();
      for (const asked of [0, 2, 0]) {
        const granted = await t.subscribe(subscriber, t.topic(), options(asked));
        const found = await copies(t, subscriber, t.topic(), `asked ${asked}`);
        check(found.length === 1, `${found.length} copies came for one subscription`);
        const { qos } = found[0]!;
        const wanted = Math.min(asked, granted, t.qos(2));
        check(qos === wanted, `It came at QoS ${qos}; QoS ${granted} of ${asked} was granted last`);
      }
    },
  },
  "same-filter-replaces-options": {
    statements: ["MQTT-3.8.4-3"],
    levels: [5],
    needs: ["identifiers"],
    does:
      "Subscribes with Subscription Identifier 1, again to the same filter with 2, and again without one.",
    requires: "One copy of each message comes, with the identifier given last or none.",
    async run(t) {
      const subscriber = await t.connect();
      for (const identifier of [1, 2, undefined]) {
        const all = identifier === undefined ? [] : [property.subscriptionIdentifier(identifier)];
        await t.subscribe(subscriber, t.topic(), options(2), all);
        const found = await copies(t, subscriber, t.topic(), `identifier ${identifier}`);
        check(found.length === 1, `${found.length} copies came for one subscription`);
        const came = numberOf(found[0]!, 0x0b);
        check(came === identifier, `It came with identifier ${came}; ${identifier} was given last`);
      }
    },
  },
  "same-filter-brings-retained-again": {
    statements: ["MQTT-3.8.4-4", "MQTT311-3.8.4-3"],
    levels: [4, 5],
    needs: ["retain"],
    does: "Subscribes twice to the filter of a retained message{5|, with Retain Handling 0}.",
    requires: "The retained message comes after each SUBSCRIBE.",
    async run(t) {
      const publisher = await t.connect();
      await t.published(publisher, { topic: t.topic(), payload: "kept", retain: true, qos: t.qos(1) });
      await publisher.barrier();
      const subscriber = await t.connect();
      for (const time of ["first", "second"]) {
        await t.subscribe(subscriber, t.topic());
        const came = await subscriber.take(`the retained message after the ${time} SUBSCRIBE`);
        check(payloadText(came) === "kept", `"${payloadText(came)}" came, "kept" is retained`);
      }
    },
  },
  "replacing-loses-nothing": {
    statements: ["MQTT-3.8.4-4", "MQTT311-3.8.4-3"],
    levels: [4, 5],
    needs: ["qos 1"],
    does:
      "Publishes 30 messages at QoS 1 while the subscriber subscribes to the same filter again and again.",
    requires: "Every message comes, in order.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribeAt(subscriber, t.topic(), 1);
      const publisher = await t.connect();
      for (let i = 0; i < 30; i++) {
        subscriber.send(subscribe(t.level, 100 + i, [[t.topic(), options(1)]]));
        await t.published(publisher, { topic: t.topic(), payload: String(i), qos: 1 });
      }
      for (let i = 0; i < 30; i++) {
        await subscriber.pick(TYPE.SUBACK);
      }
      let next = 0;
      for (const seen of await subscriber.takeUntil("29")) {
        const number = Number(payloadText(seen));
        if (number > next) fail(`Message ${number} came where ${next} was due`);
        if (number === next) next++;
      }
    },
  },
  "wildcards-work-or-are-refused": {
    statements: ["MQTT311-3.8.3-2"],
    levels: [4],
    does: "Subscribes to a filter with each wildcard, and publishes to a topic that it matches.",
    requires: "Either SUBACK has 0x80, or the message comes: a Server without wildcards grants none.",
    async run(t) {
      const publisher = await t.connect();
      for (const wildcard of ["+", "#"]) {
        const subscriber = await t.connect();
        subscriber.send(subscribe(4, 1, [[t.topic(wildcard), 0]]));
        const { codes } = await subscriber.pick(TYPE.SUBACK);
        if (codes?.[0] === 0x80) continue;
        await t.published(publisher, { topic: t.topic("a"), payload: "x" });
        await subscriber.take(`for a filter with ${wildcard} is granted`);
      }
    },
  },
  "several-filters": {
    statements: ["MQTT-3.8.4-5", "MQTT311-3.8.4-4"],
    levels: [4, 5],
    needs: ["qos 1"],
    does:
      "Sends one SUBSCRIBE with the same filter twice, at QoS 2 and at QoS 0, and another filter between them.",
    requires: "One SUBACK with three codes. Both filters hold, the doubled one once and at QoS 0, its last.",
    async run(t) {
      const subscriber = await t.connect();
      const [a, b] = [t.topic("a"), t.topic("b")];
      subscriber.send(subscribe(t.level, 77, [[a, options(2)], [b, options(1)], [a, options(0)]]));
      const suback = await subscriber.pick(TYPE.SUBACK);
      check(suback.codes!.length === 3, `SUBACK has ${suback.codes!.length} codes for 3 filters`);
      const more = (await subscriber.barrier()).filter(({ type }) => type === TYPE.SUBACK);
      check(more.length === 0, `${more.length + 1} SUBACK packets came for one SUBSCRIBE`);
      const doubled = await copies(t, subscriber, a, "a");
      check(doubled.length === 1, `${doubled.length} copies came by the filter that stands twice`);
      check(doubled[0]!.qos === 0, `It came at QoS ${doubled[0]!.qos}, the last options had QoS 0`);
      const other = await copies(t, subscriber, b, "b");
      check(other.length === 1, `${other.length} copies came by the other filter`);
    },
  },
  "filter-twice-brings-retained-twice": {
    statements: ["MQTT-3.8.4-5", "MQTT311-3.8.4-4"],
    levels: [4, 5],
    needs: ["retain"],
    does: "Sends one SUBSCRIBE with the filter of a retained message twice{5|, with Retain Handling 0}.",
    requires: "The retained message comes twice, as two SUBSCRIBE packets would bring it.",
    async run(t) {
      const publisher = await t.connect();
      await t.published(publisher, { topic: t.topic(), payload: "kept", retain: true, qos: t.qos(1) });
      await publisher.barrier();
      const subscriber = await t.connect();
      subscriber.send(subscribe(t.level, 77, [[t.topic(), 0], [t.topic(), 0]]));
      await subscriber.pick(TYPE.SUBACK);
      for (const time of ["first", "second"]) {
        const came = await subscriber.take(`the retained message for the ${time} of two equal filters`);
        check(payloadText(came) === "kept", `"${payloadText(came)}" came, "kept" is retained`);
      }
    },
  },
  "lower-qos": {
    statements: ["MQTT-3.8.4-8", "MQTT311-3.8.4-6"],
    levels: [4, 5],
    needs: ["qos 1"],
    does: "Subscribes to three topics at QoS 0, 1 and 2, and publishes at every QoS to each.",
    requires: "Each message comes at the lower of its own QoS and the one that was granted.",
    async run(t) {
      const subscriber = await t.connect();
      const publisher = await t.connect();
      for (const asked of [0, 1, 2]) {
        const topic = t.topic(String(asked));
        const granted = await t.subscribe(subscriber, topic, options(asked));
        for (let qos = 0; qos <= t.qos(2); qos++) {
          await t.published(publisher, { topic, payload: String(qos), qos });
          const seen = await subscriber.take(`published at QoS ${qos}, granted QoS ${granted}`);
          const wanted = Math.min(qos, granted);
          check(
            seen.qos === wanted,
            `QoS ${qos} published, QoS ${granted} granted: it came at QoS ${seen.qos}`,
          );
        }
      }
    },
  },
});
