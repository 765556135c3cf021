/**
 * §3.1.2.11.4, §3.2.2.3.6, §2.1.4 Maximum Packet Size: what a Server under audit must do, as sender and as receiver.
 * @module
 */
import {
  bytes,
  disconnect,
  field,
  property,
  subscribe,
  TYPE,
  u16,
  unsubscribe,
  varint,
} from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { payloadText } from "../../wire/parse.ts";
import { nameOf, type Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, Finding } from "../../verdict.ts";

/** Bytes of a payload that no narrow connection takes; the second is one that Servers may handle apart. */
const LARGE = [1000, 70_000];

/** Publishes to the topic of narrow connections. */
async function publishes(t: Trial, publisher: Peer, qos: number, payload: string | number): Promise<void> {
  const content = typeof payload === "string" ? payload : new Uint8Array(payload);
  await t.published(publisher, { topic: t.topic("x"), qos, payload: content });
}

/** The longest payload whose PUBLISH is not above `size`. */
function longest(t: Trial, size: number, qos: number): number {
  return size - t.publish({ topic: t.topic("x"), qos, id: 1 }).length;
}

const TO_CLIENT: readonly ServerCase[] = serverCases("3.1.2.11.4", {
  "nothing-larger": {
    statements: ["MQTT-3.1.2-24", "MQTT-3.1.2-25"],
    levels: [5],
    does:
      "Connects with a small Maximum Packet Size, and has messages published at every QoS whose packets are " +
      "exactly as large, one byte larger, and much larger.",
    requires: "Those that are exactly as large come, and nothing larger.",
    async run(t) {
      const { peer, size } = await t.narrow();
      await t.subscribe(peer, t.topic("x"));
      const publisher = await t.connect();
      for (let qos = 0; qos <= t.qos(2); qos++) {
        const fits = longest(t, size, qos);
        const large = LARGE.filter((length) => length + 100 < (t.profile.maximumPacketSize ?? Infinity));
        for (const length of [fits + 1, ...large, fits]) await publishes(t, publisher, qos, length);
        const seen = await peer.take(`of ${size} bytes, which is not above Maximum Packet Size`);
        const { length } = seen.raw;
        check(length <= size, `PUBLISH of ${length} bytes at QoS ${qos}, Maximum Packet Size is ${size}`);
        check(length === size, `PUBLISH of ${length} bytes came, one of ${size} was published last`);
        await publisher.barrier();
        await peer.expectNoPublish("the others are above Maximum Packet Size");
      }
    },
  },
  "acknowledgement-that-does-not-fit": {
    statements: ["MQTT-3.1.2-24"],
    levels: [5],
    does:
      "Connects with a small Maximum Packet Size, and sends SUBSCRIBE and UNSUBSCRIBE with more filters than their answer has " +
      "room for, each on a connection of its own.",
    requires: "No larger packet comes, and the connection ends: the Client would wait for ever.",
    async run(t) {
      for (const type of [TYPE.SUBSCRIBE, TYPE.UNSUBSCRIBE]) {
        const { peer, size } = await t.narrow();
        const filters = Array.from({ length: size }, (_, i) => t.topic(`f${i}`));
        peer.send(
          type === TYPE.SUBSCRIBE
            ? subscribe(5, t.id(), filters.map((filter) => [filter, 0]))
            : unsubscribe(5, t.id(), filters),
        );
        const seen = await peer.next();
        const name = nameOf(type);
        if (seen === undefined) throw new Finding("lenient", `${name} is answered by nothing`);
        if (seen.type === "end") continue;
        const { length } = seen.raw;
        check(length <= size, `${nameOf(seen.type)} of ${length} bytes, Maximum Packet Size is ${size}`);
        check(
          seen.type === TYPE.DISCONNECT,
          `${nameOf(seen.type)} came for a ${name} whose answer does not fit`,
        );
        await peer.refused();
      }
    },
  },
  "no-place-is-blocked": {
    statements: ["MQTT-3.1.2-25"],
    levels: [5],
    needs: ["qos 1"],
    does:
      "Connects with a small Maximum Packet Size and Receive Maximum 1, and has large messages published at QoS 1 " +
      "and 2 before and between small ones.",
    requires: "The small ones come: what is too large counts as delivered and takes no place.",
    async run(t) {
      const { peer } = await t.narrow({ properties: [property.receiveMaximum(1)] });
      await t.subscribe(peer, t.topic("x"));
      const publisher = await t.connect();
      for (let qos = 1; qos <= t.qos(2); qos++) {
        for (let i = 0; i < 3; i++) {
          await publishes(t, publisher, qos, LARGE[0]!);
          await publishes(t, publisher, qos, String(i));
        }
        for (let i = 0; i < 3; i++) {
          const came = payloadText(await peer.take("which is small"));
          check(came === String(i), `"${came}" came, "${i}" is due`);
        }
      }
    },
  },
  "dropped-from-the-session": {
    statements: ["MQTT-3.1.2-24", "MQTT-3.1.2-25"],
    levels: [5],
    needs: ["qos 1"],
    does:
      "Leaves a large message without PUBACK, has a large and a small one published while it is away, comes back " +
      "with a small Maximum Packet Size, and then without one.",
    requires: "First only the small message comes; then nothing, for the large ones count as delivered.",
    async run(t) {
      const { size } = await t.narrow();
      const { peer: first } = await t.session();
      await t.subscribeAt(first, t.topic("x"), 1);
      const publisher = await t.connect();
      await publishes(t, publisher, 1, LARGE[0]!);
      await first.expectPublish();
      first.send(disconnect());
      first.close();
      await first.rest("for the Client sent DISCONNECT and closed");
      await publishes(t, publisher, 1, LARGE[0]!);
      await publishes(t, publisher, 1, "s");
      const narrow = await t.resume({ properties: [property.maximumPacketSize(size)] });
      const seen = await narrow.take("which is small");
      check(seen.raw.length <= size, `PUBLISH of ${seen.raw.length} bytes, Maximum Packet Size is ${size}`);
      check(payloadText(seen) === "s", `"${payloadText(seen)}" came, "s" is due`);
      await narrow.expectNoPublish("the others are above Maximum Packet Size");
      narrow.abort();
      await (await t.resume()).expectNoPublish("what was too large counts as delivered");
    },
  },
  "retained-messages": {
    statements: ["MQTT-3.1.2-24", "MQTT-3.1.2-25"],
    levels: [5],
    needs: ["retain"],
    does:
      "Connects with a small Maximum Packet Size, subscribes to the topic of a large retained message, and has a " +
      "small one published.",
    requires: "Only the small message comes.",
    async run(t) {
      const publisher = await t.connect();
      const topic = t.topic("x");
      await t.published(publisher, {
        topic,
        qos: t.qos(1),
        retain: true,
        payload: new Uint8Array(LARGE[0]!),
      });
      await publisher.barrier();
      const { peer, size } = await t.narrow();
      await t.subscribe(peer, topic);
      await publishes(t, publisher, t.qos(1), "s");
      const seen = await peer.take("which is small");
      check(seen.raw.length <= size, `PUBLISH of ${seen.raw.length} bytes, Maximum Packet Size is ${size}`);
      check(payloadText(seen) === "s", `"${payloadText(seen)}" came, "s" is due`);
    },
  },
});

