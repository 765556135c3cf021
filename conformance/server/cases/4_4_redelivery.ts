/**
 * §4.4 Message delivery retry: what a Server under audit must do.
 * @module
 */
import { acknowledgement, TYPE } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import type { Seen } from "../../wire/parse.ts";
import { nameOf, type Peer } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check } from "../../verdict.ts";

/** A session that has just received one message of that QoS. */
async function received(t: Trial, qos: 1 | 2): Promise<{ readonly peer: Peer; readonly id: number }> {
  const { peer } = await t.session();
  await t.subscribeAt(peer, t.topic(), qos);
  await t.published(await t.connect(), { topic: t.topic(), payload: "x", qos });
  const { id } = await peer.expectPublish();
  return { peer, id: id! };
}

/** Nothing of the exchange comes on a new connection. */
async function nothingAgain(t: Trial, peer: Peer, why: string): Promise<void> {
  await peer.barrier();
  peer.abort();
  const came = await (await t.resume()).barrier();
  check(came.length === 0, `${came.map(({ type }) => nameOf(type)).join(", ")} came again, ${why}`);
}

const isPublish = ({ type }: Seen) => type === TYPE.PUBLISH;

/** Cases of §4.4. */
export const CASES: readonly ServerCase[] = serverCases("4.4", {
  "everything-open-comes-again": {
    statements: ["MQTT-4.4.0-1", "MQTT-3.3.1-1", "MQTT311-4.4.0-1", "MQTT311-3.3.1-1"],
    levels: [4, 5],
    needs: ["qos 2"],
    does:
      "Has a QoS 2 message open behind its PUBREL, a QoS 1 message without PUBACK and a QoS 2 message without " +
      "PUBREC, and comes back to its session.",
    requires: "PUBREL and both PUBLISH packets come again under their identifiers, PUBLISH with DUP 1.",
    async run(t) {
      const { peer } = await t.session();
      await t.subscribeAt(peer, t.topic(), 2);
      const publisher = await t.connect();
      for (const qos of [2, 1, 2]) await t.published(publisher, { topic: t.topic(), payload: "x", qos });
      const first = await peer.expectPublish();
      const [type, answer] = first.qos === 2 ? [TYPE.PUBREC, TYPE.PUBREL] : [TYPE.PUBACK, undefined];
      peer.send(acknowledgement(type, first.id!));
      if (answer !== undefined) await peer.pick(answer);
      const open = (await peer.barrier()).filter(isPublish);
      peer.abort();
      const again = await t.resume();
      if (answer !== undefined) {
        const pubrel = await again.pick(TYPE.PUBREL, "for it got no PUBCOMP");
        check(pubrel.id === first.id, `PUBREL has id ${pubrel.id}, before ${first.id}`);
      }
      const came: Seen[] = [];
      for (const _ of open) came.push(await again.pick(TYPE.PUBLISH, "for its exchange is open"));
      for (const { id, qos } of open) {
        const repeat = came.find((seen) => seen.id === id);
        check(repeat !== undefined, `The message under id ${id} did not come again`);
        check(repeat.qos === qos, `It came again at QoS ${repeat.qos}, before at QoS ${qos}`);
        check(repeat.dup === true, `The message under id ${id} came again with DUP 0`);
      }
    },
  },
  "acknowledged-comes-no-more": {
    statements: ["MQTT-4.4.0-1"],
    levels: [5],
    needs: ["qos 2"],
    does: "Receives a QoS 1 and a QoS 2 message, ends both exchanges, and comes back to its session.",
    requires: "Nothing comes again.",
    async run(t) {
      const { peer } = await t.session();
      await t.subscribeAt(peer, t.topic(), 2);
      const publisher = await t.connect();
      for (const qos of [1, 2]) {
        await t.published(publisher, { topic: t.topic(), payload: "x", qos });
        await peer.take();
      }
      await nothingAgain(t, peer, "though all exchanges had ended");
    },
  },
  "refused-qos-1-comes-no-more": {
    statements: ["MQTT-4.4.0-2"],
    levels: [5],
    needs: ["qos 1"],
    does: "Receives a QoS 1 message, refuses it by PUBACK 0x80, and comes back to its session.",
    requires: "Nothing comes again: it counts as acknowledged.",
    async run(t) {
      const { peer, id } = await received(t, 1);
      peer.send(acknowledgement(TYPE.PUBACK, id, 0x80));
      await nothingAgain(t, peer, "though PUBACK 0x80 had refused it");
    },
  },
  "refused-qos-2-comes-no-more": {
    statements: ["MQTT-4.4.0-2"],
    levels: [5],
    needs: ["qos 2"],
    does: "Receives a QoS 2 message, refuses it by PUBREC 0x80, and comes back to its session.",
    requires: "No PUBREL comes, and nothing comes again: it counts as acknowledged.",
    async run(t) {
      const { peer, id } = await received(t, 2);
      peer.send(acknowledgement(TYPE.PUBREC, id, 0x80));
      const live = await peer.barrier();
      check(
        live.every(({ type }) => type !== TYPE.PUBREL),
        "PUBREL came for a message that PUBREC 0x80 refused",
      );
      await nothingAgain(t, peer, "though PUBREC 0x80 had refused it");
    },
  },
  "no-repeat-while-connected": {
    statements: ["MQTT-4.4.0-1"],
    levels: [5],
    needs: ["qos 2"],
    timing: true,
    does: "Receives a QoS 1 and a QoS 2 message, acknowledges neither, and waits for three seconds.",
    requires: "Neither comes a second time on the same connection.",
    async run(t) {
      const peer = await t.connect();
      await t.subscribeAt(peer, t.topic(), 2);
      const publisher = await t.connect();
      for (const qos of [1, 2]) await t.published(publisher, { topic: t.topic(), payload: "x", qos });
      const ids = [await peer.expectPublish(), ...await peer.barrier()].filter(isPublish).map(({ id }) =>
        id!
      );
      await t.wait(3000);
      for (const seen of (await peer.barrier()).filter(isPublish)) {
        check(!ids.includes(seen.id!), `The message under id ${seen.id} came again on the same connection`);
      }
    },
  },
});
