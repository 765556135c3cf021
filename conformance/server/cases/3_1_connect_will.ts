/**
 * §3.1.2.5 Will Messages: what a Server under audit must do.
 * @module
 */
import { type ConnectParts, options, property, TYPE } from "../../wire/bytes.ts";
import { type CaseInit, type RuleId, type ServerCase, serverCases } from "../../case.ts";
import { payloadText, type Seen } from "../../wire/parse.ts";
import type { Peer } from "../../wire/peer.ts";
import type { ConnectInit, Trial } from "../trial.ts";
import { check, Finding } from "../../verdict.ts";

type Will = NonNullable<ConnectParts["will"]>;

/** How long a delayed will is waited for above its delay. */
const LATE_MS = 3000;

/** A Client that is subscribed to the topic of the will. */
async function witness(t: Trial): Promise<Peer> {
  const subscriber = await t.connect({}, "witness");
  await t.subscribe(subscriber, t.topic("will"), options(t.qos(2)));
  return subscriber;
}

/** A Client with a will. */
async function withWill(t: Trial, will: Partial<Will> = {}, init: ConnectInit = {}): Promise<Peer> {
  const whole = { topic: t.topic("will"), payload: "gone", ...will };
  return await t.connect({ clientId: t.clientId("w"), ...init, will: whole }, "client with a will");
}

/** The same Client once more, without a will: the connection before is over when CONNACK has come. */
async function comesBack(t: Trial, init: ConnectInit = {}): Promise<Peer> {
  return await t.connect({ clientId: t.clientId("w"), ...init }, "client without a will");
}

async function checkComes(subscriber: Peer, why: string): Promise<Seen> {
  const came = await subscriber.take(why);
  check(payloadText(came) === "gone", `The payload is ${JSON.stringify(payloadText(came))}, not "gone"`);
  return came;
}

/** Level 5: a session that is kept for so long. */
function kept(seconds: number): ConnectInit {
  return { cleanStart: false, properties: [property.sessionExpiry(seconds)] };
}

/** One way to lose a connection. */
interface Loss {
  readonly statements?: readonly RuleId[];
  readonly levels?: CaseInit<Trial>["levels"];
  /** Completes "Connects with a will and …". */
  readonly does: string;
  lose(t: Trial, peer: Peer): Promise<void>;
}

const LOSSES: Readonly<Record<string, Loss>> = {
  "reset": {
    does: "resets the connection",
    lose: (_, peer) => Promise.resolve(peer.abort()),
  },
  "close": {
    does: "closes the connection without DISCONNECT",
    lose: (_, peer) => Promise.resolve(peer.close()),
  },
  "protocol-error": {
    does: "sends a packet of type 0, for which the target closes the connection",
    async lose(_, peer) {
      peer.send(Uint8Array.of(0, 0));
      await peer.refused([0x81, 0x82]);
    },
  },
  "takeover": {
    does: "connects a second time under the same Client Identifier",
    async lose(t) {
      await comesBack(t);
    },
  },
  "disconnect-with-will": {
    levels: [5],
    does: "leaves with DISCONNECT 0x04, which asks for the will",
    lose: (_, peer) => peer.leave(0x04),
  },
};

const BOTH: CaseInit<Trial>["levels"] = [4, 5];

const PUBLISHED: Record<string, CaseInit<Trial>> = Object.fromEntries(
  Object.entries(LOSSES).map(([name, { levels = BOTH, does, lose }]) => [`will-comes-after-${name}`, {
    statements: ["MQTT-3.1.2-7", "MQTT-3.1.2-8", "MQTT311-3.1.2-8"],
    levels,
    does: `Connects with a will and ${does}.`,
    requires: "The subscriber gets the will.",
    async run(t) {
      const subscriber = await witness(t);
      const peer = await withWill(t);
      await lose(t, peer);
      await checkComes(subscriber, "for the Client is gone");
    },
  }]),
);

