/**
 * §3.14 DISCONNECT: what a Server under audit must do.
 * @module
 */
import {
  bytes,
  disconnect,
  field,
  packet,
  pingreq,
  properties,
  property,
  subscribe,
  TYPE,
  u16,
} from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { payloadText, type Seen, strayProperties } from "../../wire/parse.ts";
import { hexCode, type Peer } from "../../wire/peer.ts";
import type { ConnectInit, Trial } from "../trial.ts";
import { check, Finding } from "../../verdict.ts";

/** The codes that Table 3-10 gives a Server, and 0x8C, which only Table 2-6 has. */
const CODES = [
  ...[0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96],
  ...[0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2],
];

/** Each must end an open connection of level 5. */
const FAULTS: readonly ((t: Trial) => Uint8Array)[] = [
  (t) => t.connectBytes(),
  (t) => packet(TYPE.SUBSCRIBE, 2, u16(1), properties(), field(t.topic()), 0xc0),
  (t) => t.publish({ topic: t.topic(), qos: 3, id: 1 }),
  (t) => t.publish({ topic: t.topic(), properties: [property.topicAlias(0)] }),
  (t) => t.publish({ topic: t.topic("#") }),
  () => subscribe(5, 1, []),
  () => bytes(0x00, 0x00),
];

/** The DISCONNECT packets that a Server sends to connections that it must end. */
async function goodByes(t: Trial, open: (init?: ConnectInit) => Promise<Peer>): Promise<Seen[]> {
  const found: Seen[] = [];
  for (const fault of FAULTS) {
    const peer = await open();
    peer.send(fault(t));
    found.push(...(await peer.rest()).filter(({ type }) => type === TYPE.DISCONNECT));
  }
  const taken = await open({ clientId: t.clientId("taken") });
  await t.connect({ clientId: t.clientId("taken") });
  found.push(...(await taken.rest()).filter(({ type }) => type === TYPE.DISCONNECT));
  return found;
}

/** A DISCONNECT that is none must end the connection as a fault does: the will is published. */
async function noGoodBye(t: Trial, bad: Uint8Array, codes: readonly number[]): Promise<void> {
  const watcher = await t.connect();
  await t.subscribe(watcher, t.topic("will"));
  const peer = await t.connect({ will: { topic: t.topic("will"), payload: "lost" } });
  peer.send(bad);
  await watcher.take("the will, for the Client sent no valid DISCONNECT");
  await peer.refused(codes);
}

