/**
 * §4.1 sessions, §4.4 redelivery, §4.6 order and §4.9 flow control of a Client under audit.
 * @module
 */
import { acknowledgement, property, TYPE } from "../../wire/bytes.ts";
import { type CaseInit, type ClientCase, clientCases } from "../../case.ts";
import type { ClientTrial } from "../trial.ts";
import { payloadText, type Seen } from "../../wire/parse.ts";
import { nameOf, type Peer } from "../../wire/peer.ts";
import { check, Finding } from "../../verdict.ts";

const COUNT = 10;

/** The usual answers, but none to PUBLISH: messages stay open. */
const leaveOpen = ({ type }: Seen) => type === TYPE.PUBLISH ? [] : undefined;

/** Messages that a Client has open on a connection that is then cut; `count` at least or unsupported. */
async function leftOpen(t: ClientTrial, peer: Peer, count: number): Promise<Seen[]> {
  const { all } = await t.watch(peer, { answer: leaveOpen });
  const open = all.filter(({ type, qos = 0 }) => type === TYPE.PUBLISH && qos > 0);
  if (open.length < count) {
    throw new Finding(
      "unsupported",
      `The Client has ${open.length} messages open at a time, ${count} are needed`,
    );
  }
  return open;
}

/** Sends messages of one QoS in one go; the acknowledgements must come in their order. */
function answersInOrder(
  qos: 1 | 2,
  type: number,
  statements: CaseInit<ClientTrial>["statements"],
): CaseInit<ClientTrial> {
  return {
    statements,
    levels: [4, 5],
    does: `Sends ${COUNT} messages of QoS ${qos} at once, their identifiers not in order.`,
    requires: `${nameOf(type)} packets come in the order of the messages.`,
    async run(t) {
      const peer = await t.subscribed();
      const ids = Array.from({ length: COUNT }, (_, n) => (n * 7 + 3) % 101 + 1);
      peer.send(...ids.map((id) => t.publish({ topic: t.topic(), payload: `m${id}`, qos, id })));
      const came: number[] = [];
      while (came.length < COUNT) came.push((await t.owed(peer, type, "for every message")).id!);
      check(came.join() === ids.join(), `Messages ${ids.join(", ")} were answered as ${came.join(", ")}`);
    },
  };
}

