/**
 * §3.1.4 What a Server under audit must do with a CONNECT: accept it, take over, or refuse it and hear no more.
 * @module
 */
import { bytes, field, packet, subscribe, TYPE, u16 } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { hexCode, nameOf } from "../../wire/peer.ts";
import type { Trial } from "../trial.ts";
import { check, Finding } from "../../verdict.ts";

/** A CONNECT with the reserved flag. */
function malformed(t: Trial): Uint8Array {
  const { level } = t;
  const head = [field("MQTT"), level, 3, u16(0), level === 5 ? [0] : []];
  return packet(TYPE.CONNECT, 0, head, field(t.clientId("m")));
}

/** Cases of §3.1.4. */
export const CASES: readonly ServerCase[] = serverCases("3.1.4", {
  "accepted": {
    statements: ["MQTT-3.1.4-5", "MQTT311-3.1.4-4"],
    levels: [4, 5],
    does: "Sends a plain CONNECT.",
    requires: "CONNACK 0x00 comes and the connection stays.",
    async run(t) {
      const peer = await t.open();
      peer.send(t.connectBytes());
      const { code = 0 } = await peer.expect(TYPE.CONNACK);
      check(code === 0, `CONNACK has ${hexCode(code)}`);
      await peer.barrier();
    },
  },
  "packets-in-one-chunk": {
    statements: ["MQTT-3.2.0-1", "MQTT311-3.2.0-1", "MQTT-3.1.4-5", "MQTT311-3.1.4-4"],
    levels: [4, 5],
    does: "Sends CONNECT, SUBSCRIBE and PUBLISH in one chunk, without waiting for CONNACK.",
    requires: "CONNACK 0x00 comes first, then the answers.",
    async run(t) {
      const peer = await t.open();
      const id = t.id();
      const follow = [subscribe(t.level, id, [[t.topic(), 0]]), t.publish({ topic: t.topic() })];
      peer.send(bytes(t.connectBytes(), ...follow));
      const { code = 0 } = await peer.expect(TYPE.CONNACK, "before anything else");
      check(code === 0, `CONNACK has ${hexCode(code)}`);
      const suback = await peer.pick(TYPE.SUBACK);
      check(suback.id === id, `SUBACK has id ${suback.id}, its SUBSCRIBE ${id}`);
      await peer.expectPublish();
    },
  },
  "connack-before-stored-messages": {
    statements: ["MQTT-3.2.0-1", "MQTT311-3.2.0-1"],
    levels: [4, 5],
    needs: ["qos 1"],
    does: "Comes back to a session for which messages wait.",
    requires: "CONNACK comes before any of them.",
    async run(t) {
      const first = await t.session();
      await t.subscribeAt(first.peer, t.topic(), 1);
      await first.peer.leave();
      await t.published(await t.connect(), { topic: t.topic(), qos: 1 });
      const peer = await t.open();
      peer.send(t.connectBytes({ clientId: t.clientId("s"), cleanStart: false }));
      await peer.expect(TYPE.CONNACK, "before anything else");
    },
  },
  "taken-over": {
    statements: ["MQTT-3.1.4-3", "MQTT311-3.1.4-2"],
    levels: [4, 5],
    does: "Connects a second time under a Client Identifier whose connection is open.",
    requires: "The older connection is closed, {5|DISCONNECT 0x8E may say why; }the newer one works.",
    async run(t) {
      const clientId = t.clientId("twin");
      const older = await t.connect({ clientId }, "older");
      const newer = await t.connect({ clientId }, "newer");
      await older.refused([0x8e]);
      await newer.barrier();
    },
  },
  "nothing-behind-a-malformed-one": {
    statements: ["MQTT-3.1.4-6", "MQTT311-3.1.4-5"],
    levels: [4, 5],
    does: "Sends a malformed CONNECT with a SUBSCRIBE and a PUBLISH behind it in one chunk.",
    requires:
      "The connection is closed; nobody receives the message, and there is no answer to these packets.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic(), 0);
      const peer = await t.open();
      const follow = [subscribe(t.level, t.id(), [[t.topic(), 0]]), t.publish({ topic: t.topic() })];
      peer.send(bytes(malformed(t), ...follow));
      const wrong = (await peer.rest()).find(({ type }) => type !== TYPE.CONNACK && type !== TYPE.DISCONNECT);
      check(wrong === undefined, `${nameOf(wrong?.type ?? 0)} came behind the refusal`);
      await subscriber.expectNoPublish("for the CONNECT before it was refused");
    },
  },
  "nothing-but-connack-before-success": {
    statements: ["MQTT-3.2.0-1", "MQTT311-3.2.0-1"],
    levels: [4, 5],
    does: "Sends a malformed CONNECT.",
    requires:
      "The connection is closed. {5|A CONNACK with a failure may come before, but no DISCONNECT}{4|Nothing may come before}.",
    async run(t) {
      const peer = await t.open();
      peer.send(malformed(t));
      const wrong = (await peer.rest()).find(({ type }) => type !== TYPE.CONNACK);
      check(wrong === undefined, `${nameOf(wrong?.type ?? 0)} came although no CONNECT was accepted`);
    },
  },
  "bad-credentials": {
    statements: ["MQTT-3.1.4-2"],
    levels: [4, 5],
    needs: ["authentication"],
    does: "Sends a CONNECT with a wrong password, with a SUBSCRIBE behind it.",
    requires: "It is refused: the connection is closed, CONNACK {5|0x86 or 0x87}{4|4 or 5} may say why.",
    async run(t) {
      const peer = await t.open();
      const wrong = t.connectBytes({ password: `${t.profile.password ?? ""}-wrong` });
      peer.send(bytes(wrong, subscribe(t.level, t.id(), [[t.topic(), 0]])));
      await peer.refused(t.level === 5 ? [0x86, 0x87] : [4, 5]);
    },
  },
  "nothing-behind-bad-credentials": {
    statements: ["MQTT-3.1.4-6", "MQTT311-3.1.4-5"],
    levels: [4, 5],
    needs: ["authentication"],
    does: "Sends a CONNECT with a wrong password and a PUBLISH behind it in one chunk.",
    requires: "Nobody receives the message.",
    async run(t) {
      const subscriber = await t.connect();
      await t.subscribe(subscriber, t.topic(), 0);
      const peer = await t.open();
      const wrong = t.connectBytes({ password: `${t.profile.password ?? ""}-wrong` });
      peer.send(bytes(wrong, t.publish({ topic: t.topic() })));
      const first = await peer.next();
      if (first?.type === TYPE.CONNACK && first.code === 0) {
        throw new Finding("inconclusive", "A wrong password was accepted");
      }
      await subscriber.expectNoPublish("for its Client was not let in");
    },
  },
});