const TO_SERVER: readonly ServerCase[] = serverCases("3.2.2.3.6", {
  "connect-larger-than-announced": {
    statements: ["2.1.4/too-large"],
    levels: [5],
    needs: ["maximum packet size"],
    does:
      "Sends the beginning of a CONNECT whose length is one byte above the Maximum Packet Size of the target; the rest if nothing comes.",
    requires: "CONNACK with 0x95, and the end of the connection.",
    async run(t) {
      const most = t.profile.maximumPacketSize!;
      if (most > LARGEST) {
        throw new Finding("unsupported", `Maximum Packet Size is ${most}; above ${LARGEST} it is not tried`);
      }
      const peer = await t.open();
      const begin = bytes(field("MQTT"), 5, 2, u16(0));
      peer.send(bytes(TYPE.CONNECT << 4, varint(most), begin));
      // A target that says it at once may reset what goes on, and its answer with it.
      const isAnswered = await peer.peek(Math.min(SOON_MS, t.patienceMs)) !== undefined;
      for (let left = isAnswered ? 0 : most - begin.length; left > 0; left -= PART) {
        peer.send(new Uint8Array(Math.min(left, PART)));
      }
      const ending = await peer.refused([0x95]);
      if (ending !== "code") throw new Finding("lenient", "The connection was closed without a CONNACK");
    },
  },
  "larger-than-announced": {
    statements: ["2.1.4/too-large"],
    levels: [5],
    needs: ["maximum packet size"],
    does: "Publishes with a packet that is one byte larger than the Maximum Packet Size of the target.",
    requires: "The connection is closed; DISCONNECT 0x95 may say why.",
    async run(t) {
      const most = t.profile.maximumPacketSize!;
      if (most > LARGEST) {
        throw new Finding("unsupported", `Maximum Packet Size is ${most}; above ${LARGEST} it is not tried`);
      }
      const peer = await t.connect();
      const head = bytes(field(t.topic()), 0);
      let length = most + 1 - 2;
      while (1 + varint(length).length + length > most + 1) length--;
      if (1 + varint(length).length + length < most + 1) length++;
      peer.send(bytes(TYPE.PUBLISH << 4, varint(length), head));
      peer.send(new Uint8Array(length - head.length));
      await peer.refused([0x95]);
    },
  },
});

/** Bytes that are sent at a time. */
const PART = 64 * 1024;
/** ms in which a target answers that need not see a whole packet. */
const SOON_MS = 1_000;

/** Bytes of one packet that the auditor is ready to send. */
const LARGEST = 64 * 1024 * 1024;

/** Cases of Maximum Packet Size in both directions. */
export const CASES: readonly ServerCase[] = [...TO_CLIENT, ...TO_SERVER];