/** Cases of §4.1, §4.4, §4.6 and §4.9. */
export const CASES: readonly ClientCase[] = [
  ...clientCases("4.1.0", {
    "same-client-identifier": {
      statements: ["MQTT-3.1.3-2", "MQTT311-3.1.3-2"],
      levels: [4, 5],
      does: "Cuts the connection of a Client that keeps its session.",
      requires: "It comes back with the same Client Identifier.",
      async run(t) {
        await t.start(t.kept(t.has("subscribe") ? { subscribe: [{ filter: t.topic(), qos: 1 }] } : {}));
        const { peer, connect } = await t.acceptConnect();
        await t.watch(peer);
        peer.abort();
        const { connect: again } = await t.comeBack();
        const [before, after] = [connect.connect!.clientId, again.connect!.clientId];
        check(before === after, `It came back as ${JSON.stringify(after)}, not as ${JSON.stringify(before)}`);
      },
    },
    "state-of-a-received-message": {
      statements: [
        "MQTT-4.1.0-1",
        "MQTT-3.1.2-23",
        "MQTT-4.3.3-10",
        "MQTT311-4.1.0-1",
        "MQTT311-4.1.0-2",
        "MQTT311-3.1.2-4",
        "MQTT311-4.3.3-2",
      ],
      levels: [4, 5],
      does:
        "Cuts the connection behind the PUBREC of a message, and sends the message again with DUP on the next.",
      requires: "PUBREC and PUBCOMP come, and the application gets the message once where that can be seen.",
      async run(t) {
        const peer = await t.subscribed(t.kept({ subscribe: [{ filter: t.topic(), qos: 2 }] }));
        const payload = t.payload("over-two-connections");
        const message = { topic: t.topic(), payload, qos: 2, id: 44 };
        peer.send(t.publish(message));
        await t.owed(peer, TYPE.PUBREC, "for a message of QoS 2 was sent");
        peer.abort();
        const { peer: next } = await t.comeBack({ sessionPresent: true });
        next.send(t.publish({ ...message, dup: true }));
        await t.owed(next, TYPE.PUBREC, "for the message was sent again", ({ id }) => id === 44);
        next.send(acknowledgement(TYPE.PUBREL, 44));
        await t.owed(next, TYPE.PUBCOMP, "for PUBREL was sent", ({ id }) => id === 44);
        const { length } = await t.handedOver(payload);
        check(length === 1, `The application got the message ${length} times`);
      },
    },
    "clean-start-drops-what-was-open": {
      statements: ["MQTT-3.1.2-4", "MQTT311-3.1.2-6"],
      levels: [4, 5],
      does:
        "Cuts the connection of a Client with Clean Start 1 while a QoS 1 message is open, and lets it come back.",
      requires:
        "If it comes back with Clean Start 1 again, the PUBLISH does not come as a repeat. (A new message may.)",
      async run(t) {
        await t.start({ reconnect: true, publish: [t.message("dropped", 1)] });
        const { peer } = await t.acceptConnect();
        await t.brought(peer, TYPE.PUBLISH);
        peer.abort();
        const { peer: next, connect } = await t.comeBack();
        if ((connect.connect!.flags & 2) === 0) {
          throw new Finding("unsupported", "The Client comes back with Clean Start 0");
        }
        const { all } = await t.watch(next);
        const old = all.find(({ type, dup }) => type === TYPE.PUBLISH && dup === true);
        check(old === undefined, `PUBLISH ${old?.id} came again with DUP 1`);
      },
    },
  }),
  ...clientCases("4.4.0", {
    ...Object.fromEntries(([1, 2] as const).map((qos) => [
      `publish-again-at-qos-${qos}`,
      {
        statements: [
          "MQTT-4.4.0-1",
          "MQTT-3.3.1-1",
          "MQTT-3.1.2-23",
          qos === 1 ? "MQTT-4.3.2-3" : "MQTT-4.3.3-3",
          "MQTT311-4.4.0-1",
          "MQTT311-3.3.1-1",
          "MQTT311-2.3.1-3",
          "MQTT311-3.1.2-4",
          qos === 1 ? "MQTT311-4.3.2-1" : "MQTT311-4.3.3-1",
        ],
        levels: [4, 5],
        does:
          `Cuts the connection while a QoS ${qos} message is open, and lets the Client come back to its session.`,
        requires: "The PUBLISH comes again under its identifier, with DUP 1.",
        async run(t) {
          const message = t.message("again", qos);
          await t.start(t.kept({ publish: [message] }));
          const { peer } = await t.acceptConnect();
          const first = await t.brought(peer, TYPE.PUBLISH, (seen) => seen.qos === qos);
          peer.abort();
          const { peer: next } = await t.comeBack({ sessionPresent: true });
          const again = await t.owed(next, TYPE.PUBLISH, "for it was not acknowledged");
          check(again.id === first.id, `It came again under ${again.id}, not ${first.id}`);
          check(again.dup === true, "It came again with DUP 0");
          check(
            payloadText(again) === message.payload,
            `Its payload is ${JSON.stringify(payloadText(again))}`,
          );
        },
      } satisfies CaseInit<ClientTrial>,
    ])),
    "pubrel-again": {
      statements: [
        "MQTT-4.4.0-1",
        "MQTT-4.3.3-5",
        "MQTT-4.3.3-6",
        "MQTT311-4.4.0-1",
        "MQTT311-4.3.3-1",
        "MQTT311-2.3.1-3",
      ],
      levels: [4, 5],
      does: "Cuts the connection behind PUBREL, and lets the Client come back to its session.",
      requires: "PUBREL comes again under its identifier; the PUBLISH does not.",
      async run(t) {
        await t.start(t.kept({ publish: [t.message("released", 2)] }));
        const { peer } = await t.acceptConnect();
        const { id = 0 } = await t.brought(peer, TYPE.PUBLISH, ({ qos }) => qos === 2);
        peer.send(acknowledgement(TYPE.PUBREC, id));
        await t.owed(peer, TYPE.PUBREL, "for its PUBREC was sent");
        peer.abort();
        const { peer: next } = await t.comeBack({ sessionPresent: true });
        const { all } = await t.watch(next);
        const publish = all.find((seen) => seen.type === TYPE.PUBLISH && seen.id === id);
        check(publish === undefined, `PUBLISH ${id} came again behind its PUBREL`);
        check(
          all.some((seen) => seen.type === TYPE.PUBREL && seen.id === id),
          `PUBREL ${id} did not come again`,
        );
      },
    },
    "acknowledged-is-not-sent-again": {
      statements: ["MQTT-4.4.0-2", "MQTT-4.4.0-1", "MQTT311-4.4.0-1"],
      levels: [4, 5],
      does:
        "Acknowledges a QoS 1 message, then cuts the connection and lets the Client come back to its session.",
      requires: "The message does not come again.",
      async run(t) {
        await t.start(t.kept({ publish: [t.message("done", 1)] }));
        const { peer } = await t.acceptConnect();
        const first = await t.brought(peer, TYPE.PUBLISH, ({ qos }) => qos === 1);
        peer.send(acknowledgement(TYPE.PUBACK, first.id!));
        await t.watch(peer);
        peer.abort();
        const { peer: next } = await t.comeBack({ sessionPresent: true });
        const { all } = await t.watch(next);
        const again = all.find((seen) =>
          seen.type === TYPE.PUBLISH && (seen.dup === true || payloadText(seen) === payloadText(first))
        );
        check(again === undefined, `PUBLISH ${again?.id} came again`);
      },
    },
    "nothing-again-while-connected": {
      statements: ["MQTT-4.4.0-1"],
      levels: [5],
      timing: true,
      does: "Leaves a QoS 1 message without its PUBACK for six seconds.",
      requires: "It is not sent again on the connection.",
      async run(t) {
        await t.start({ publish: [t.message("patient", 1)] });
        const { peer } = await t.acceptConnect();
        const { id } = await t.brought(peer, TYPE.PUBLISH, ({ qos }) => qos === 1);
        const { all } = await t.serve(peer, { ms: 6_000, answer: leaveOpen });
        const again = all.find((seen) => seen.type === TYPE.PUBLISH && seen.id === id);
        check(again === undefined, `PUBLISH ${id} came again on the same connection`);
      },
    },
  }),
  ...clientCases("4.6.0", {
    "resent-in-order": {
      statements: ["MQTT-4.6.0-1", "MQTT311-4.6.0-1"],
      levels: [4, 5],
      does:
        "Cuts the connection while several messages are open, and lets the Client come back to its session.",
      requires: "They come again in the order in which they came first.",
      async run(t) {
        const names = ["a", "b", "c", "d", "e"];
        await t.start(t.kept({ publish: names.map((name) => t.message(name, 1)) }));
        const { peer } = await t.acceptConnect();
        const first = (await leftOpen(t, peer, 2)).map(payloadText);
        peer.abort();
        const { peer: next } = await t.comeBack({ sessionPresent: true });
        const { all } = await t.watch(next);
        const again = all.filter(({ type, dup }) => type === TYPE.PUBLISH && dup === true).map(payloadText);
        check(
          again.length === first.length && again.join() === first.join(),
          `First came ${first.join(", ")}; again ${again.join(", ")}`,
        );
      },
    },
    "pubacks-in-order": answersInOrder(1, TYPE.PUBACK, ["MQTT-4.6.0-2", "MQTT311-4.6.0-2"]),
    "pubrecs-in-order": answersInOrder(2, TYPE.PUBREC, ["MQTT-4.6.0-3", "MQTT311-4.6.0-3"]),
    "pubrels-in-order": {
      statements: ["MQTT-4.6.0-4", "MQTT311-4.6.0-4"],
      levels: [4, 5],
      does: "Answers several QoS 2 messages with PUBREC at once, the last one first.",
      requires: "PUBREL packets come in the order of the PUBRECs.",
      async run(t) {
        await t.start({ publish: ["a", "b", "c", "d"].map((name) => t.message(name, 2)) });
        const { peer } = await t.acceptConnect();
        const ids = (await leftOpen(t, peer, 2)).map(({ id = 0 }) => id).reverse();
        peer.send(...ids.map((id) => acknowledgement(TYPE.PUBREC, id)));
        const came: number[] = [];
        while (came.length < ids.length) came.push((await t.owed(peer, TYPE.PUBREL, "for every PUBREC")).id!);
        check(came.join() === ids.join(), `PUBRECs ${ids.join(", ")} were answered as ${came.join(", ")}`);
      },
    },
  }),
  ...clientCases("4.9.0", {
    "receive-maximum": {
      statements: ["MQTT-4.9.0-1", "MQTT-4.9.0-2", "MQTT-3.3.4-7"],
      levels: [5],
      does: "Answers CONNECT with Receive Maximum 2; five messages of QoS 1 were ordered. Acknowledges one.",
      requires: "Two come; after the PUBACK one more.",
      async run(t) {
        const publish = ["a", "b", "c", "d", "e"].map((name) => t.message(name, 1));
        await t.start({ publish });
        const { peer } = await t.acceptConnect({ properties: [property.receiveMaximum(2)] });
        const { all } = await t.watch(peer, { answer: leaveOpen });
        const open = all.filter(({ type, qos = 0 }) => type === TYPE.PUBLISH && qos > 0);
        if (open.length === 0) throw new Finding("unsupported", "The Client does not publish with QoS 1");
        check(open.length <= 2, `${open.length} messages are open, Receive Maximum is 2`);
        peer.send(acknowledgement(TYPE.PUBACK, open[0]!.id!));
        const more = (await t.watch(peer, { answer: leaveOpen })).all.filter(({ type }) =>
          type === TYPE.PUBLISH
        );
        check(open.length - 1 + more.length <= 2, `${open.length - 1 + more.length} messages are open`);
      },
    },
    "pubrec-frees-nothing": {
      statements: ["MQTT-4.9.0-2", "MQTT-3.3.4-7"],
      levels: [5],
      does:
        "Answers CONNECT with Receive Maximum 1; two messages of QoS 2 were ordered. Sends PUBREC for the first.",
      requires: "The second does not come before the PUBCOMP of the first.",
      async run(t) {
        await t.start({ publish: ["a", "b"].map((name) => t.message(name, 2)) });
        const { peer } = await t.acceptConnect({ properties: [property.receiveMaximum(1)] });
        const { id = 0 } = await t.brought(peer, TYPE.PUBLISH, ({ qos }) => qos === 2);
        peer.send(acknowledgement(TYPE.PUBREC, id));
        const { all } = await t.watch(peer, {
          answer: ({ type }) => type === TYPE.PUBLISH || type === TYPE.PUBREL ? [] : undefined,
        });
        const second = all.find(({ type, qos = 0 }) => type === TYPE.PUBLISH && qos > 0);
        check(second === undefined, `PUBLISH ${second?.id} came while ${id} was open`);
      },
    },
    "answers-at-quota-0": {
      statements: ["MQTT-4.9.0-3", "MQTT-3.3.4-8"],
      levels: [5],
      does: "Leaves a message of a Client open whose Server has Receive Maximum 1, and sends it messages.",
      requires: "They are acknowledged all the same.",
      async run(t) {
        await t.start({
          subscribe: [{ filter: t.topic(), qos: 2 }],
          publish: ["a", "b"].map((name) => t.message(name, 1)),
        });
        const { peer } = await t.acceptConnect({ properties: [property.receiveMaximum(1)] });
        await leftOpen(t, peer, 1);
        await t.barrier(peer, leaveOpen);
        peer.send(t.publish({ topic: t.topic(), payload: "two", qos: 2, id: 5 }));
        await t.owed(peer, TYPE.PUBREC, "whatever the send quota is", ({ id }) => id === 5);
      },
    },
  }),
];
