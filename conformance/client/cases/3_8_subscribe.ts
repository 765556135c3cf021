/**
 * §3.8 SUBSCRIBE, §3.10 UNSUBSCRIBE, §3.14 DISCONNECT and §4.12 AUTH of a Client under audit.
 * @module
 */
import { packet, properties, property, TYPE } from "../../wire/bytes.ts";
import { type CaseInit, type ClientCase, clientCases, type RuleId } from "../../case.ts";
import { faultsOf } from "../rules.ts";
import type { ClientTrial } from "../trial.ts";
import { describe } from "../../wire/describe.ts";
import type { OrderedSubscription } from "../drivers/driver.ts";
import { textOf } from "../../wire/parse.ts";
import { nameOf } from "../../wire/peer.ts";
import { connack } from "../server_packets.ts";
import { check, Finding } from "../../verdict.ts";

const METHOD = "PLUMB-AUDIT";

/** A subscription that no Client may ask for: it refuses, or asks for something that is right. */
function never(
  subscription: OrderedSubscription,
  statements: readonly RuleId[],
  levels: readonly (4 | 5)[] = [4, 5],
): CaseInit<ClientTrial> {
  const { filter, noLocal } = subscription;
  return {
    statements,
    levels,
    does: `Orders a subscription to ${JSON.stringify(filter)}${noLocal === true ? " with No Local" : ""}.`,
    requires: "The Client does not send it so.",
    async run(t) {
      if (filter.includes("\0")) t.needs("any text");
      await t.forbidden({ subscribe: [subscription] }, (seen) => {
        return seen.type === TYPE.SUBSCRIBE ? faultsOf(seen, t.level)[0] : undefined;
      });
    },
  };
}

/** AUTH from the Server. */
function auth(code: number, method: string): Uint8Array {
  const all = properties(property.authenticationMethod(method), property.authenticationData("and?"));
  return packet(TYPE.AUTH, 0, code, all);
}

