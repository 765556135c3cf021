/**
 * §4.1 Session state, how long it lasts: what a Server under audit must do.
 * @module
 */
import { acknowledgement, options, property, TYPE } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { numberOf } from "../../wire/parse.ts";
import { hexCode } from "../../wire/peer.ts";
import { check, Finding } from "../../verdict.ts";

/** What a Server may be late with the end of a session of one second. */
const LATE_MS = 2000;

/** Cases of §4.1. */
export const CASES: readonly ServerCase[] = serverCases("4.1", {
  "lasts-as-long-as-the-connection": {
    statements: ["MQTT-4.1.0-1", "MQTT311-4.1.0-1", "MQTT311-4.1.0-2"],
    levels: [4, 5],
    timing: true,
    needs: ["qos 2"],
    does:
      "Subscribes and leaves a QoS 2 message unreleased in a session that expires after one second, and stays connected for two and a half.",
    requires: "The subscription still brings messages, and the release still finds its message.",
    async run(t) {
      const init = t.level === 5 ? { properties: [property.sessionExpiry(1)] } : {};
      const peer = await t.connect(init);
      await t.subscribe(peer, t.topic(), options(0));
      const id = t.id();
      peer.send(t.publish({ topic: t.topic("other"), qos: 2, id }));
      await peer.expect(TYPE.PUBREC);
      await t.wait(2500);
      peer.send(acknowledgement(TYPE.PUBREL, id));
      const pubcomp = await peer.expect(TYPE.PUBCOMP);
      check(
        (pubcomp.code ?? 0) === 0,
        `PUBCOMP has ${hexCode(pubcomp.code ?? 0)}: the message is forgotten`,
      );
      await t.published(await t.connect(), { topic: t.topic() });
      await peer.expectPublish("for the session lasts");
    },
  },
  "ends-when-it-expires": {
    statements: ["MQTT-4.1.0-2"],
    levels: [5],
    timing: true,
    does: "Leaves a session that expires after one second, and comes back with Clean Start 0 after three.",
    requires: "Session Present is 0, and the subscription is gone.",
    async run(t) {
      const init = {
        clientId: t.clientId("s"),
        cleanStart: false,
        properties: [property.sessionExpiry(1)],
      };
      const first = await t.connectAnd(init);
      const seconds = numberOf(first.connack, 0x11) ?? 1;
      if (seconds > 1) {
        throw new Finding("unsupported", `CONNACK has a Session Expiry Interval of ${seconds} s`);
      }
      await t.subscribe(first.peer, t.topic(), options(0));
      await first.peer.leave();
      await t.wait(1000 + LATE_MS);
      const { peer, connack } = await t.connectAnd(init);
      check(connack.sessionPresent === false, "CONNACK has Session Present 1");
      const publisher = await t.connect();
      publisher.send(t.publish({ topic: t.topic() }));
      await publisher.barrier();
      await peer.expectNoPublish("for the session is over");
    },
  },
  "expires-anew-after-each-connection": {
    statements: ["MQTT-3.1.2-23"],
    levels: [5],
    timing: true,
    does:
      "Leaves a session of two seconds, comes back after one with an interval of a minute, leaves again, and comes back after two.",
    requires:
      "Session Present is 1 both times: the interval is that of the last connection, and begins at its end.",
    async run(t) {
      const first = await t.connectAnd({
        clientId: t.clientId("s"),
        cleanStart: false,
        properties: [property.sessionExpiry(2)],
      });
      if (numberOf(first.connack, 0x11) === 0) {
        throw new Finding("unsupported", "CONNACK says that no session is kept");
      }
      await first.peer.leave();
      await t.wait(1000);
      for (const wait of [2500, 0]) {
        const { peer, connack } = await t.session();
        check(connack.sessionPresent === true, "CONNACK has Session Present 0");
        await peer.leave();
        await t.wait(wait);
      }
    },
  },
});