/** Cases of §3.1.2.5 to §3.1.2.7 and §3.1.3.2. */
export const CASES: readonly ServerCase[] = [
  ...serverCases("3.1.2", {
    ...PUBLISHED,
    "no-will-after-disconnect": {
      statements: ["MQTT-3.1.2-8", "MQTT-3.1.2-10", "MQTT311-3.1.2-8", "MQTT311-3.1.2-10"],
      levels: [4, 5],
      does: "Connects with a will and leaves with DISCONNECT.",
      requires: "The will is not published, neither then nor when the same Client comes back and is lost.",
      async run(t) {
        const subscriber = await witness(t);
        await (await withWill(t)).leave();
        await subscriber.expectNoPublish("for the Client said good-bye");
        (await comesBack(t)).abort();
        await (await comesBack(t)).barrier();
        await subscriber.expectNoPublish("for DISCONNECT has removed the will");
      },
    },
    "will-comes-once": {
      statements: ["MQTT-3.1.2-10", "MQTT311-3.1.2-10", "MQTT311-3.1.2-12"],
      levels: [4, 5],
      does: "Has a will published, then comes back to the session without a will and is lost again.",
      requires: "The will comes the first time only.",
      async run(t) {
        const subscriber = await witness(t);
        const init = kept(60);
        (await withWill(t, {}, init)).abort();
        await checkComes(subscriber, "for the Client is gone");
        (await comesBack(t, init)).abort();
        await (await comesBack(t, init)).barrier();
        await subscriber.expectNoPublish("for the will was published before");
      },
    },
    "will-of-retain-0": {
      statements: ["MQTT-3.1.2-14", "MQTT311-3.1.2-16"],
      levels: [4, 5],
      does: "Has a will with Will Retain 0 published, then another Client subscribes.",
      requires: "The first subscriber gets it, with RETAIN 0; the second one does not.",
      async run(t) {
        const subscriber = await witness(t);
        (await withWill(t)).abort();
        const came = await checkComes(subscriber, "for the Client is gone");
        check(came.retain === false, "It came with RETAIN 1");
        const later = await witness(t);
        await later.expectNoPublish("for the will was not to be retained");
      },
    },
    "will-of-retain-1": {
      statements: ["MQTT-3.1.2-15", "MQTT311-3.1.2-17"],
      levels: [4, 5],
      needs: ["retain"],
      does: "Has a will with Will Retain 1 published, then another Client subscribes.",
      requires: "The second subscriber gets it too, with RETAIN 1.",
      async run(t) {
        const subscriber = await witness(t);
        (await withWill(t, { retain: true, qos: t.qos(1) })).abort();
        await checkComes(subscriber, "for the Client is gone");
        const came = await checkComes(await witness(t), "for the will is retained");
        check(came.retain === true, "It came with RETAIN 0");
      },
    },
    "will-comes-when-the-session-ends": {
      statements: ["MQTT-3.1.2-8"],
      levels: [5],
      does: "Is lost with a Will Delay of a minute and a session that ends with its connection.",
      requires: "The will comes at once: the end of the session is the earlier of the two.",
      async run(t) {
        const subscriber = await witness(t);
        (await withWill(t, { properties: [property.willDelay(60)] })).abort();
        await checkComes(subscriber, "for the session is over");
      },
    },
    "will-comes-when-the-session-is-replaced": {
      statements: ["MQTT-3.1.2-8"],
      levels: [5],
      does: "Is lost with a Will Delay of a minute and a kept session, then comes back with Clean Start 1.",
      requires:
        "The will should come: the session it belongs to is over. That a connection of the same Client makes it void is a reading that the text permits.",
      async run(t) {
        const subscriber = await witness(t);
        (await withWill(t, { properties: [property.willDelay(60)] }, kept(60))).abort();
        await comesBack(t, { cleanStart: true });
        const came = await subscriber.next();
        if (came === undefined) throw new Finding("lenient", "The session is over; its will did not come");
        check(came.type === TYPE.PUBLISH, "The will was expected, something else came");
      },
    },
    "will-waits-for-its-delay": {
      statements: ["MQTT-3.1.2-8"],
      levels: [5],
      timing: true,
      does: "Is lost with a Will Delay of two seconds and a session that is kept longer.",
      requires: "The will does not come in the first second, and comes when the two are over.",
      async run(t) {
        const subscriber = await witness(t);
        (await withWill(t, { properties: [property.willDelay(2)] }, kept(60))).abort();
        await t.wait(1000);
        await subscriber.expectNoPublish("for the Will Delay has not run out");
        await checkLate(subscriber, 2000);
      },
    },
    "will-comes-when-the-session-expires": {
      statements: ["MQTT-3.1.2-8"],
      levels: [5],
      timing: true,
      does: "Is lost with a Will Delay of a minute and a session that is kept for one second.",
      requires: "The will comes when the session expires.",
      async run(t) {
        const subscriber = await witness(t);
        (await withWill(t, { properties: [property.willDelay(60)] }, kept(1))).abort();
        await checkLate(subscriber, 1000);
      },
    },
  }),
  ...serverCases("3.1.3", {
    "no-will-if-the-client-is-back-in-time": {
      statements: ["MQTT-3.1.3-9", "MQTT-3.1.2-8"],
      levels: [5],
      timing: true,
      does: "Is lost with a Will Delay of two seconds, and comes back to its session at once.",
      requires: "The will does not come, not even when the delay is over.",
      async run(t) {
        const subscriber = await witness(t);
        (await withWill(t, { properties: [property.willDelay(2)] }, kept(60))).abort();
        const { peer, connack } = await t.connectAnd({ clientId: t.clientId("w"), ...kept(60) });
        if (connack.sessionPresent !== true) {
          throw new Finding("inconclusive", "The session was not kept");
        }
        await t.wait(3500);
        await peer.barrier();
        await subscriber.expectNoPublish("for its Client came back before the delay was over");
      },
    },
    "user-properties-in-order": {
      statements: ["MQTT-3.1.3-10"],
      levels: [5],
      does: "Has a will published with five User Properties, two of the same name and two quite the same.",
      requires: "The subscriber gets all of them in the same order.",
      async run(t) {
        const pairs = [["b", "1"], ["a", "2"], ["b", "0"], ["a", "2"], ["", ""]] as const;
        const subscriber = await witness(t);
        const all = pairs.map(([name, value]) => property.userProperty(name, value));
        (await withWill(t, { properties: all })).abort();
        const came = await checkComes(subscriber, "for the Client is gone");
        const seen = came.properties.filter(({ id }) => id === 0x26).map(({ value }) => value);
        check(
          JSON.stringify(seen) === JSON.stringify(pairs),
          `The User Properties are ${JSON.stringify(seen)}, not ${JSON.stringify(pairs)}`,
        );
      },
    },
  }),
];

/** The will comes within `ms` and what a Server may be late; too soon is for the caller to rule out. */
async function checkLate(subscriber: Peer, ms: number): Promise<void> {
  const within = ms + LATE_MS;
  const seen = await subscriber.next(within);
  const came = seen === undefined ? "nothing" : seen.type === TYPE.PUBLISH ? undefined : "something else";
  check(came === undefined, `The will was expected within ${within} ms; ${came} came`);
}