/** Cases of §3.8, §3.10, §3.14 and §4.12. */
export const CASES: readonly ClientCase[] = [
  ...clientCases("3.8.3", {
    "subscribe": {
      statements: [
        "MQTT-3.8.1-1",
        "MQTT-3.8.3-1",
        "MQTT-3.8.3-2",
        "MQTT-2.1.3-1",
        "3.8.3.1/qos-3",
        "3.8.3.1/retain-handling-3",
        "2.2.2.2/not-allowed",
        "MQTT311-3.8.1-1",
        "MQTT311-3.8.3-1",
        "MQTT311-3.8.3-3",
        "MQTT311-2.2.2-1",
      ],
      levels: [4, 5],
      does: "Orders a subscription whose filter has wildcards and is not all ASCII.",
      requires:
        "SUBSCRIBE comes with the right flags, at least one filter, options in range, and the filter as ordered.",
      async run(t) {
        const filter = `${t.topic("sübscribe")}/+/#`;
        await t.start({ subscribe: [{ filter, qos: 2 }] });
        const { peer } = await t.acceptConnect();
        const seen = await t.brought(peer, TYPE.SUBSCRIBE);
        const faults = faultsOf(seen, t.level);
        check(faults.length === 0, `SUBSCRIBE: ${faults.join(", ")}`);
        const filters = (seen.filters ?? []).map((one) => one.filter);
        check(filters.includes(filter), `Its filters are ${JSON.stringify(filters)}`);
      },
    },
    "hash-in-the-middle": never({ filter: "a/#/b", qos: 0 }, ["MQTT-4.7.1-1", "MQTT311-4.7.1-2"]),
    "hash-behind-a-letter": never({ filter: "a/b#", qos: 0 }, ["MQTT-4.7.1-1", "MQTT311-4.7.1-2"]),
    "plus-beside-a-letter": never({ filter: "a/b+/c", qos: 0 }, ["MQTT-4.7.1-2", "MQTT311-4.7.1-3"]),
    "empty-filter": never({ filter: "", qos: 0 }, ["MQTT-4.7.3-1", "MQTT311-4.7.3-1"]),
    "u-0000-in-filter": never({ filter: "a\0b", qos: 0 }, [
      "MQTT-4.7.3-2",
      "MQTT-3.8.3-1",
      "MQTT311-4.7.3-2",
      "MQTT311-3.8.3-1",
    ]),
    "share-without-a-name": never({ filter: "$share//a", qos: 0 }, ["MQTT-4.8.2-1"], [5]),
    "share-with-wildcard-in-its-name": never({ filter: "$share/a+b/c", qos: 0 }, ["MQTT-4.8.2-2"], [5]),
    "share-without-a-filter": never({ filter: "$share/name", qos: 0 }, ["MQTT-4.8.2-2"], [5]),
    "share-with-no-local": never({ filter: "$share/name/a", qos: 0, noLocal: true }, ["MQTT-3.8.3-4"], [5]),
  }),
  ...clientCases("3.10.3", {
    "unsubscribe": {
      statements: [
        "MQTT-3.10.1-1",
        "MQTT-3.10.3-1",
        "MQTT-3.10.3-2",
        "MQTT-2.1.3-1",
        "2.2.2.2/not-allowed",
        "MQTT311-3.10.1-1",
        "MQTT311-3.10.3-1",
        "MQTT311-3.10.3-2",
        "MQTT311-2.2.2-1",
      ],
      levels: [4, 5],
      does: "Orders a subscription and its end.",
      requires: "UNSUBSCRIBE comes with the right flags, at least one filter, and the filter as ordered.",
      async run(t) {
        const filter = `${t.topic("ünsubscribe")}/+`;
        await t.start({ subscribe: [{ filter, qos: 1 }], unsubscribe: [filter] });
        const { peer } = await t.acceptConnect();
        const seen = await t.brought(peer, TYPE.UNSUBSCRIBE);
        const faults = faultsOf(seen, t.level);
        check(faults.length === 0, `UNSUBSCRIBE: ${faults.join(", ")}`);
        const filters = (seen.filters ?? []).map((one) => one.filter);
        check(filters.includes(filter), `Its filters are ${JSON.stringify(filters)}`);
      },
    },
  }),
  ...clientCases("3.14.4", {
    "disconnect": {
      statements: [
        "MQTT-3.14.1-1",
        "MQTT-3.14.2-1",
        "MQTT-3.14.4-1",
        "MQTT-3.14.4-2",
        "MQTT311-3.14.4-1",
        "MQTT311-3.14.4-2",
      ],
      levels: [4, 5],
      does: "Tells the Client to say good-bye.",
      requires: "If DISCONNECT comes, it is well formed, nothing comes behind it, and the Client closes.",
      async run(t) {
        await t.start(
          t.has("subscribe")
            ? { subscribe: [{ filter: t.topic(), qos: 0 }] }
            : { publish: [t.message("last", 0)] },
        );
        const { peer } = await t.acceptConnect();
        const before = await t.watch(peer);
        if (before.end === "silence") t.leave();
        const { all, end } = before.end === "silence" ? await t.serve(peer) : before;
        const packets = before.end === "silence" ? [...before.all, ...all] : all;
        const at = packets.findIndex(({ type }) => type === TYPE.DISCONNECT);
        if (at < 0) throw new Finding("unsupported", "The Client sends no DISCONNECT");
        const faults = faultsOf(packets[at]!, t.level);
        check(faults.length === 0, `DISCONNECT: ${faults.join(", ")}`);
        const more = packets[at + 1];
        check(more === undefined, `${more && describe(more.raw, t.level)} came behind DISCONNECT`);
        check(end === "end", "The connection stayed open behind DISCONNECT");
      },
    },
  }),
  ...clientCases("4.12.1", {
    "same-method": {
      statements: ["MQTT-4.12.1-1", "MQTT-3.15.1-1", "MQTT-3.15.2-1"],
      levels: [5],
      does:
        "Accepts a CONNECT that has an Authentication Method and orders the Client to authenticate again.",
      requires: "AUTH 0x19 comes, well formed, with the method of CONNECT.",
      async run(t) {
        await t.start({ authenticationMethod: METHOD, authenticationData: "hello", reauthenticate: true });
        const { peer, connect } = await t.acceptUnanswered();
        const method = textOf(connect, 0x15);
        peer.send(connack(5, { properties: [property.authenticationMethod(METHOD)] }));
        const seen = await t.brought(peer, TYPE.AUTH);
        const faults = faultsOf(seen, 5);
        check(faults.length === 0, `AUTH: ${faults.join(", ")}`);
        check(seen.code === 0x19, `AUTH has code ${seen.code}`);
        const again = textOf(seen, 0x15);
        check(
          again === method,
          `AUTH has the method ${JSON.stringify(again)}, CONNECT ${JSON.stringify(method)}`,
        );
      },
    },
  }),
  ...clientCases("4.12", {
    "nothing-else-before-connack": {
      statements: ["MQTT-3.1.2-30"],
      levels: [5],
      does: "Orders an Authentication Method and a message, and keeps the CONNACK back.",
      requires: "Nothing but AUTH or DISCONNECT comes behind CONNECT.",
      async run(t) {
        await t.start({
          authenticationMethod: METHOD,
          authenticationData: "hello",
          ...t.has("publish") && { publish: [t.message("early", 0)] },
        });
        const { peer } = await t.acceptUnanswered();
        const { all } = await t.watch(peer);
        const stray = all.find(({ type }) => type !== TYPE.AUTH && type !== TYPE.DISCONNECT);
        check(stray === undefined, `${nameOf(stray?.type ?? 0)} came before CONNACK`);
      },
    },
    "auth-for-auth": {
      statements: [
        "MQTT-4.12.0-3",
        "MQTT-4.12.0-5",
        "MQTT-3.15.1-1",
        "MQTT-3.15.2-1",
        "3.15.2.2.2/no-method",
      ],
      levels: [5],
      does: "Answers a CONNECT that has an Authentication Method with AUTH 0x18.",
      requires:
        "AUTH 0x18 comes, well formed, with the method of CONNECT; after CONNACK the connection stays.",
      async run(t) {
        await t.start({ authenticationMethod: METHOD, authenticationData: "hello" });
        const { peer, connect } = await t.acceptUnanswered();
        const method = textOf(connect, 0x15);
        check(method === METHOD, `CONNECT has the Authentication Method ${JSON.stringify(method)}`);
        peer.send(auth(0x18, METHOD));
        const seen = await t.owed(peer, TYPE.AUTH, "for AUTH 0x18 was sent");
        const faults = faultsOf(seen, 5);
        check(faults.length === 0, `AUTH: ${faults.join(", ")}`);
        check(seen.code === 0x18, `AUTH has code ${seen.code}`);
        check(textOf(seen, 0x15) === METHOD, `AUTH has the method ${JSON.stringify(textOf(seen, 0x15))}`);
        peer.send(connack(5, { properties: [property.authenticationMethod(METHOD)] }));
        const { end } = await t.watch(peer);
        check(end === "silence", "The Client closed though it was accepted");
      },
    },
    "no-auth-without-a-method": {
      statements: ["MQTT-4.12.0-7"],
      levels: [5],
      does: "Answers a CONNECT without Authentication Method with AUTH 0x18.",
      requires: "No AUTH comes.",
      async run(t) {
        await t.start();
        const { peer, connect } = await t.acceptUnanswered();
        if (textOf(connect, 0x15) !== undefined) {
          throw new Finding("unsupported", "The Client has an Authentication Method of its own");
        }
        peer.send(auth(0x18, METHOD));
        const { all } = await t.watch(peer);
        check(!all.some(({ type }) => type === TYPE.AUTH), "AUTH came");
      },
    },
    "connack-with-another-method": {
      statements: ["MQTT-4.12.0-5"],
      levels: [5],
      does: "Answers a CONNECT that has an Authentication Method with a CONNACK that has another.",
      requires: "The Client should close the connection.",
      async run(t) {
        await t.start({ authenticationMethod: METHOD, authenticationData: "hello" });
        const { peer } = await t.acceptUnanswered();
        peer.send(connack(5, { properties: [property.authenticationMethod("OTHER")] }));
        await t.refused(peer, [0x82, 0x8c], "for the method is another");
      },
    },
  }),
];
