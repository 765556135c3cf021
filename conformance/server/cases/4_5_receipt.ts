/**
 * §4.5 Message receipt: what a Server under audit must do.
 * @module
 */
import { disconnect, options } from "../../wire/bytes.ts";
import { type ServerCase, serverCases } from "../../case.ts";
import { payloadText } from "../../wire/parse.ts";
import type { Peer } from "../../wire/peer.ts";
import { check } from "../../verdict.ts";

/** Cases of §4.5. */
export const CASES: readonly ServerCase[] = serverCases("4.5", {
  "every-subscriber": {
    statements: ["MQTT-4.5.0-1", "MQTT311-4.5.0-1"],
    levels: [4, 5],
    does:
      "Subscribes four Clients to a topic at QoS 0, 1 and 2 and, if there are wildcards, by three more filters " +
      "that match it, and publishes at every QoS.",
    requires: "Every message comes to each of them.",
    async run(t) {
      const filters = t.profile.missing.has("wildcards") ? ["a/b"] : ["a/b", "a/+", "a/#", "+/b"];
      const subscribers: [name: string, peer: Peer][] = [];
      for (const [at, filter] of [...filters, "a/b", "a/b", "a/b"].entries()) {
        const peer = await t.connect();
        await t.subscribe(peer, t.topic(filter), options(at % 3));
        subscribers.push([`The subscriber of ${filter} at QoS ${at % 3}`, peer]);
      }
      const publisher = await t.connect();
      for (let qos = 0; qos <= t.qos(2); qos++) {
        await t.published(publisher, { topic: t.topic("a/b"), payload: `QoS ${qos}`, qos });
        for (const [name, peer] of subscribers) {
          const came = payloadText(await peer.take(`published at QoS ${qos}. ${name} waits`));
          check(came === `QoS ${qos}`, `${name} got "${came}", "QoS ${qos}" was published`);
        }
      }
    },
  },
  "while-disconnected": {
    statements: ["MQTT-4.5.0-1", "MQTT311-4.5.0-1", "MQTT311-3.1.2-5"],
    levels: [4, 5],
    needs: ["qos 1"],
    does:
      "Subscribes two Clients whose sessions are kept, one at QoS 1 and one at QoS 2, disconnects them, publishes " +
      "at QoS 1 and 2, and connects them again.",
    requires: "Every message comes to both.",
    async run(t) {
      const clients = ["one", "two"].map((name) => t.clientId(name));
      for (const [at, clientId] of clients.entries()) {
        const { peer } = await t.session({ clientId });
        await t.subscribe(peer, t.topic(), options(at + 1));
        peer.send(disconnect());
        peer.close();
        await peer.rest("for the Client sent DISCONNECT and closed");
      }
      const publisher = await t.connect();
      for (let qos = 1; qos <= t.qos(2); qos++) {
        await t.published(publisher, { topic: t.topic(), payload: `QoS ${qos}`, qos });
      }
      for (const clientId of clients) {
        const peer = await t.resume({ clientId });
        const came: string[] = [];
        for (let qos = 1; qos <= t.qos(2); qos++) {
          came.push(payloadText(await peer.take("what had been published")));
        }
        for (let qos = 1; qos <= t.qos(2); qos++) {
          check(came.includes(`QoS ${qos}`), `${came.join(" and ")} came, QoS ${qos} did not`);
        }
      }
    },
  },
});
