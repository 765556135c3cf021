/**
 * §3.2.2.3 What a CONNACK says that the Server does not support, and what follows from it for a Server under audit.
 * @module
 */
import { options, type Properties, property, subscribe, TYPE } from "../../wire/bytes.ts";
import type { Capability } from "../../capability.ts";
import { type CaseInit, type RuleId, type ServerCase, serverCases } from "../../case.ts";
import { hexCode } from "../../wire/peer.ts";
import type { ConnectInit, Trial } from "../trial.ts";
import { check, fail, Finding } from "../../verdict.ts";

/** For what only a target shows that lacks the capability. */
function onlyWithout(t: Trial, capability: Capability): void {
  if (!t.profile.missing.has(capability)) {
    throw new Finding("unsupported", `The target offers what this case needs to be missing: ${capability}`);
  }
}

/** A SUBSCRIBE with something that CONNACK has switched off. */
function switchedOff(
  rule: RuleId,
  capability: Capability,
  code: number,
  what: string,
  make: (t: Trial) => { readonly filter: string; readonly properties?: Properties },
): CaseInit<Trial> {
  return {
    statements: [rule],
    levels: [5],
    does: `Subscribes with ${what} after a CONNACK that says that there is no support for it.`,
    requires: `It is not granted: DISCONNECT or SUBACK ${hexCode(code)} comes, or the connection is closed.`,
    async run(t) {
      onlyWithout(t, capability);
      const { filter, properties } = make(t);
      const peer = await t.connect();
      peer.send(subscribe(5, t.id(), [[filter, 0]], properties));
      const first = await peer.next();
      if (first === undefined) fail("Neither an answer nor the end of the connection came");
      if (first.type === "end") return;
      const came = first.type === TYPE.SUBACK ? first.codes?.[0] : first.code;
      check(came !== undefined && came >= 0x80, `It was granted with ${hexCode(came ?? 0)}`);
      if (came !== code) throw new Finding("lenient", `${hexCode(came)} came, ${hexCode(code)} is named`);
    },
  };
}

/** A CONNECT whose will asks for more than there is. */
async function refusedWill(t: Trial, will: NonNullable<ConnectInit["will"]>, code: number): Promise<void> {
  const peer = await t.open();
  peer.send(t.connectBytes({ will }));
  await peer.refused([code]);
}

/** Cases of §3.2.2.3.4 and on. */
export const CASES: readonly ServerCase[] = serverCases("3.2.2.3", {
  "maximum-qos-is-told": {
    statements: ["MQTT-3.2.2-9"],
    levels: [5],
    does: "Publishes with every QoS up to the Maximum QoS of CONNACK, or up to 2 if it has none.",
    requires: "Each is acknowledged: what is not supported is told.",
    async run(t) {
      const peer = await t.connect();
      for (let qos = 1; qos <= t.profile.maximumQos; qos++) {
        const type = qos === 1 ? TYPE.PUBACK : TYPE.PUBREC;
        peer.send(t.publish({ topic: t.topic(), qos, id: t.id() }));
        const { code = 0 } = await peer.expect(type, `for Maximum QoS is ${t.profile.maximumQos}`);
        check(code !== 0x9b, "QoS not supported, says the answer");
      }
    },
  },
  "maximum-qos-and-subscribe": {
    statements: ["MQTT-3.2.2-10"],
    levels: [5],
    does: "Subscribes with QoS 1 and 2 where CONNACK has a lower Maximum QoS.",
    requires: "The subscriptions are granted, with no more than Maximum QoS.",
    async run(t) {
      onlyWithout(t, "qos 2");
      const peer = await t.connect();
      for (const qos of [1, 2]) {
        const granted = await t.subscribe(peer, t.topic(`q${qos}`), options(qos));
        const most = t.profile.maximumQos;
        check(granted <= most, `QoS ${granted} is granted, Maximum QoS is ${most}`);
      }
    },
  },
  "maximum-qos-and-will": {
    statements: ["MQTT-3.2.2-12"],
    levels: [5],
    does: "Sends a CONNECT whose will has a QoS above the Maximum QoS of CONNACK.",
    requires: "It is refused; CONNACK 0x9B may say why.",
    async run(t) {
      onlyWithout(t, "qos 2");
      await refusedWill(t, { topic: t.topic("will"), qos: t.profile.maximumQos + 1 }, 0x9b);
    },
  },
  "retain-not-available-and-will": {
    statements: ["MQTT-3.2.2-13"],
    levels: [5],
    does: "Sends a CONNECT with Will Retain 1 where CONNACK has Retain Available 0.",
    requires: "It is refused; CONNACK 0x9A may say why.",
    async run(t) {
      onlyWithout(t, "retain");
      await refusedWill(t, { topic: t.topic("will"), payload: "gone", retain: true }, 0x9a);
    },
  },
  "wildcards-not-available": switchedOff(
    "3.2.2.3.11/not-supported",
    "wildcards",
    0xa2,
    "a wildcard",
    (t) => ({ filter: t.topic("+") }),
  ),
  "identifiers-not-available": switchedOff(
    "3.2.2.3.12/not-supported",
    "identifiers",
    0xa1,
    "a Subscription Identifier",
    (t) => ({ filter: t.topic(), properties: [property.subscriptionIdentifier(1)] }),
  ),
  "shared-not-available": switchedOff(
    "3.2.2.3.13/not-supported",
    "shared",
    0x9e,
    "a Shared Subscription",
    (t) => ({ filter: `$share/g/${t.topic()}` }),
  ),
});