/** Cases of §3.14. */
export const CASES: readonly ServerCase[] = serverCases("3.14", {
  "not-before-connack": {
    statements: ["MQTT-3.14.0-1"],
    levels: [5],
    does:
      "Begins with what is no CONNECT, and with CONNECT packets that must be refused, each on a connection of " +
      "its own.",
    requires: "No DISCONNECT comes: a CONNACK with a failure, or the end and nothing else.",
    async run(t) {
      const two = [property.receiveMaximum(1), property.receiveMaximum(1)];
      const method = property.authenticationMethod("plumb-audit-none");
      const firsts = [
        pingreq(),
        t.connectBytes({ flags: 3 }),
        t.connectBytes({ version: 9 }),
        t.connectBytes({ protocolName: field("MQTX") }),
        t.connectBytes({ properties: two }),
        t.connectBytes({ properties: [property.receiveMaximum(0)] }),
        t.connectBytes({ properties: [method] }),
      ];
      for (const first of firsts) {
        const peer = await t.open();
        peer.send(first);
        for (;;) {
          const seen = await peer.next();
          if (seen === undefined || seen.type === "end" || (seen.type === TYPE.CONNACK && seen.code === 0)) {
            break;
          }
          check(seen.type !== TYPE.DISCONNECT, "DISCONNECT came before a CONNACK that accepts");
        }
        peer.abort();
      }
    },
  },
  "reserved-flags": {
    statements: ["MQTT-3.14.1-1", "MQTT311-3.14.1-1", "MQTT-2.1.3-1", "MQTT311-2.2.2-1", "MQTT311-2.2.2-2"],
    levels: [4, 5],
    does: "Sends DISCONNECT with flags 0001 on a connection that has a will.",
    requires: "The connection is closed{5| (DISCONNECT 0x81 may say why)}, and the will is published: this " +
      "was no good-bye.",
    run: (t) => noGoodBye(t, packet(TYPE.DISCONNECT, 1), [0x81]),
  },
  "known-codes": {
    statements: [
      "MQTT-3.14.2-1",
      "MQTT-3.14.2-2",
      "3.14.2.2.3/twice",
      "3.14.2.2.5/twice",
    ],
    levels: [5],
    does: "Breaks the rules in seven ways, and has a connection taken over.",
    requires: "Each DISCONNECT of the Server has a code that a Server may send, and no property but User " +
      "Properties, one Reason String and one Server Reference.",
    async run(t) {
      for (const seen of await goodByes(t, (init) => t.connect(init))) {
        const faults = [...seen.faults, ...strayProperties(seen, [0x1c, 0x1f, 0x26])];
        check(faults.length === 0, `DISCONNECT is not well formed: ${faults.join(", ")}`);
        check(CODES.includes(seen.code!), `DISCONNECT has ${hexCode(seen.code!)}, which is not a Server's`);
      }
    },
  },
  "within-maximum-packet-size": {
    statements: ["MQTT-3.14.2-3", "MQTT-3.14.2-4"],
    levels: [5],
    does:
      "Breaks the rules in seven ways, and has a connection taken over. Its Maximum Packet Size has no room for a Reason String.",
    requires: "No DISCONNECT is larger than the Maximum Packet Size.",
    async run(t) {
      let most = 0;
      const open = async (init?: ConnectInit) => {
        const { peer, size } = await t.narrow(init);
        most = size;
        return peer;
      };
      for (const { raw } of await goodByes(t, open)) {
        check(raw.length <= most, `DISCONNECT of ${raw.length} bytes, ${most} are allowed`);
      }
    },
  },
  "last-packet": {
    statements: ["MQTT-3.14.4-1", "MQTT-3.14.4-2"],
    levels: [5],
    does:
      "Breaks the rules in seven ways, sends three PINGREQ in the same chunk, and publishes to the connection.",
    requires: "The connection is closed, and nothing comes behind the Server's DISCONNECT.",
    async run(t) {
      const publisher = await t.connect();
      for (const fault of FAULTS) {
        const peer = await t.connect();
        await t.subscribe(peer, t.topic("to"), 0);
        peer.send(bytes(fault(t), pingreq(), pingreq(), pingreq()));
        publisher.send(t.publish({ topic: t.topic("to"), payload: "late" }));
        const types = (await peer.rest("for the rules were broken")).map(({ type }) => type);
        const at = types.indexOf(TYPE.DISCONNECT);
        check(at < 0 || at === types.length - 1, `${types.length - 1 - at} packets came behind DISCONNECT`);
      }
    },
  },
  "will-is-discarded": {
    statements: ["MQTT-3.14.4-3", "MQTT311-3.14.4-3"],
    levels: [4, 5],
    does: "Ends connections that have a will by DISCONNECT in each of its forms, and connects again.",
    requires: "The will is not published.",
    async run(t) {
      const watcher = await t.connect();
      await t.subscribe(watcher, t.topic("will"));
      const forms = t.level === 4 ? [disconnect()] : [disconnect(), disconnect(0), disconnect(0, [])];
      for (const form of forms) {
        const will = { topic: t.topic("will"), payload: "will" };
        const leaving = await t.connect({ clientId: t.clientId("w"), will });
        leaving.send(form);
        leaving.close();
        await leaving.rest("for the Client sent DISCONNECT and closed");
        const again = await t.connect({ clientId: t.clientId("w") });
        await t.published(again, { topic: t.topic("will"), payload: "no will", qos: t.qos(1) });
        const came = payloadText(await watcher.take());
        check(came === "no will", "The will was published after DISCONNECT");
      }
    },
  },
  "expiry-from-zero": {
    statements: ["3.14.2.2.2/expiry-from-zero"],
    levels: [5],
    does:
      "Connects with a will and without Session Expiry Interval, and sends DISCONNECT 0x00 that sets one.",
    requires:
      "The connection is closed, DISCONNECT 0x82 may say why, the will is published, and no session is " +
      "kept: this was no good-bye.",
    async run(t) {
      const watcher = await t.connect();
      await t.subscribe(watcher, t.topic("will"));
      const clientId = t.clientId("s");
      const will = { topic: t.topic("will"), payload: "lost" };
      const peer = await t.connect({ clientId, will });
      peer.send(disconnect(0, [property.sessionExpiry(60)]));
      await watcher.take("the will, for the Client sent no valid DISCONNECT");
      let lenient: Finding | undefined;
      try {
        await peer.refused([0x82]);
      } catch (error) {
        if (!(error instanceof Finding) || error.verdict !== "lenient") throw error;
        lenient = error;
      }
      const { connack } = await t.connectAnd({ clientId, cleanStart: false });
      check(connack.sessionPresent === false, "The session was kept: the interval was taken");
      if (lenient !== undefined) throw lenient;
    },
  },
  "expiry-twice": {
    statements: ["3.14.2.2.2/twice"],
    levels: [5],
    does: "Sends DISCONNECT 0x00 with two Session Expiry Intervals on a connection that has a will.",
    requires: "The connection is closed, DISCONNECT 0x82 may say why, and the will is published.",
    run: (t) => noGoodBye(t, disconnect(0, [property.sessionExpiry(0), property.sessionExpiry(0)]), [0x82]),
  },
  "reason-string-twice": {
    statements: ["3.14.2.2.3/twice"],
    levels: [5],
    does: "Sends DISCONNECT 0x00 with two Reason Strings on a connection that has a will.",
    requires: "The connection is closed, DISCONNECT 0x82 may say why, and the will is published.",
    run: (t) => noGoodBye(t, disconnect(0, [property.reasonString("a"), property.reasonString("a")]), [0x82]),
  },
  "server-reference-twice": {
    statements: ["3.14.2.2.5/twice"],
    levels: [5],
    does: "Sends DISCONNECT 0x00 with two Server References on a connection that has a will.",
    requires: "The connection is closed, DISCONNECT 0x82 may say why, and the will is published.",
    run: (t) =>
      noGoodBye(t, disconnect(0, [property.serverReference("a"), property.serverReference("a")]), [0x82]),
  },
  "server-reference-of-a-client": {
    statements: ["3.14.2.2.5/from-client"],
    levels: [5],
    does: "Sends DISCONNECT 0x00 with a Server Reference on a connection that has a will.",
    requires:
      "The connection is closed as after a fault, and the will is published. The text says only that it " +
      "is the Server who sends it: a Server that takes it is lenient.",
    async run(t) {
      try {
        await noGoodBye(t, disconnect(0, [property.serverReference("elsewhere")]), [0x81, 0x82]);
      } catch (error) {
        throw error instanceof Finding ? new Finding("lenient", error.message) : error;
      }
    },
  },
});
